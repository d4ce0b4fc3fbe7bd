/** What shared memory does on every store: levels of consistency, time to live, patterns, history, the past, subscriptions and proposals. */
import assert from 'node:assert/strict';
import {DistributedConsensus} from '../../coordinator/memory/distributedConsensus.ts';
import {DistributedSharedMemory} from '../../coordinator/memory/distributedSharedMemory.ts';
import type {MemoryEvent} from '../../coordinator/memory/memorySubscriptions.ts';
import type {ConsistencyLevel} from '../../coordinator/protocol/commands/memory.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import {client, keys, placeAttempt, putSession} from '../fixtures/attempts.ts';
import {eventually} from '../fixtures/eventually.ts';
import {type MemoryFixture, sharedMemory} from '../memory/memoryFixture.ts';
import type {MemoryStore} from './memoryStores.ts';

export function valueTests(open: () => Promise<MemoryStore>): void {
  let test: MemoryStore;
  let fixture: MemoryFixture;
  let memory: DistributedSharedMemory;

  beforeEach(async () => {
    test = await open();
    await putSession(test.store, 's-1');
    fixture = await sharedMemory(test.store);
    memory = new DistributedSharedMemory(fixture.memory, {sessionId: 's-1', principal: client});
  });
  afterEach(async () => {
    memory.dispose();
    fixture.dispose();
    await test.remove();
  });

  /** A write that this coordinator's cache has not heard of yet: another coordinator's, a moment ago. */
  const elsewhere = async (key: string, value: number): Promise<void> => {
    const other = await sharedMemory(test.other, {writerId: 'c-2'});
    await other.memory.put({sessionId: 's-1', key, value}, client);
    other.dispose();
  };

  it('says of every value who wrote it where, when, at which version and revision, and how old the answer is', async () => {
    const {revision} = await memory.store('a/b', {x: 1});
    const got = await memory.retrieve('a/b', 'strong');
    assert.equal(got.record?.instanceId, 'c-1');
    assert.equal(got.record?.principal, 'client:ada');
    assert.deepEqual([got.version, got.modRevision, got.ageMs], [1, revision, 0]);
    assert.ok(got.revision >= revision);
  });

  it('reads eventually by default, from the store where nothing is known, and says the age of what is', async () => {
    await memory.store('k', 1);
    const first = await memory.retrieve('k', 'strong');
    assert.equal(first.ageMs, 0);
    const again = await memory.retrieve('k');
    assert.deepEqual([again.record?.value, again.revision], [1, first.revision]);
    assert.ok((again.ageMs ?? 0) > 0, 'from the cache');
    assert.equal((await memory.retrieve('none')).version, 0);
    await elsewhere('none', 5);
    assert.equal((await memory.retrieve('none')).record?.value, 5, 'an absence is not remembered');
  });

  it('follows the writes of others in what it knows', async () => {
    await memory.store('k', 1);
    await memory.retrieve('k');
    await elsewhere('k', 2);
    await eventually(async () => assert.equal((await memory.retrieve('k')).record?.value, 2));
    await memory.delete('k');
    await eventually(async () => assert.equal((await memory.retrieve('k')).version, 0));
  });

  it('reads at least as new as a revision that was seen, and refuses one that is yet to come', async () => {
    await memory.store('k', 1);
    const {revision} = await memory.retrieve('k');
    const known = await memory.retrieve('k', {session: revision});
    assert.ok((known.ageMs ?? 0) > 0);
    const later = await memory.store('other', 1);
    const fresh = await memory.retrieve('k', {session: later.revision});
    assert.ok(fresh.revision >= later.revision);
    await assert.rejects(memory.retrieve('k', {session: later.revision + 1000}), error =>
      isProtocolError(error, 'unavailable'),
    );
  });

  it('reads what is at most so old', async () => {
    await memory.store('k', 1);
    await memory.retrieve('k');
    assert.ok(((await memory.retrieve('k', {bounded: 60_000})).ageMs ?? 0) > 0);
    assert.equal((await memory.retrieve('k', {bounded: 0})).ageMs, 0);
  });

  it('refuses a level that does not exist, whether the key is known or not', async () => {
    const wrong = JSON.parse('"quorum"') as ConsistencyLevel;
    const invalid = (error: unknown) => isProtocolError(error, 'invalidParams');
    await assert.rejects(memory.retrieve('k', wrong), invalid);
    await memory.store('k', 1);
    await memory.retrieve('k');
    await assert.rejects(memory.retrieve('k', wrong), invalid);
  });

  it('finds out that a value is not the one that was written', async () => {
    await memory.store('k', 1);
    const key = keys.memoryKey('s-1', 'k');
    const kv = await test.store.get(key);
    await test.store.txn({
      then: [{kind: 'put', key, value: String(kv?.value).replace('"value":1', '"value":2')}],
    });
    await assert.rejects(memory.retrieve('k', 'strong'), error => isCoordinatorError(error, 'corrupt'));
  });

  it('lists keys by pattern, in pages', async () => {
    for (const key of ['a', 'api/one', 'api/two', 'api/deep/three', 'b/one']) await memory.store(key, key);
    const listed = async (pattern?: string) => {
      const found: string[] = [];
      for await (const {key} of memory.list(pattern)) found.push(key);
      return found;
    };
    assert.deepEqual(await listed(), ['a', 'api/deep/three', 'api/one', 'api/two', 'b/one']);
    assert.deepEqual(await listed('api/*'), ['api/one', 'api/two']);
    assert.deepEqual(await listed('**/one'), ['api/one', 'b/one']);
    const paged: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await fixture.memory.list({sessionId: 's-1', pattern: '**/one', after, limit: 1}, client);
      paged.push(...page.entries.map(({key}) => key));
      after = page.next;
      if (after === undefined) break;
    }
    assert.deepEqual(paged, ['api/one', 'b/one']);
  });

  it('shows every version that a key had, deletions and what was before them too', async () => {
    await memory.store('k', 1);
    await memory.store('k', 2);
    await memory.delete('k');
    await memory.store('k', 3);
    const {versions, compacted} = await memory.history('k');
    assert.equal(compacted, undefined);
    assert.deepEqual(
      versions.map(each => (each.kind === 'put' ? [each.version, each.record.value] : [each.kind])),
      [[1, 3], ['delete'], [2, 2], [1, 1]],
    );
    const page = await memory.history('k', {limit: 2});
    assert.deepEqual(
      (await memory.history('k', {before: page.next ?? 0})).versions,
      versions.slice(2),
      'a page goes on where the one before ended',
    );
    assert.deepEqual((await memory.history('none')).versions, []);
  });

  it('reads the past at any revision that is kept, and says so where it was compacted', async () => {
    const first = await memory.store('k', 1);
    await memory.store('k', 2);
    const {revision} = await memory.delete('k');
    assert.equal((await memory.retrieveAt('k', first.revision)).record?.value, 1);
    assert.equal((await memory.retrieveAt('k', revision)).version, 0);
    await memory.store('k', 3);
    await test.store.compact(revision);
    const gone = await memory.retrieveAt('k', first.revision);
    assert.deepEqual([gone.record, gone.compacted], [undefined, revision]);
    const history = await memory.history('k');
    assert.deepEqual(history.versions.length, 2, 'the last two are kept');
    assert.equal(history.compacted, revision);
    const listed = await fixture.memory.list({sessionId: 's-1', limit: 9, atRevision: 1}, client);
    assert.equal(listed.compacted, revision);
  });

  it('asks the journal for what the store has forgotten', async () => {
    const {revision} = await memory.store('k', 1);
    const {record} = await memory.retrieve('k');
    const later = await memory.store('k', 2);
    await test.store.compact(later.revision);
    const other = await sharedMemory(test.store, {
      readPast: async at => (at.revision === revision ? {record, version: 1} : 'unknown'),
    });
    const past = {sessionId: 's-1', key: 'k', atRevision: revision};
    assert.equal((await other.memory.get(past, client)).record?.value, 1);
    assert.equal((await other.memory.get({...past, atRevision: 1}, client)).compacted, later.revision);
    other.dispose();
  });

  it('tells subscribers every change that fits, once, and from a revision on', async () => {
    const seen: MemoryEvent[] = [];
    const id = await memory.subscribe('api/*', event => seen.push(event));
    const first = await memory.store('api/a', 1);
    await memory.store('other', 1);
    await memory.store('api/b/c', 1);
    await memory.delete('api/a');
    await eventually(async () => assert.equal(seen.length, 2));
    const told = (events: readonly MemoryEvent[]) =>
      events.map(event => (event.kind === 'changed' ? [event.key, event.entry?.record.value] : event.kind));
    assert.deepEqual(told(seen), [
      ['api/a', 1],
      ['api/a', undefined],
    ]);
    assert.equal(memory.unsubscribe(id), true);
    assert.equal(memory.unsubscribe(id), false);
    await memory.store('api/a', 2);
    const resumed: MemoryEvent[] = [];
    await memory.subscribe('api/*', event => resumed.push(event), {afterRevision: first.revision});
    await eventually(async () =>
      assert.deepEqual(told(resumed), [
        ['api/a', undefined],
        ['api/a', 2],
      ]),
    );
    assert.equal(seen.length, 2, 'an ended subscription is told nothing');
  });

  it('tells a subscriber whose revision was compacted', async () => {
    const {revision} = await memory.store('a', 1);
    const last = await memory.store('a', 2);
    await test.store.compact(last.revision);
    const seen: MemoryEvent[] = [];
    await memory.subscribe('**', event => seen.push(event), {afterRevision: revision - 1});
    await eventually(async () =>
      assert.deepEqual(seen, [{kind: 'compacted', compactRevision: last.revision}]),
    );
  });

  it('gives agents only the sessions that they work for', async () => {
    const {principal} = await placeAttempt(test.store);
    const forbidden = (error: unknown) => isProtocolError(error, 'forbidden');
    const theirs = new DistributedSharedMemory(fixture.memory, {sessionId: 's-2', principal});
    await assert.rejects(
      theirs.subscribe('**', () => undefined),
      forbidden,
    );
    await assert.rejects(theirs.history('k'), forbidden);
    await assert.rejects(theirs.delete('k'), forbidden);
    await assert.rejects(theirs.list().next(), forbidden);
  });

  it('takes proposals of state changes, or says why not', async () => {
    const consensus = new DistributedConsensus(test.store, fixture.memory, seededRandom(1));
    const change = {sessionId: 's-1', key: 'k', value: 1, ifVersion: 0};
    const done = await consensus.proposeStateChange(change, client);
    assert.ok(done.success);
    const {record} = await memory.retrieve('k', 'strong');
    assert.equal(record?.changeId, done.changeId, 'the value names its proposal');
    const again = await consensus.proposeStateChange(change, client);
    assert.deepEqual(again, {success: false, reason: 'memory key k has version 1'});
    assert.ok((await consensus.proposeStateChange({sessionId: 's-1', key: 'k'}, client)).success);
    assert.equal((await memory.retrieve('k', 'strong')).version, 0);
    assert.equal(consensus.isLeader(), test.store.status().isLeader);
    assert.equal(consensus.getLeader(), test.store.status().leader);
  });
}
