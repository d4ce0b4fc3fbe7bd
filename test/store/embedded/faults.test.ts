/** A full disk stops writes and nothing else, until there is space; a disk that errs stops the store for good. */
import assert from 'node:assert/strict';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';
import {type CoordinatorErrorCode, isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import type {DiskOperation} from '../../../coordinator/store/embedded/simulatedDisk.ts';
import type {Store, WatchMessage} from '../../../coordinator/store/store.ts';
import {countWrites, FOLDER, LOG_ONLY, newDisk, openOn, SMALL, writeNumber} from './simulation.ts';

const coded = (code: CoordinatorErrorCode) => (error: unknown) => isCoordinatorError(error, code);

/** Advances until `done`, giving the store's own work its turns. */
async function until(clock: ManualClock, done: () => boolean): Promise<void> {
  for (let turns = 0; !done(); turns++) {
    assert.ok(turns < 1000, 'it never happened');
    clock.advance(1000);
    await new Promise<void>(resolve => setImmediate(resolve));
  }
}

/** Writes until one fails; returns how many were acknowledged and the failure. */
async function writeUntilFailure(store: Store, from: number): Promise<{written: number; error: unknown}> {
  for (let n = from; ; n++) {
    try {
      await writeNumber(store, n);
    } catch (error) {
      return {written: n - 1, error};
    }
  }
}

describe('a full disk', () => {
  it('refuses writes, keeps what was acknowledged, serves reads, and recovers', async () => {
    let full = false;
    const disk = newDisk({fault: operation => (full && operation === 'write' ? 'ENOSPC' : undefined)});
    const clock = new ManualClock();
    const store = await openOn(disk, LOG_ONLY, {clock});
    const lease = await store.grantLease(5);
    for (let n = 1; n <= 4; n++) await writeNumber(store, n);
    full = true;
    // The append that hit the wall may be on disk in part: its outcome is unknown. Later ones are surely not applied.
    await assert.rejects(
      store.txn({then: [{kind: 'put', key: 'large', value: 'x'.repeat(8000)}]}),
      coded('timeout'),
    );
    await assert.rejects(writeNumber(store, 5), coded('diskFull'));
    assert.match(store.status().degraded ?? '', /disk is full/);
    assert.equal(await countWrites(store), 4);
    assert.equal(await store.keepAlive(lease.id), true);
    full = false;
    await until(clock, () => store.status().degraded === undefined);
    await store.close();
    // Nothing of the failed append is left behind the frames that took its place.
    const again = await openOn(disk.restart(), LOG_ONLY);
    assert.equal(await countWrites(again), 4);
    await writeNumber(again, 5);
    assert.equal(await countWrites(again), 5);
    await again.close();
  });

  it('that has no room for another segment fails writes surely, and recovers', async () => {
    let full = false;
    const disk = newDisk({
      fault: (operation, path) =>
        full && operation === 'write' && path.includes('spare') ? 'ENOSPC' : undefined,
    });
    const clock = new ManualClock();
    const store = await openOn(disk, SMALL, {clock});
    await writeNumber(store, 1);
    full = true;
    const {written, error} = await writeUntilFailure(store, 2);
    // Nothing of it was written, unlike an append that failed half way.
    assert.ok(isCoordinatorError(error, 'diskFull'), String(error));
    await until(clock, () => clock.now() > 20_000);
    await assert.rejects(writeNumber(store, written + 1), coded('diskFull'));
    assert.equal(await countWrites(store), written);
    full = false;
    await until(clock, () => store.status().degraded === undefined);
    for (let n = written + 1; n <= written + 30; n++) await writeNumber(store, n);
    await store.close();
    const again = await openOn(disk.restart());
    assert.equal(await countWrites(again), written + 30);
    await again.close();
  });

  it('while a snapshot is written costs the snapshot only', async () => {
    let full = true;
    const disk = newDisk({
      fault: (operation, path) =>
        full && operation === 'write' && path.includes('.snap') ? 'ENOSPC' : undefined,
    });
    const clock = new ManualClock();
    const store = await openOn(disk, SMALL, {clock});
    for (let n = 1; n <= 30; n++) await writeNumber(store, n);
    assert.ok(!disk.paths().some(path => path.includes('.snap')));
    full = false;
    await until(clock, () => disk.paths().some(path => path.endsWith('.snap')));
    await store.close();
    const again = await openOn(disk.restart());
    assert.equal(await countWrites(again), 30);
    await again.close();
  });
});

describe('a slow disk', () => {
  it('makes the store refuse more writes than may wait, and lose none of those', async () => {
    const store = await openOn(newDisk(), {...LOG_ONLY, maxPendingProposals: 10});
    const results = await Promise.allSettled(Array.from({length: 30}, (_, n) => writeNumber(store, n + 1)));
    const refused = results.filter(result => result.status === 'rejected');
    assert.equal(refused.length, 20);
    for (const {reason} of refused) assert.ok(isCoordinatorError(reason, 'unavailable'));
    assert.equal(await countWrites(store), 10);
    await store.close();
  });
});

describe('a disk that errs', () => {
  const cases: readonly {what: string; durableWrites: boolean; operation: DiskOperation}[] = [
    {what: 'a write', durableWrites: true, operation: 'write'},
    {what: 'a flush', durableWrites: false, operation: 'sync'},
  ];
  for (const {what, durableWrites, operation} of cases)
    it(`in ${what} stops the store, which is never tried again`, async () => {
      let failing = false;
      const disk = newDisk({
        durableWrites,
        fault: found => (failing && found === operation ? 'EIO' : undefined),
      });
      const store = await openOn(disk, LOG_ONLY);
      const messages: WatchMessage[] = [];
      store.watch('', {}, message => messages.push(message));
      await writeNumber(store, 1);
      failing = true;
      // Two in flight: both may be on disk.
      const both = await Promise.allSettled([writeNumber(store, 2), writeNumber(store, 3)]);
      for (const result of both)
        assert.ok(result.status === 'rejected' && isCoordinatorError(result.reason, 'timeout'));
      failing = false;
      await assert.rejects(writeNumber(store, 4), coded('corrupt'));
      await assert.rejects(store.get('last'), coded('corrupt'));
      assert.match(store.status().degraded ?? '', /disk failed a write/);
      assert.equal(messages.at(-1)?.kind, 'closed');
      await store.close();
      const again = await openOn(disk.restart(), LOG_ONLY);
      const found = await countWrites(again);
      assert.ok(found === 1 || found === 3, String(found));
      await again.close();
    });

  it('in a snapshot stops the store', async () => {
    const disk = newDisk({
      fault: (operation, path) => (operation === 'sync' && path.includes('.snap') ? 'EIO' : undefined),
    });
    const store = await openOn(disk, SMALL);
    const {error} = await writeUntilFailure(store, 1);
    assert.ok(isCoordinatorError(error, 'corrupt'), String(error));
    await store.close();
  });

  it('that hangs ends writes with an unknown outcome and says so', async () => {
    const clock = new ManualClock();
    let release = (): void => undefined;
    const hung = new Promise<void>(resolve => {
      release = resolve;
    });
    let hanging = false;
    const disk = newDisk();
    const open = disk.open.bind(disk);
    disk.open = async (path, options) => {
      const file = await open(path, options);
      return {
        ...file,
        write: async (bytes, position) => {
          if (hanging) await hung;
          await file.write(bytes, position);
        },
      };
    };
    const store = await openOn(disk, LOG_ONLY, {clock});
    await writeNumber(store, 1);
    hanging = true;
    const write = assert.rejects(writeNumber(store, 2), coded('timeout'));
    for (let passed = 0; passed < 16_000; passed += 250) {
      clock.advance(250);
      await new Promise<void>(resolve => setImmediate(resolve));
    }
    await write;
    assert.match(store.status().degraded ?? '', /not finished a write for 1\d s/);
    release();
    await store.close();
    assert.equal(store.status().degraded, undefined);
    assert.ok(disk.paths().includes(`${FOLDER}/VERSION`));
  });
});
