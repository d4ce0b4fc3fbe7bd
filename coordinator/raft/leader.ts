/** What a leader does: send entries, learn how far the followers are, commit (§5.3, §5.4.2). */
import type {Progress} from './progress.ts';
import {quorumIndex} from './quorum.ts';
import type {RaftCore} from './raftCore.ts';
import type {Message} from './types.ts';

type AppendReply = Extract<Message, {kind: 'appendReply'}>;

/** Whether some follower should get a message now. */
export function hasAppends(core: RaftCore): boolean {
  for (const progress of core.progress.values()) if (wantsAppend(core, progress)) return true;
  return false;
}

/** Sends each follower what it lacks of the entries that are being persisted here, too. */
export function sendAppends(core: RaftCore): void {
  for (const [to, progress] of core.progress)
    while (wantsAppend(core, progress)) sendAppend(core, to, progress);
}

export function sendHeartbeats(core: RaftCore): void {
  for (const [to, progress] of core.progress) {
    progress.resume();
    if (!wantsAppend(core, progress)) sendEntries(core, to, progress, 0);
  }
}

export function handleAppendReply(core: RaftCore, message: AppendReply): void {
  const progress = core.progress.get(message.from);
  if (!progress) return;
  if (!message.accepted) {
    progress.refused(message.previousIndex, core.log.lastOfTerm(message.index, Number.POSITIVE_INFINITY));
    return;
  }
  if (progress.accepted(message.index)) commit(core);
}

/** Only an entry of the leader's own term commits by counting (§5.4.2, figure 8). */
export function commit(core: RaftCore): void {
  const matches = [...core.progress.values()].map(progress => progress.match);
  const index = quorumIndex([core.log.stable, ...matches]);
  if (core.log.term(index) === core.term) core.log.commitTo(index);
}

function wantsAppend(core: RaftCore, progress: Progress): boolean {
  if (progress.paused) return false;
  return progress.mode === 'probe' || progress.next <= core.log.handedOutIndex;
}

function sendAppend(core: RaftCore, to: string, progress: Progress): void {
  const last = sendEntries(core, to, progress, core.maxBytes);
  progress.sent(last);
}

/** Returns the last index sent. */
function sendEntries(core: RaftCore, to: string, progress: Progress, maxBytes: number): number {
  const {log} = core;
  const previousIndex = progress.next - 1;
  const previousTerm = log.term(previousIndex);
  // The entries before are compacted: only a snapshot would help, which the driver of one voter never needs.
  if (previousTerm === undefined) return previousIndex;
  const entries =
    maxBytes > 0 && progress.next <= log.handedOutIndex
      ? log.slice(progress.next, log.handedOutIndex, maxBytes)
      : [];
  core.send({
    kind: 'append',
    to,
    from: core.id,
    term: core.term,
    previousIndex,
    previousTerm,
    entries,
    commit: log.committed,
  });
  return previousIndex + entries.length;
}
