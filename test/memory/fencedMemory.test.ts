/** Single memory keys on a real store: versions, fences and who may touch what. */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {Fences} from '../../coordinator/effects/fences.ts';
import {LiveAttempts} from '../../coordinator/effects/liveAttempts.ts';
import {SharedMemory} from '../../coordinator/memory/sharedMemory.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {RefusalRecord} from '../../coordinator/protocol/model/attempt.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {AuditLog} from '../../coordinator/security/audit.ts';
import {readRecords} from '../../coordinator/store/records.ts';
import type {Store, Txn} from '../../coordinator/store/store.ts';
import {
  agentPrincipal,
  client,
  endAttempt,
  keys,
  placeAttempt,
  putSession,
  TENANT,
} from '../fixtures/attempts.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

describe('fenced memory', () => {
  let test: TestStore;
  let owned: DisposableStore;
  let memory: SharedMemory;

  const fencedMemory = async (store: Store): Promise<SharedMemory> => {
    const fences = owned.add(new Fences({store, tenant: TENANT, clock: systemClock, logger: silentLogger}));
    const attempts = owned.add(
      new LiveAttempts({store, tenant: TENANT, clock: systemClock, logger: silentLogger}),
    );
    await attempts.start();
    const audit = new AuditLog({
      ...{store, tenant: TENANT, clock: systemClock, logger: silentLogger},
      writerId: 'c-1',
    });
    return owned.add(
      new SharedMemory({
        ...{fences, attempts, audit, tenant: TENANT, clock: systemClock, logger: silentLogger},
        instanceId: 'c-1',
      }),
    );
  };

  beforeEach(async () => {
    owned = new DisposableStore();
    test = await openTestStore();
    memory = await fencedMemory(test.store);
    await putSession(test.store, 's-1');
  });
  afterEach(async () => {
    owned.dispose();
    await test.remove();
  });

  const own = {sessionId: 's-1', key: 'plan/next'};
  const read = async (by = client) => (await memory.get(own, by)).record?.value;

  it('keeps a value with its version, writer, time and checksum', async () => {
    const attempt = await placeAttempt(test.store);
    const {fence, principal} = attempt;
    assert.equal((await memory.put({...own, value: {b: 1, a: [2]}, fence}, principal)).version, 1);
    const {version, revision} = await memory.put({...own, value: {b: 1, a: [3]}, fence}, principal);
    const got = await memory.get(own, principal);
    assert.deepEqual([version, got.version], [2, 2]);
    assert.ok(got.revision >= revision);
    assert.equal(got.record?.attemptId, attempt.attemptId);
    assert.equal(got.record?.principal, 'agent:a-1');
    assert.equal(got.record?.checksum, createHash('sha256').update('{"a":[3],"b":1}').digest('hex'));
  });

  it('writes only over the version that was asked for', async () => {
    await memory.put({...own, value: 1, ifVersion: 0}, client);
    const conflict = (version: number) => (error: unknown) => {
      assert.ok(isProtocolError(error, 'conflict'));
      assert.deepEqual(error.data, {version});
      return true;
    };
    await assert.rejects(memory.put({...own, value: 2, ifVersion: 0}, client), conflict(1));
    await memory.put({...own, value: 2, ifVersion: 1}, client);
    await assert.rejects(memory.put({...own, value: 3, ifVersion: 1}, client), conflict(2));
    assert.equal(await read(), 2);
  });

  it('counts right when many increment at once', async () => {
    const {fence, principal} = await placeAttempt(test.store);
    const increment = async (): Promise<void> => {
      for (;;) {
        const {record, version} = await memory.get(own, principal);
        try {
          await memory.put(
            {...own, value: Number(record?.value ?? 0) + 1, ifVersion: version, fence},
            principal,
          );
          return;
        } catch (error) {
          if (!isProtocolError(error, 'conflict')) throw error;
        }
      }
    };
    await Promise.all(Array.from({length: 20}, increment));
    assert.equal(await read(), 20);
  });

  it('writes several keys together, or none of them', async () => {
    const put = (key: string, value: string, ifVersion?: number) =>
      ({kind: 'put', key, value, ifVersion}) as const;
    const sessionId = 's-1';
    const first = await memory.txn({sessionId, writes: [put('a', 'a1'), put('b', 'b1', 0)]}, client);
    assert.deepEqual(first.versions, [1, 1]);
    const of = async (key: string) => {
      const {record, modRevision} = await memory.get({sessionId, key}, client);
      return [record?.value, modRevision];
    };
    assert.deepEqual(
      [await of('a'), await of('b')],
      [
        ['a1', first.revision],
        ['b1', first.revision],
      ],
    );
    await assert.rejects(
      memory.txn({sessionId, writes: [put('a', 'a2'), put('b', 'b2', 4)]}, client),
      (error: unknown) => {
        assert.ok(isProtocolError(error, 'conflict'));
        assert.deepEqual(error.data, {key: 'b', version: 1});
        return true;
      },
    );
    const gone = {kind: 'delete', key: 'b', ifVersion: 7} as const;
    await assert.rejects(memory.txn({sessionId, writes: [put('a', 'a2'), gone]}, client), /b has version 1/);
    assert.equal((await of('a'))[0], 'a1');
    const second = await memory.txn(
      {sessionId, writes: [put('a', 'a2', 1), {kind: 'delete', key: 'b'}, {kind: 'delete', key: 'c'}]},
      client,
    );
    assert.deepEqual(
      [second.versions, await of('b')],
      [
        [2, 0, 0],
        [undefined, undefined],
      ],
    );
    const {versions} = await memory.history({sessionId, key: 'b', limit: 10}, client);
    assert.deepEqual(
      versions.map(({kind, revision}) => [kind, revision]),
      [
        ['delete', second.revision],
        ['put', first.revision],
      ],
    );
    await assert.rejects(memory.txn({sessionId, writes: [put('a', '1'), put('a', '2')]}, client), error =>
      isProtocolError(error, 'invalidParams'),
    );
    await assert.rejects(memory.txn({sessionId: 's-9', writes: [put('a', '1')]}, client), error =>
      isProtocolError(error, 'notFound'),
    );
  });

  it('writes several keys under the fence of an attempt only while it stands', async () => {
    const {attemptId, fence, principal} = await placeAttempt(test.store);
    const writes = [{kind: 'put', key: 'a', value: 1} as const, {kind: 'put', key: 'b', value: 2} as const];
    await assert.rejects(memory.txn({sessionId: 's-1', writes}, principal), error =>
      isProtocolError(error, 'forbidden'),
    );
    await memory.txn({sessionId: 's-1', writes, fence}, principal);
    await endAttempt(test.store, attemptId, {outcome: 'lost'});
    await assert.rejects(memory.txn({sessionId: 's-1', writes, fence}, principal), error =>
      isProtocolError(error, 'staleFence'),
    );
    assert.equal((await memory.get({sessionId: 's-1', key: 'a'}, client)).version, 1);
  });

  it('counts right when many move between two keys at once and delete on the way', async () => {
    const sessionId = 's-1';
    const add = async (at: number): Promise<void> => {
      const writes = [
        {kind: 'put', key: `item/${at}`, value: at} as const,
        {kind: 'delete', key: 'marker'} as const,
      ];
      await memory.put({sessionId, key: 'marker', value: at}, client);
      await memory.txn({sessionId, writes}, client);
    };
    await Promise.all(Array.from({length: 8}, (_none, at) => add(at)));
    const {entries} = await memory.list({sessionId, pattern: 'item/**', limit: 100}, client);
    assert.equal(entries.length, 8);
  });

  it('refuses a zombie and keeps its write for people', async () => {
    const {attemptId, fence, principal} = await placeAttempt(test.store);
    await memory.put({...own, value: 'before', fence}, principal);
    await endAttempt(test.store, attemptId, {outcome: 'lost'});
    await placeAttempt(test.store, {number: 2});
    await assert.rejects(memory.put({...own, value: 'late', fence}, principal), error =>
      isProtocolError(error, 'staleFence'),
    );
    assert.equal(await read(), 'before');
    const {records} = await readRecords(test.store, RefusalRecord, keys.refusals('s-1'));
    assert.deepEqual(
      records.map(({value}) => [value.effect, value.detail]),
      [['memory', 'plan/next']],
    );
  });

  it('lets an agent touch the sessions that it works for, under its own fences', async () => {
    const {fence, principal} = await placeAttempt(test.store);
    const forbidden = (error: unknown) => isProtocolError(error, 'forbidden');
    await assert.rejects(memory.put({...own, value: 1}, principal), forbidden);
    await assert.rejects(memory.put({...own, value: 1, fence}, agentPrincipal('a-2')), forbidden);
    await assert.rejects(memory.put({...own, sessionId: 's-2', value: 1, fence}, principal), forbidden);
    await assert.rejects(memory.get({...own, sessionId: 's-2'}, principal), forbidden);
    await assert.rejects(memory.get(own, agentPrincipal('a-2')), forbidden);
    assert.equal(await read(principal), undefined);
  });

  it('says that a session does not exist and that a value is too large', async () => {
    await assert.rejects(memory.put({...own, sessionId: 's-9', value: 1}, client), error =>
      isProtocolError(error, 'notFound'),
    );
    await assert.rejects(memory.put({...own, value: 'x'.repeat(70_000)}, client), error =>
      isProtocolError(error, 'tooLarge'),
    );
  });

  it('finds its own write when the answer was lost', async () => {
    let lose = false;
    const lossy = new Proxy(test.store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        if (name !== 'txn') return member.bind(target);
        return async (txn: Txn) => {
          const result = await target.txn(txn);
          if (lose) throw new CoordinatorError('timeout', 'the answer was lost');
          return result;
        };
      },
    });
    const uncertain = await fencedMemory(lossy);
    lose = true;
    assert.equal((await uncertain.put({...own, value: 1, ifVersion: 0}, client)).version, 1);
    await assert.rejects(
      uncertain.put({...own, value: 2, ifVersion: 0}, client),
      (error: unknown) => error instanceof CoordinatorError && error.code === 'timeout',
    );
    assert.equal(await read(), 1);
  });
});
