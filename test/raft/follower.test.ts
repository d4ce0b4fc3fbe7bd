/** What a follower answers, message by message, where random schedules seldom come. */
import assert from 'node:assert/strict';
import {initialConfiguration} from '../../coordinator/raft/configuration.ts';
import type {Message} from '../../coordinator/raft/messages.ts';
import {RaftNode} from '../../coordinator/raft/raftNode.ts';
import type {Entry, Ready} from '../../coordinator/raft/types.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';

const entry = (index: number, term: number, bytes = 1): Entry => ({
  index,
  term,
  kind: 'command',
  data: new Uint8Array(bytes),
});

function follower(entries: readonly Entry[], maxReadyBytes = 1000): RaftNode {
  const term = entries.at(-1)?.term ?? 0;
  return new RaftNode({
    id: 'a',
    start: {index: 0, term: 0, configuration: initialConfiguration(['a', 'b', 'c'])},
    entries,
    hardState: {term, vote: '', commit: 0},
    random: seededRandom(1),
    maxReadyBytes,
  });
}

function append(
  from: string,
  term: number,
  previous: {index: number; term: number},
  entries: readonly Entry[],
  commit = 0,
): Message {
  return {
    kind: 'append',
    to: 'a',
    from,
    term,
    previousIndex: previous.index,
    previousTerm: previous.term,
    entries,
    commit,
  };
}

/** Carries out everything; returns the messages in order. */
function settle(node: RaftNode): Message[] {
  const sent: Message[] = [];
  for (let turns = 0; node.hasReady; turns++) {
    assert.ok(turns < 20, 'the node does not come to rest');
    const ready = node.ready();
    sent.push(...ready.messages);
    node.advance(ready);
  }
  return sent;
}

describe('a follower', () => {
  it('commits no entry that the leader has not vouched for', () => {
    const node = follower([entry(1, 1), entry(2, 1), entry(3, 1)]);
    // The leader of term 2 replaced entries 2 and 3; this heartbeat reaches only up to entry 1.
    node.step(append('b', 2, {index: 1, term: 1}, [], 3));
    assert.equal(node.committed, 1);
    node.step(append('b', 2, {index: 1, term: 1}, [entry(2, 2)], 3));
    assert.equal(node.committed, 2);
    assert.equal(node.lastIndex, 2);
  });

  it('says where the logs may agree when it lacks an entry', () => {
    const node = follower([entry(1, 1), entry(2, 1), entry(3, 4), entry(4, 4)]);
    node.step(append('b', 5, {index: 9, term: 5}, [entry(10, 5)]));
    node.step(append('b', 5, {index: 4, term: 3}, []));
    const replies = settle(node).map(
      message => message.kind === 'appendReply' && [message.accepted, message.index],
    );
    assert.deepEqual(replies, [
      [false, 4],
      [false, 2],
    ]);
  });

  it('answers for entries only when they are on disk', () => {
    const node = follower([], 100);
    node.step(append('b', 1, {index: 0, term: 0}, [entry(1, 1, 80)]));
    node.step(append('b', 1, {index: 1, term: 1}, [entry(2, 1, 80)]));
    const indexes = (ready: Ready): unknown[] =>
      ready.messages.map(message => message.kind === 'appendReply' && message.index);
    const first = node.ready();
    assert.deepEqual(
      first.entries.map(one => one.index),
      [1],
    );
    assert.deepEqual(indexes(first), []);
    assert.equal(node.hasReady, false);
    node.persisted(first);
    const second = node.ready();
    assert.deepEqual(
      second.entries.map(one => one.index),
      [2],
    );
    assert.deepEqual(indexes(second), [1]);
    node.persisted(second);
    assert.deepEqual(indexes(node.ready()), [2]);
  });

  it('forgets answers about entries that a later leader replaced before they were on disk', () => {
    const node = follower([], 100);
    node.step(append('b', 1, {index: 0, term: 0}, [entry(1, 1, 80), entry(2, 1, 80), entry(3, 1, 80)]));
    node.step(append('c', 2, {index: 0, term: 0}, [entry(1, 2)]));
    const replies = settle(node);
    assert.deepEqual(
      replies.map(message => [message.to, message.kind === 'appendReply' && message.index]),
      [['c', 1]],
    );
  });

  it('gives its vote once, to a log that is at least as far', () => {
    const node = follower([entry(1, 1), entry(2, 2)]);
    const ask = (from: string, lastIndex: number, lastTerm: number): void =>
      node.step({kind: 'vote', to: 'a', from, term: 3, lastIndex, lastTerm, transfer: false});
    ask('b', 9, 1);
    ask('b', 1, 2);
    ask('c', 2, 2);
    ask('b', 9, 9);
    ask('c', 2, 2);
    const granted = settle(node).map(
      message => message.kind === 'voteReply' && `${message.to} ${message.granted}`,
    );
    assert.deepEqual(granted, ['b false', 'b false', 'c true', 'b false', 'c true']);
  });

  it('tells a leader and a candidate of the past the present term', () => {
    const node = follower([entry(1, 7)]);
    node.step(append('b', 3, {index: 0, term: 0}, []));
    node.step({kind: 'vote', to: 'a', from: 'c', term: 3, lastIndex: 9, lastTerm: 9, transfer: false});
    assert.deepEqual(
      settle(node).map(message => [message.kind, 'term' in message && message.term]),
      [
        ['appendReply', 7],
        ['voteReply', 7],
      ],
    );
    assert.equal(node.leader, undefined);
  });
});

describe('a candidate', () => {
  it('counts its own vote only once that very vote is on disk', () => {
    const node = new RaftNode({
      id: 'a',
      start: {index: 0, term: 0, configuration: initialConfiguration(['a'])},
    });
    node.campaign();
    const first = node.ready();
    node.campaign();
    node.advance(first);
    assert.equal(node.role, 'candidate');
    node.advance(node.ready());
    assert.equal(node.role, 'leader');
    assert.equal(node.currentTerm, 2);
  });

  it('learns from a refusal what is committed, if it has that very entry', () => {
    const node = follower([entry(1, 1), entry(2, 1)]);
    node.campaign();
    settle(node);
    const refuse = (index: number, term: number): void =>
      node.step({
        kind: 'preVoteReply',
        to: 'a',
        from: 'b',
        term: 1,
        granted: false,
        committed: {index, term},
      });
    refuse(2, 2);
    refuse(9, 1);
    assert.equal(node.committed, 0);
    refuse(2, 1);
    assert.equal(node.committed, 2);
  });
});
