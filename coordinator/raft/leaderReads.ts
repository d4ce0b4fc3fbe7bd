/**
 * Linearizable reads on a leader (§6.4 of the dissertation). A read gets the commit index of its arrival and waits until a majority has answered
 * heartbeats that left after it. Rounds are counted, and an answer to a later round is one to every earlier round: none can be lost by sending
 * fewer heartbeats than there are reads.
 */
import type {Leadership, WaitingRead} from './leadership.ts';
import {jointIndex} from './quorum.ts';
import type {RaftCore} from './raftCore.ts';

/** False when there are too many already. */
export function addRead(core: RaftCore, leading: Leadership, read: WaitingRead): boolean {
  if (leading.early.length + leading.reads.length >= core.limits.maxPendingReads) return false;
  // Before an entry of its own term is committed, a leader does not know how far the log is (§6.4, step 1).
  if (core.log.term(core.log.committed) !== core.term) leading.early.push(read);
  else if (isLeaseValid(core, leading)) answer(core, read, core.log.committed);
  else {
    const {context, from} = read;
    leading.reads.push({context, from, index: core.log.committed, round: leading.round + 1});
    // The only voter needs nobody's answer.
    if (!leading.roundDue) confirmReads(core, leading);
    leading.roundDue = leading.reads.length > 0;
  }
  return true;
}

/** Something was committed: reads that came before the first entry of this term start now. */
export function commitReads(core: RaftCore, leading: Leadership): void {
  const {early} = leading;
  if (early.length === 0) return;
  leading.early = [];
  for (const read of early) addRead(core, leading, read);
}

/** A majority may have answered a further round, or the majority is another. */
export function confirmReads(core: RaftCore, leading: Leadership): void {
  const confirmed = jointIndex(core.configuration, id =>
    id === core.id ? Number.POSITIVE_INFINITY : (leading.progress.get(id)?.round ?? 0),
  );
  while (leading.rounds[0] && leading.rounds[0].round <= confirmed)
    leading.confirmedTick = leading.rounds.shift()?.tick ?? leading.confirmedTick;
  let answered = 0;
  for (const read of leading.reads) {
    if (read.round > confirmed) break;
    answer(core, read, read.index);
    answered += 1;
  }
  if (answered > 0) leading.reads = leading.reads.slice(answered);
}

/** §6.4.1. Those who answered elect nobody else for an election timeout after they did; ticks are coarse, and clocks differ. */
function isLeaseValid({limits}: RaftCore, leading: Leadership): boolean {
  if (!limits.leaseReads || leading.leaseBroken) return false;
  return leading.ticks - leading.confirmedTick < limits.electionTicks - limits.leaseMarginTicks;
}

function answer(core: RaftCore, {context, from}: WaitingRead, index: number): void {
  if (from === undefined) {
    core.reads.push({kind: 'ready', context, index});
    return;
  }
  core.leading?.progress.get(from)?.awaits(index);
  core.send({kind: 'readIndexReply', to: from, from: core.id, context, index});
}
