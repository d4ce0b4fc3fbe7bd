/** Handing the lead to another voter (§3.10 of the dissertation). */
import type {Leadership} from './leadership.ts';
import type {RaftCore} from './raftCore.ts';
import type {TransferOutcome} from './types.ts';

export function transfer(core: RaftCore, to: string): TransferOutcome {
  const {leading} = core;
  if (!leading) return {kind: 'refused', reason: 'notLeader'};
  if (to === core.id) return {kind: 'refused', reason: 'self'};
  if (!core.otherVoters.includes(to)) return {kind: 'refused', reason: 'notVoter'};
  if (leading.transfer?.to !== to) leading.transfer = {to, elapsed: 0, told: false};
  tellTransferee(core, leading);
  return {kind: 'started'};
}

/** Once its log is complete, the target may campaign at any later time: a lease means nothing in the rest of the term. */
export function tellTransferee(core: RaftCore, leading: Leadership): void {
  const {transfer} = leading;
  if (!transfer || transfer.told || leading.progress.get(transfer.to)?.match !== core.log.lastIndex) return;
  transfer.told = true;
  leading.leaseBroken = true;
  core.send({kind: 'timeoutNow', to: transfer.to, from: core.id, term: core.term});
}

/** After an election timeout the old leader takes proposals again; that both might lead is what terms are for. */
export function giveUpTransfer(core: RaftCore, leading: Leadership): void {
  const {transfer} = leading;
  if (!transfer) return;
  transfer.elapsed += 1;
  if (transfer.elapsed >= core.limits.electionTicks) leading.transfer = undefined;
}

/** A leader that no longer votes leads on, without counting itself, only until another can (§4.2.2). */
export function handOver(core: RaftCore, leading: Leadership): void {
  if (leading.transfer || core.isVoter) return;
  const best = furthestVoter(core, leading);
  if (best !== undefined) transfer(core, best);
}

/** A leader whose disk hangs can do nothing more than to name the next one, if one has every entry. */
export function abdicate(core: RaftCore, leading: Leadership): void {
  const best = furthestVoter(core, leading);
  if (best !== undefined) transfer(core, best);
  core.follow(undefined);
}

function furthestVoter(core: RaftCore, leading: Leadership): string | undefined {
  let best: string | undefined;
  let match = -1;
  for (const id of core.configuration.voters) {
    const progress = leading.progress.get(id);
    if (!progress?.active || progress.match <= match) continue;
    best = id;
    match = progress.match;
  }
  return best;
}
