/** What the sync of replicas does on every store: offline writes taken once and by rule, fences that have fallen, deltas by version vector, and the choices of people. */
import assert from 'node:assert/strict';
import {merged} from '../../coordinator/memory/conflict/memoryConflict.ts';
import type {SharedMemory} from '../../coordinator/memory/sharedMemory.ts';
import type {OfflineWrite, VersionVector} from '../../coordinator/protocol/commands/memory.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {AuditRecord} from '../../coordinator/protocol/model/facts.ts';
import {MemoryConflictRecord} from '../../coordinator/protocol/model/memory.ts';
import {CoordinatorError, isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {type Random, seededRandom} from '../../coordinator/runtime/random.ts';
import {readRecords} from '../../coordinator/store/records.ts';
import type {Store, Txn} from '../../coordinator/store/store.ts';
import {
  client,
  endAttempt,
  keys,
  type PlacedAttempt,
  placeAttempt,
  putSession,
} from '../fixtures/attempts.ts';
import {eventually} from '../fixtures/eventually.ts';
import {type MemoryFixture, offlineWrite, sharedMemory} from '../memory/memoryFixture.ts';
import {below} from '../memory/randomJson.ts';
import type {MemoryStore} from './memoryStores.ts';

const NOTHING: VersionVector = {store: '', revision: 0, writers: {}};

export function syncTests(open: () => Promise<MemoryStore>): void {
  let test: MemoryStore;
  let fixture: MemoryFixture;
  let memory: SharedMemory;
  let attempt: PlacedAttempt;

  beforeEach(async () => {
    test = await open();
    await putSession(test.store, 's-1');
    fixture = await sharedMemory(test.store);
    memory = fixture.memory;
    attempt = await placeAttempt(test.store);
  });
  afterEach(async () => {
    fixture.dispose();
    await test.remove();
  });

  const put = (key: string, value: number | string | object) =>
    memory.put({sessionId: 's-1', key, value: JSON.parse(JSON.stringify(value))}, client);
  const value = async (key: string) => (await memory.get({sessionId: 's-1', key}, client)).record?.value;
  const send = async (...writes: OfflineWrite[]) =>
    (await memory.sync('s-1', {have: NOTHING, writes}, attempt.principal)).outcomes;
  const write = (sequence: number, key: string, more: Partial<OfflineWrite> = {}) =>
    offlineWrite(attempt, {sequence, key, ...more});
  const conflicts = async () =>
    (await readRecords(test.store, MemoryConflictRecord, keys.memoryConflicts('s-1'))).records.map(
      ({value: record}) => record,
    );

  it('takes a write whose writer had seen the newest version as it is', async () => {
    const {revision} = await put('k', 1);
    const [outcome] = await send(write(1, 'k', {value: 2, base: {revision, value: 1}}));
    assert.equal(outcome?.kind, 'applied');
    const {record, version, modRevision} = await memory.get({sessionId: 's-1', key: 'k'}, client);
    assert.deepEqual([record?.value, version], [2, 2]);
    assert.deepEqual(
      [record?.instanceId, record?.attemptId, record?.principal, record?.timestamp],
      ['a-1', attempt.attemptId, 'agent:a-1', 5],
    );
    assert.deepEqual(outcome, {kind: 'applied', version: 2, revision: modRevision});
  });

  it('takes a row of writes to one key one after the other: they do not conflict with themselves', async () => {
    const {revision} = await put('k', 1);
    const base = (seen: number) => ({revision, value: seen});
    const outcomes = await send(
      write(1, 'k', {value: 2, base: base(1)}),
      write(2, 'k', {value: 3, base: base(2)}),
      write(3, 'k', {base: base(3)}),
      write(4, 'k', {value: 4, base: {revision}}),
    );
    assert.deepEqual(
      outcomes.map(({kind}) => kind),
      ['applied', 'applied', 'applied', 'applied'],
    );
    assert.equal(await value('k'), 4);
  });

  it('is given the same answer for a write that it sends again, which is taken once', async () => {
    await memory.policy({set: {prefix: '', strategy: 'merge', merge: 'counter'}}, client);
    const {revision} = await put('n', 10);
    await put('n', 11);
    const step = write(1, 'n', {value: 15, base: {revision, value: 10}});
    const first = await send(step);
    assert.equal(first[0]?.kind, 'resolved');
    assert.deepEqual(await send(step), first);
    assert.equal(await value('n'), 16);
    await send(write(2, 'x', {value: 1}));
    assert.deepEqual(await send(step), [{kind: 'repeated'}]);
    assert.equal(await value('n'), 16);
  });

  it('merges what others wrote meanwhile by the rule of the key', async () => {
    const rules = [
      {prefix: 'last/', strategy: 'last-writer-wins'},
      {prefix: 'text/', strategy: 'merge', merge: 'text'},
      {prefix: 'own/', strategy: 'merge', merge: 'own'},
    ] as const;
    memory.resolver.register('own', (base, mine, theirs) => merged([base ?? null, mine, theirs]));
    for (const set of rules) await memory.policy({set}, client);
    const bases: Record<string, number> = {};
    for (const key of ['json', 'last/k', 'text/k', 'own/k'])
      bases[key] = (await put(key, key === 'json' ? {a: 1, b: 1} : 'a\nb\nc\n')).revision;
    await put('json', {a: 1, b: 2});
    for (const key of ['last/k', 'text/k', 'own/k']) await put(key, 'a\nb\nC\n');
    const base = (key: string) => ({revision: bases[key] ?? 0});
    const outcomes = await send(
      write(1, 'json', {value: {a: 5, b: 1}, base: base('json')}),
      write(2, 'last/k', {value: 'A\nb\nc\n', base: base('last/k')}),
      write(3, 'text/k', {value: 'A\nb\nc\n', base: base('text/k')}),
      write(4, 'own/k', {value: 'x', base: base('own/k')}),
    );
    assert.deepEqual(
      outcomes.map(each => (each.kind === 'resolved' ? [each.strategy, each.kept] : each.kind)),
      [
        ['merge', 'both'],
        ['last-writer-wins', 'mine'],
        ['merge', 'both'],
        ['merge', 'both'],
      ],
    );
    assert.deepEqual(await value('json'), {a: 5, b: 2}, 'the base is the version of its revision');
    assert.equal(await value('last/k'), 'A\nb\nc\n');
    assert.equal(await value('text/k'), 'A\nb\nC\n');
    assert.deepEqual(await value('own/k'), ['a\nb\nc\n', 'x', 'a\nb\nC\n']);
    const {record} = await memory.get({sessionId: 's-1', key: 'json'}, client);
    assert.deepEqual(record?.resolved, {strategy: 'merge'});
  });

  it('merges from the value that the writer saw where its version was compacted', async () => {
    const {revision} = await put('k', {a: 1, b: 1});
    const later = await put('k', {a: 1, b: 2});
    await test.store.compact(later.revision);
    const base = {revision, value: {a: 1, b: 1}};
    assert.equal((await send(write(1, 'k', {value: {a: 9, b: 1}, base})))[0]?.kind, 'resolved');
    assert.deepEqual(await value('k'), {a: 9, b: 2});
  });

  it('keeps both values for a person where no rule decides, and the newest of a run in place of its earlier ones', async () => {
    const {revision} = await put('k', 1);
    const theirs = await put('k', 2);
    const outcomes = await send(
      write(1, 'k', {value: 3, base: {revision, value: 1}}),
      write(2, 'k', {value: 4, base: {revision, value: 3}}),
    );
    const [first, second] = outcomes;
    assert.ok(first?.kind === 'conflict' && second?.kind === 'conflict');
    assert.equal(first.conflictId, second.conflictId);
    assert.equal(await value('k'), 2, 'theirs is not touched');
    const [kept, ...others] = await conflicts();
    assert.equal(others.length, 0);
    assert.deepEqual(
      [kept?.base?.value, kept?.mine.value, kept?.theirs.value, kept?.theirs.revision, kept?.reason],
      [1, 4, 2, theirs.revision, 'concurrent'],
    );
    assert.deepEqual([kept?.mine.attemptId, kept?.agentId], [attempt.attemptId, 'a-1']);
  });

  it('leaves the deletion of what was changed, and the change of what was deleted, to a person', async () => {
    const gone = await put('gone', 1);
    await memory.delete({sessionId: 's-1', key: 'gone'}, client);
    const changed = await put('changed', 1);
    await put('changed', 2);
    const outcomes = await send(
      write(1, 'gone', {value: 5, base: {revision: gone.revision, value: 1}}),
      write(2, 'changed', {base: {revision: changed.revision, value: 1}}),
    );
    assert.deepEqual(
      outcomes.map(({kind}) => kind),
      ['conflict', 'conflict'],
    );
    assert.deepEqual([await value('gone'), await value('changed')], [undefined, 2]);
  });

  it('never merges a write whose fence has fallen: it is kept apart for a person', async () => {
    const {revision} = await put('k', 1);
    await endAttempt(test.store, attempt.attemptId, {outcome: 'lost'});
    await placeAttempt(test.store, {number: 2});
    const stale = write(1, 'k', {value: 2, base: {revision, value: 1}});
    const [outcome] = await send(stale);
    assert.equal(outcome?.kind, 'quarantined');
    assert.equal(await value('k'), 1);
    const [kept] = await conflicts();
    assert.deepEqual([kept?.reason, kept?.mine.value, kept?.theirs.value], ['staleFence', 2, 1]);
    assert.deepEqual(await send(stale), [outcome], 'sent again, it is known');
    assert.equal((await conflicts()).length, 1);
  });

  it('keeps apart what was written under a store before its restoration', async () => {
    const fence = {...attempt.fence, store: 'before-the-restore'};
    const [outcome] = await send(write(1, 'k', {value: 2, fence}));
    assert.equal(outcome?.kind, 'quarantined');
    assert.equal(await value('k'), undefined);
  });

  it('refuses writes under fences of other agents, sessions and attempts that never were', async () => {
    const other = await placeAttempt(test.store, {taskId: 'other', agentId: 'a-2'});
    const elsewhere = {...attempt.fence, attempt: 's-2.build.1'};
    const never = {...attempt.fence, attempt: 's-1.never.1'};
    const fences = [other.fence, elsewhere, never];
    const outcomes = await send(...fences.map((fence, at) => write(at + 1, 'k', {value: 1, fence})));
    assert.deepEqual(
      outcomes.map(({kind}) => kind),
      ['refused', 'refused', 'refused'],
    );
    assert.equal(await value('k'), undefined);
  });

  it('refuses for good what can never be stored, and goes on with what follows', async () => {
    const outcomes = await send(write(1, 'k', {value: 'x'.repeat(70_000)}), write(2, 'k', {value: 'small'}));
    assert.deepEqual(
      outcomes.map(({kind}) => kind),
      ['refused', 'applied'],
    );
    assert.equal(await value('k'), 'small');
  });

  describe('tells a replica', () => {
    const sync = (have: VersionVector) => memory.sync('s-1', {have, writes: []}, attempt.principal);

    it('everything at first, and then what changed or went since its version vector', async () => {
      await put('a', 1);
      await put('b', 1);
      const first = await sync(NOTHING);
      assert.deepEqual(
        [first.reset, first.more, first.changes.map(({key, entry}) => [key, entry?.record.value])],
        [
          true,
          false,
          [
            ['a', 1],
            ['b', 1],
          ],
        ],
      );
      assert.deepEqual((await sync(first.vector)).changes, []);
      await put('b', 2);
      await memory.delete({sessionId: 's-1', key: 'a'}, client);
      await put('c', 1);
      await memory.delete({sessionId: 's-1', key: 'c'}, client);
      const second = await sync(first.vector);
      assert.equal(second.reset, false);
      assert.deepEqual(
        second.changes.map(({key, entry}) => [key, entry?.record.value]),
        [
          ['b', 2],
          ['a', undefined],
          ['c', undefined],
        ],
      );
    });

    it('everything anew, when it comes from another store', async () => {
      await put('a', 1);
      const {vector} = await sync(NOTHING);
      const {reset, changes} = await sync({...vector, store: 'another'});
      assert.deepEqual([reset, changes.length], [true, 1]);
    });

    it('long changes in pages, each of whole revisions', async () => {
      const big = 'x'.repeat(60_000);
      for (let at = 0; at < 50; at++) await put(`k${at}`, big);
      let have = NOTHING;
      const keysSeen: string[] = [];
      let pages = 0;
      for (let more = true; more; pages++) {
        const answer = await sync(have);
        keysSeen.push(...answer.changes.map(({key}) => key));
        ({vector: have, more} = answer);
      }
      assert.ok(pages > 1);
      assert.equal(new Set(keysSeen).size, 50);
      assert.equal(keysSeen.length, 50);
    });

    it('how far its own writes were taken', async () => {
      await send(write(1, 'a', {value: 1}), write(2, 'b', {value: 1}));
      await send(write(1, 'a', {value: 2, incarnation: 'run-2'}));
      assert.deepEqual((await sync(NOTHING)).vector.writers, {'run-1': 2, 'run-2': 1});
    });

    it('nothing of a session that its agent works for no more', async () => {
      await put('a', 1);
      await endAttempt(test.store, attempt.attemptId, {outcome: 'succeeded'});
      // The coordinator may hear of the end a moment later.
      await eventually(async () => {
        const {ended, changes} = await sync(NOTHING);
        assert.deepEqual([ended, changes], [true, []]);
      });
    });
  });

  describe('lets a person choose', () => {
    const conflict = async (): Promise<string> => {
      const {revision} = await put('k', 1);
      await put('k', 2);
      const [outcome] = await send(write(1, 'k', {value: 3, base: {revision, value: 1}}));
      assert.ok(outcome?.kind === 'conflict');
      return outcome.conflictId;
    };
    const cases = [
      [{kind: 'mine'}, 3],
      [{kind: 'theirs'}, 2],
      [{kind: 'value', value: 'third'}, 'third'],
    ] as const;
    for (const [choice, expected] of cases)
      it(`${choice.kind}, once, and audits it`, async () => {
        const conflictId = await conflict();
        const resolve = {sessionId: 's-1', conflictId, choice};
        const {version} = await memory.resolve(resolve, client);
        const now = await memory.get({sessionId: 's-1', key: 'k'}, client);
        assert.deepEqual([now.record?.value, now.version], [expected, version]);
        assert.deepEqual(await conflicts(), []);
        const audits = (await readRecords(test.store, AuditRecord, keys.audit)).records.map(
          each => each.value,
        );
        const audited = audits.find(({action}) => action === 'memory.resolve');
        assert.deepEqual([audited?.subject, audited?.principal], ['memory s-1/k', 'client:ada']);
        await assert.rejects(memory.resolve(resolve, client), error => isProtocolError(error, 'notFound'));
      });

    it('only over the version that the person saw', async () => {
      const conflictId = await conflict();
      const resolve = {sessionId: 's-1', conflictId, choice: {kind: 'mine'}, ifVersion: 1} as const;
      await assert.rejects(memory.resolve(resolve, client), error => isProtocolError(error, 'conflict'));
      assert.equal((await conflicts()).length, 1);
      await memory.resolve({...resolve, ifVersion: 2}, client);
    });
  });

  describe('when the coordinator dies', () => {
    /** The store as a coordinator sees it that is killed: its `n`th transaction from now on is not made, or made without an answer. */
    const dying = (store: Store, random: Random): Store =>
      new Proxy(store, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member !== 'function') return member;
          if (name !== 'txn') return member.bind(target);
          return async (txn: Txn) => {
            const fate = txn.then.some(op => op.kind === 'put' && op.key.includes('/memoryMarks/'))
              ? random.next()
              : 1;
            if (fate < 0.2) throw new CoordinatorError('unavailable', 'killed before');
            const result = await target.txn(txn);
            if (fate < 0.4) throw new CoordinatorError('timeout', 'killed after');
            return result;
          };
        },
      });

    for (const seed of [1, 2, 3, 4, 5])
      it(`at any step, every write is taken once by whoever comes next (seed ${seed})`, async () => {
        const random = seededRandom(seed);
        await memory.policy({set: {prefix: '', strategy: 'merge', merge: 'counter'}}, client);
        const {revision} = await put('n', 100);
        let expected = 100;
        const writes: OfflineWrite[] = [];
        for (let sequence = 1, seen = 100; sequence <= 30; sequence++) {
          const step = 1 + below(random, 5);
          const base = {revision, value: seen};
          seen += step;
          expected += step;
          writes.push(write(sequence, 'n', {value: seen, base}));
        }
        const pending = [...writes];
        let deaths = 0;
        while (pending.length > 0) {
          const killed = await sharedMemory(dying(test.store, random));
          try {
            const batch = pending.slice(0, 1 + below(random, 8));
            const {outcomes} = await killed.memory.sync(
              's-1',
              {have: NOTHING, writes: batch},
              attempt.principal,
            );
            // The answer may be lost on its way, too.
            if (random.next() < 0.7) pending.splice(0, outcomes.length);
          } catch (error) {
            assert.ok(isCoordinatorError(error));
            deaths++;
          }
          killed.dispose();
          if (random.next() < 0.3) {
            await memory.sync('s-1', {have: NOTHING, writes: writes.slice(0, 3)}, attempt.principal);
            const {record, version} = await memory.get({sessionId: 's-1', key: 'n'}, client);
            const others = Number(record?.value) + 1000;
            await memory.put({sessionId: 's-1', key: 'n', value: others, ifVersion: version}, client);
            expected += 1000;
          }
        }
        assert.ok(deaths > 0, 'somebody died');
        assert.equal(await value('n'), expected);
      });
  });
}
