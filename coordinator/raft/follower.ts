/** What a node does with a leader's entries and a candidate's request (§5.2 to §5.4), whatever role it had before. */
import {assert} from '../runtime/assert.ts';
import type {RaftCore} from './raftCore.ts';
import type {Message} from './types.ts';

type Append = Extract<Message, {kind: 'append'}>;
type VoteRequest = Extract<Message, {kind: 'vote'}>;

/** The message is of the node's own term, and the node follows its sender. */
export function handleAppend(core: RaftCore, message: Append): void {
  const {log} = core;
  const reply = (accepted: boolean, index: number): void =>
    core.send({
      kind: 'appendReply',
      to: message.from,
      from: core.id,
      term: core.term,
      accepted,
      previousIndex: message.previousIndex,
      index,
    });
  // What is committed matches every leader's log (leader completeness, §5.4.3).
  if (message.previousIndex < log.committed) {
    reply(true, log.committed);
    return;
  }
  if (log.term(message.previousIndex) !== message.previousTerm) {
    reply(false, log.lastOfTerm(message.previousIndex - 1, message.previousTerm));
    return;
  }
  for (const entry of message.entries) {
    const own = log.term(entry.index);
    if (own === entry.term) continue;
    if (own !== undefined) log.truncateFrom(entry.index);
    log.append(entry);
  }
  const last = message.previousIndex + message.entries.length;
  log.commitTo(Math.min(message.commit, last));
  reply(true, last);
}

/** The message is of the node's own term. One vote a term, and only for a log that is at least as far (§5.4.1). */
export function handleVote(core: RaftCore, message: VoteRequest): void {
  const {log} = core;
  const free = core.vote === '' || core.vote === message.from;
  const current =
    message.lastTerm > log.lastTerm ||
    (message.lastTerm === log.lastTerm && message.lastIndex >= log.lastIndex);
  const granted = free && current;
  if (granted) {
    assert(core.role === 'follower', 'only a follower has its vote to give');
    core.vote = message.from;
    core.restartTimer();
  }
  core.send({kind: 'voteReply', to: message.from, from: core.id, term: core.term, granted});
}
