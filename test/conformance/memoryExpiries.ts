/** Values that end, on every store: by a transaction, never before their time, never over a newer value, and over restarts. */
import assert from 'node:assert/strict';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {MemoryDeletion, MemoryLife} from '../../coordinator/protocol/model/memory.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {readRecord, readRecords} from '../../coordinator/store/records.ts';
import {client, keys, putSession} from '../fixtures/attempts.ts';
import {eventually} from '../fixtures/eventually.ts';

import {type MemoryFixture, sharedMemory} from '../memory/memoryFixture.ts';
import type {MemoryStore} from './memoryStores.ts';

const own = {sessionId: 's-1', key: 'k'};

export function expiryTests(open: () => Promise<MemoryStore>): void {
  let test: MemoryStore;
  let clock: ManualClock;
  let fixture: MemoryFixture;

  beforeEach(async () => {
    test = await open();
    clock = new ManualClock();
    await putSession(test.store, 's-1');
    fixture = await sharedMemory(test.store, {clock});
  });
  afterEach(async () => {
    fixture.dispose();
    await test.remove();
  });

  const version = async (by = fixture) => (await by.memory.get(own, client)).version;
  /** The store has told of everything that was written. */
  const settled = async (): Promise<void> => {
    const {revision} = await test.store.txn({
      then: [{kind: 'put', key: keys.memoryKey('s-1', 'mark'), value: '{}'}],
    });
    await new Promise<void>(resolve => {
      const watch = test.store.watch(keys.memory('s-1'), {fromRevision: revision}, () => {
        watch.dispose();
        resolve();
      });
    });
  };

  it('go after their time, not before, and leave word of it', async () => {
    await fixture.memory.put({...own, value: 1, ttl: 1500}, client);
    await settled();
    clock.advance(1499);
    await settled();
    assert.equal(await version(), 1);
    clock.advance(1);
    await eventually(async () => assert.equal(await version(), 0));
    const deletion = await readRecord(test.store, MemoryDeletion, keys.memoryDeletion('s-1', 'k'));
    assert.deepEqual([deletion?.value.expired, deletion?.value.principal], [true, 'coordinator:c-1']);
    const {versions} = await fixture.memory.history({...own, limit: 9}, client);
    assert.deepEqual(
      versions.map(({kind}) => kind),
      ['delete', 'put'],
    );
  });

  it('live on when they are written again, with the time of the newest write', async () => {
    await fixture.memory.put({...own, value: 1, ttl: 1000}, client);
    await settled();
    clock.advance(900);
    await fixture.memory.put({...own, value: 2, ttl: 1000}, client);
    await settled();
    clock.advance(900);
    await settled();
    assert.equal(await version(), 2);
    await fixture.memory.put({...own, value: 3}, client);
    await settled();
    clock.advance(100_000);
    await settled();
    assert.equal(await version(), 3);
  });

  it('go only once where several coordinators ask, and none of them takes a newer value along', async () => {
    const other = await sharedMemory(test.other, {clock, writerId: 'c-2'});
    await fixture.memory.put({...own, value: 1, ttl: 1000}, client);
    await settled();
    clock.advance(1000);
    await fixture.memory.put({...own, value: 2, ifVersion: 0}, client).catch((error: unknown) => {
      // The write may come before the end, and is refused then.
      assert.ok(isProtocolError(error, 'conflict'));
    });
    await fixture.memory.put({...own, value: 3}, client);
    await settled();
    clock.advance(10_000);
    await settled();
    assert.equal((await fixture.memory.get(own, client)).record?.value, 3);
    other.dispose();
  });

  for (const [name, wall] of [
    ['a day behind', Date.UTC(2025, 11, 31)],
    ['a day ahead', Date.UTC(2026, 0, 2)],
  ] as const)
    it(`are counted on by a coordinator that comes after, whose wall clock is ${name}`, async () => {
      await fixture.memory.put({...own, value: 1, ttl: 80_000}, client);
      await settled();
      for (let passed = 0; passed < 50; passed++) {
        clock.advance(1000);
        await settled();
      }
      fixture.dispose();
      // Nobody counts now.
      const [life] = (await readRecords(test.store, MemoryLife, keys.memoryLives('s-1'))).records;
      const lived = life?.value.livedMs ?? 0;
      assert.ok(lived > 50_000 - 1.25 * 10_000 - 1000 && lived <= 50_000, `${lived}`);
      clock = new ManualClock(wall);
      fixture = await sharedMemory(test.other, {clock, writerId: 'c-2'});
      for (let left = 80_000 - lived; left > 1; left -= Math.min(1000, left - 1)) {
        clock.advance(Math.min(1000, left - 1));
        await settled();
      }
      assert.equal(await version(), 1, 'not before its time');
      clock.advance(1);
      await eventually(async () => assert.equal(await version(), 0));
      assert.deepEqual((await readRecords(test.store, MemoryLife, keys.memoryLives('s-1'))).records, []);
    });

  it('are seen to live by all coordinators, of which one writes it down at a time', async () => {
    const others = await Promise.all(
      ['c-2', 'c-3'].map(writerId => sharedMemory(test.other, {clock, writerId})),
    );
    await fixture.memory.put({...own, value: 1, ttl: 60_000}, client);
    await settled();
    const {revision} = await fixture.memory.get(own, client);
    const written: number[] = [];
    const watch = test.store.watch(keys.memoryLives('s-1'), {fromRevision: revision}, message => {
      if (message.kind === 'events') written.push(message.revision);
    });
    for (let passed = 0; passed < 55; passed++) {
      clock.advance(1000);
      await settled();
    }
    watch.dispose();
    assert.ok(written.length >= 3 && written.length <= 6, `${written.length} records`);
    for (const other of others) other.dispose();
  });

  it('begin anew with a new value, whatever the one before had lived', async () => {
    await fixture.memory.put({...own, value: 1, ttl: 40_000}, client);
    await settled();
    for (let passed = 0; passed < 30; passed++) {
      clock.advance(1000);
      await settled();
    }
    await fixture.memory.put({...own, value: 2, ttl: 40_000}, client);
    await settled();
    fixture.dispose();
    fixture = await sharedMemory(test.other, {clock, writerId: 'c-2'});
    clock.advance(39_999);
    await settled();
    assert.equal(await version(), 2);
    clock.advance(1);
    await eventually(async () => assert.equal(await version(), 0));
  });
}
