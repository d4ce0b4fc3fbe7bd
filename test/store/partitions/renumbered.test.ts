/** Revisions that the clients did not make are taken out of a history, and what pointed at revisions still points at the same ones. */
import assert from 'node:assert/strict';
import {checkHistory} from '../../simulation/checker/checkHistory.ts';
import type {HistoryEvent} from '../../simulation/checker/history.ts';
import {numberedBy, renumbered} from './renumbered.ts';

const KV = {key: 'a', value: 'x', createRevision: 5, modRevision: 9, version: 2};
const put = (value: string) => ({kind: 'put', key: 'a', value}) as const;
const done = (revision: number) =>
  ({kind: 'txn', result: {succeeded: true, revision, responses: [{kind: 'put'}]}}) as const;

/** Two writes at revisions 5 and 9 of an etcd in which others made the rest. */
const HISTORY: readonly HistoryEvent[] = [
  {type: 'watch', at: 0, watcher: 'w', prefix: '', from: 4},
  {type: 'call', at: 1, id: 1, process: 'c', input: {kind: 'txn', txn: {then: [put('w')]}}},
  {type: 'answer', at: 2, id: 1, output: done(5)},
  {
    type: 'call',
    at: 3,
    id: 2,
    process: 'c',
    input: {
      kind: 'txn',
      txn: {compare: [{key: 'a', target: 'mod', op: '=', operand: 5}], then: [put('x')]},
    },
  },
  {type: 'answer', at: 4, id: 2, output: done(9)},
  {type: 'call', at: 5, id: 3, process: 'c', input: {kind: 'get', key: 'a'}},
  {type: 'answer', at: 6, id: 3, output: {kind: 'got', kv: KV}},
  {type: 'local', at: 7, process: 'c', node: 'n1', revision: 12, kvs: [KV]},
];

describe('a history renumbered', () => {
  it('counts only what the clients did, and is one that the checker understands', () => {
    const history = renumbered(HISTORY, numberedBy([5, 9]));
    assert.deepEqual(history[0], {type: 'watch', at: 0, watcher: 'w', prefix: '', from: 1});
    assert.deepEqual(history.at(-1), {
      type: 'local',
      at: 7,
      process: 'c',
      node: 'n1',
      revision: 2,
      kvs: [{...KV, createRevision: 1, modRevision: 2}],
    });
    assert.equal(checkHistory(history).kind, 'correct');
    assert.equal(checkHistory(HISTORY).kind, 'wrong');
  });

  it('still shows what is wrong with it', () => {
    const skipped = renumbered(HISTORY, numberedBy([5, 7, 9]));
    assert.equal(checkHistory(skipped).kind, 'wrong', 'a revision that nobody made');
  });
});
