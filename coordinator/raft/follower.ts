/** What a node does with a leader's entries, heartbeats and snapshots (§5.3, §7), whatever role it had before. */
import {assert} from '../runtime/assert.ts';
import type {Append, Heartbeat, InstallSnapshot} from './messages.ts';
import type {RaftCore} from './raftCore.ts';
import type {RaftLog} from './raftLog.ts';
import type {Entry} from './types.ts';

/** The message is of the node's own term, and the node follows its sender. */
export function handleAppend(core: RaftCore, message: Append): void {
  const {log} = core;
  const last = message.previousIndex + message.entries.length;
  // What is committed matches every leader's log (leader completeness, §5.4.3).
  const known = Math.max(0, log.committed - message.previousIndex);
  if (known > 0 && last <= log.committed) {
    accept(core, message.from, message.previousIndex, log.committed);
    return;
  }
  if (known === 0 && log.term(message.previousIndex) !== message.previousTerm) {
    refuse(core, message);
    return;
  }
  takeEntries(log, known > 0 ? message.entries.slice(known) : message.entries);
  log.commitTo(Math.min(message.commit, last));
  accept(core, message.from, message.previousIndex, last);
}

/** The leader knows that the log here goes to `commit` at least, and agrees. */
export function handleHeartbeat(core: RaftCore, message: Heartbeat): void {
  assert(message.commit <= core.log.lastIndex, 'this node has lost entries that it had acknowledged');
  core.log.commitTo(message.commit);
  const {id: from, term} = core;
  core.sendDurably({kind: 'heartbeatReply', to: message.from, from, term, round: message.round});
}

/** A snapshot that says nothing new only moves the commit index; one of a log that this one does not agree with takes its place. */
export function handleInstallSnapshot(core: RaftCore, {from, mark}: InstallSnapshot): void {
  const {log} = core;
  if (mark.index > log.committed && log.term(mark.index) === mark.term) log.commitTo(mark.index);
  else if (mark.index > log.committed) {
    log.restore(mark);
    core.installing = mark;
    core.configuration = mark.configuration;
  }
  accept(core, from, mark.index, log.committed);
}

function takeEntries(log: RaftLog, entries: readonly Entry[]): void {
  for (const entry of entries) {
    const own = log.term(entry.index);
    if (own === entry.term) continue;
    if (own !== undefined) log.truncateFrom(entry.index);
    log.append(entry);
  }
}

function accept(core: RaftCore, to: string, previousIndex: number, index: number): void {
  const {id: from, term} = core;
  core.sendDurably(
    {kind: 'appendReply', to, from, term, accepted: true, previousIndex, index, hintTerm: 0},
    index,
  );
}

function refuse(core: RaftCore, message: Append): void {
  const {id: from, term, log} = core;
  const {from: to, previousIndex} = message;
  const index = log.lastOfTerm(previousIndex - 1, message.previousTerm);
  core.sendDurably({
    kind: 'appendReply',
    to,
    from,
    term,
    accepted: false,
    previousIndex,
    index,
    hintTerm: log.term(index) ?? 0,
  });
}
