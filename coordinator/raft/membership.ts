/** Changes of the configuration: proposed by a leader one at a time, in force once applied (chapter 4 of the dissertation; etcd's raft does the same). */
import {
  decodeConfiguration,
  encodeConfiguration,
  isJoint,
  leaveJoint,
  nextConfiguration,
} from './configuration.ts';
import {commit} from './leader.ts';
import {confirmReads} from './leaderReads.ts';
import {hasQuorum} from './quorum.ts';
import type {RaftCore} from './raftCore.ts';
import {handOver} from './transfer.ts';
import type {Configuration, MembershipChange, MembershipOutcome} from './types.ts';

/**
 * A change before an entry of the leader's own term is committed could overlap with one of another leader that it does not know of (Ongaro's
 * correction of single-server changes).
 */
export function changeMembership(core: RaftCore, changes: readonly MembershipChange[]): MembershipOutcome {
  const {leading, log} = core;
  if (!leading) return {kind: 'refused', reason: 'notLeader'};
  if (leading.transfer) return {kind: 'refused', reason: 'transferring'};
  if (leading.pendingChange > log.applied) return {kind: 'refused', reason: 'pending'};
  const next = nextConfiguration(core.configuration, changes);
  return next.kind === 'next' ? proposeConfiguration(core, next.configuration) : next;
}

/** The driver has applied the log up to `index`. */
export function applyTo(core: RaftCore, index: number): void {
  const {log} = core;
  for (let at = log.applied + 1; at <= index; at++) {
    const entry = log.at(at);
    if (entry?.kind === 'configuration') switchTo(core, decodeConfiguration(entry.data), at);
  }
  log.appliedTo(index);
  leaveWhenApplied(core);
}

/**
 * Leader only: whether a majority knows the configuration in force to be committed. Before that, those who have a newcomer's vote only in their log
 * count by the old one, and may elect nobody when the leader is lost.
 */
export function isSettled({leading, configuration, id}: RaftCore): boolean {
  if (!leading || isJoint(configuration)) return false;
  return hasQuorum(
    configuration,
    voter => voter === id || leading.progress.get(voter)?.knowsConfiguration === true,
  );
}

function switchTo(core: RaftCore, configuration: Configuration, index: number): void {
  core.configuration = configuration;
  const {leading, log} = core;
  if (!leading) return;
  leading.setMembers(core.others, log.lastIndex);
  leading.configurationChanged(index);
  if (leading.transfer && !core.otherVoters.includes(leading.transfer.to)) leading.transfer = undefined;
  commit(core, leading);
  confirmReads(core, leading);
  if (index >= leading.pendingChange) handOver(core, leading);
}

/** Every leader does this, so that a joint configuration which is found after a restart is left, too. */
function leaveWhenApplied(core: RaftCore): void {
  const {leading, log, configuration} = core;
  if (!leading || !isJoint(configuration) || leading.pendingChange > log.applied) return;
  proposeConfiguration(core, leaveJoint(configuration));
}

function proposeConfiguration(core: RaftCore, configuration: Configuration): MembershipOutcome {
  const {index, term} = core.append('configuration', encodeConfiguration(configuration));
  if (core.leading) core.leading.pendingChange = index;
  return {kind: 'proposed', index, term, configuration};
}
