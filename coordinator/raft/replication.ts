/** What a leader sends: entries within each member's window, commit indexes, heartbeats, and the request for a snapshot (§5.3, §7). */
import type {Leadership} from './leadership.ts';
import type {Progress} from './progress.ts';
import type {RaftCore} from './raftCore.ts';
import {entryBytes} from './raftLog.ts';

/** Whether some member should get a message now. */
export function hasAppends({leading, log}: RaftCore): boolean {
  if (!leading) return false;
  if (leading.roundDue) return true;
  for (const progress of leading.progress.values())
    if (progress.wants(log.lastIndex, log.committed)) return true;
  return false;
}

/** Sends what is wanted, entries that are not on this node's disk included: they count here once they are. */
export function sendAppends(core: RaftCore, leading: Leadership): void {
  const {log} = core;
  for (const [to, progress] of leading.progress)
    while (progress.wants(log.lastIndex, log.committed)) sendAppend(core, to, progress);
}

/** One round: whoever answers it had this node as its leader when the round began, or later. */
export function sendHeartbeats(core: RaftCore, leading: Leadership): void {
  const {id: from, term, log} = core;
  leading.sinceHeartbeat = 0;
  leading.roundDue = false;
  leading.round += 1;
  const {round} = leading;
  if (core.limits.leaseReads) leading.noteRound(2 * core.limits.electionTicks);
  for (const [to, progress] of leading.progress) {
    const commit = Math.min(log.committed, progress.match);
    progress.beats(round, commit, leading.inForce);
    core.send({kind: 'heartbeat', to, from, term, commit, round});
  }
}

function sendAppend(core: RaftCore, to: string, progress: Progress): void {
  const {id: from, term, log, limits} = core;
  const previousIndex = progress.next - 1;
  const previousTerm = log.term(previousIndex);
  if (previousTerm === undefined) {
    requestSnapshot(core, to, progress);
    return;
  }
  const entries =
    progress.mayCarry && progress.next <= log.lastIndex
      ? log.slice(progress.next, log.lastIndex, limits.maxMessageBytes)
      : [];
  const commit = log.committed;
  core.send({kind: 'append', to, from, term, previousIndex, previousTerm, entries, commit});
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  progress.sent(previousIndex + entries.length, bytes, commit);
}

/** Not for a member that does not answer: it would keep a snapshot busy for nothing. */
function requestSnapshot(core: RaftCore, to: string, progress: Progress): void {
  if (!progress.active) {
    progress.pause();
    return;
  }
  const index = core.log.firstIndex - 1;
  progress.needsSnapshot(index);
  core.snapshots.push({to, index});
}
