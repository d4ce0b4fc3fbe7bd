/** Values that end, on every store: by a transaction, never before their time, never over a newer value, and over restarts. */
import assert from 'node:assert/strict';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {MemoryDeletion} from '../../coordinator/protocol/model/memory.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {readRecord} from '../../coordinator/store/records.ts';
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

  it('have lived while no coordinator ran', async () => {
    await fixture.memory.put({...own, value: 1, ttl: 5000}, client);
    fixture.dispose();
    clock.advance(3000);
    fixture = await sharedMemory(test.store, {clock});
    clock.advance(1999);
    await settled();
    assert.equal(await version(), 1);
    clock.advance(1);
    await eventually(async () => assert.equal(await version(), 0));
  });
}
