/** What a replica claims to know, and what its writes say that they have seen: never more than is true. */
import assert from 'node:assert/strict';
import {SessionReplica} from '../../../coordinator/agent/memory/sessionReplica.ts';
import type {MemoryChange, StateSynced} from '../../../coordinator/protocol/commands/memory.ts';
import type {JsonValue} from '../../../coordinator/runtime/json.ts';
import {jsonDigest} from '../../../coordinator/runtime/jsonDigest.ts';

const fence = {store: 'store-1', attempt: 's-1.task.1', revision: 3};

function change(key: string, revision: number, value: JsonValue, checksum = jsonDigest(value)): MemoryChange {
  const record = {v: 1, principal: 'client:ada', value, timestamp: 1, checksum};
  return {key, revision, entry: {record, version: 1}};
}

function told(revision: number, changes: MemoryChange[], more: Partial<StateSynced> = {}): StateSynced {
  const vector = {store: 'store-1', revision, writers: {}};
  return {vector, outcomes: [], changes, reset: false, more: false, ended: false, ...more};
}

describe('what a replica knows', () => {
  const own = (sequence: number) => ({incarnation: 'run-1', sequence, fence, timestamp: 1});

  it('is whole up to a revision only when all of an answer has come', () => {
    const replica = new SessionReplica('s-1');
    replica.apply(told(5, [change('a', 5, 1)]), 100);
    assert.deepEqual([replica.wholeRevision, replica.syncedAt], [5, 100]);
    // `a` was changed at 6 and 9: the first page of what came since does not have it.
    replica.apply(told(7, [change('b', 7, 1)], {more: true}), 200);
    assert.deepEqual([replica.wholeRevision, replica.syncedAt, replica.have.revision], [5, 100, 7]);
    replica.apply(told(9, [change('a', 9, 3)]), 300);
    assert.deepEqual([replica.wholeRevision, replica.syncedAt], [9, 300]);
    replica.apply(told(2, [], {reset: true, more: true}), 400);
    assert.deepEqual([replica.wholeRevision, replica.syncedAt], [0, undefined]);
  });

  it('is less than what others wrote behind its own write: a second write has seen the first, and no more', () => {
    const replica = new SessionReplica('s-1');
    replica.apply(told(5, [change('k', 5, 'base')]), 100);
    const first = replica.write('k', 'one', own(1));
    replica.add(first);
    replica.apply(told(9, [change('k', 9, 'theirs')]), 200);
    const second = replica.write('k', 'two', own(2));
    assert.deepEqual(second.base, {revision: 5, value: 'one'});
    assert.deepEqual(second.clock, {hub: 5, 'run-1': 2});
  });

  it('is nothing of a store that was restored since', () => {
    const replica = new SessionReplica('s-1');
    replica.apply(told(500, [change('k', 400, 'old')]), 100);
    const write = replica.write('k', 'new', {...own(1), fence: {...fence, store: 'store-2'}});
    assert.deepEqual(write.base, {revision: 0, value: 'old'});
    assert.deepEqual(write.clock, {'run-1': 1});
  });

  it('leaves out what was damaged, and knows that there is something', () => {
    const replica = new SessionReplica('s-1');
    replica.apply(told(5, [change('k', 5, 1, '0'.repeat(64)), change('l', 5, 1)]), 100);
    assert.deepEqual(
      [replica.get('k'), replica.isDamaged('k'), replica.isDamaged('l')],
      [undefined, true, false],
    );
    replica.apply(told(6, [change('k', 6, 2)]), 200);
    assert.deepEqual([replica.get('k')?.value, replica.isDamaged('k')], [2, false]);
  });
});
