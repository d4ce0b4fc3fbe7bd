/** Power cuts at every step of the disk: what was acknowledged is there after the restart, and the state is that of some prefix of the writes. */
import assert from 'node:assert/strict';
import type {SimulatedDisk} from '../../../coordinator/store/embedded/simulatedDisk.ts';
import type {Store} from '../../../coordinator/store/store.ts';
import {countWrites, newDisk, openOn, writeNumber} from './simulation.ts';

const WRITES = 40;

/** Writes until the disk dies; returns how many writes were acknowledged and how many begun. */
async function run(disk: SimulatedDisk, from: number): Promise<{acknowledged: number; begun: number}> {
  let store: Store;
  let acknowledged = from;
  let begun = from;
  try {
    store = await openOn(disk);
  } catch (error) {
    if (!disk.isCrashed) throw error;
    return {acknowledged, begun};
  }
  try {
    while (begun < from + WRITES) {
      begun += 1;
      await writeNumber(store, begun);
      acknowledged = begun;
    }
  } catch (error) {
    if (!disk.isCrashed) throw error;
  }
  await store.close().catch(error => {
    if (!disk.isCrashed) throw error;
  });
  return {acknowledged, begun};
}

async function crashAt(step: number, durableWrites: boolean): Promise<SimulatedDisk> {
  const disk = newDisk(
    {durableWrites, fault: (_operation, _path, at) => (at >= step ? 'crash' : undefined)},
    step,
  );
  const {acknowledged, begun} = await run(disk, 0);
  const restarted = disk.restart();
  const store = await openOn(restarted);
  const found = await countWrites(store);
  assert.ok(found >= acknowledged && found <= begun, `step ${step}: ${acknowledged} <= ${found} <= ${begun}`);
  await store.close();
  // A second life on what the first left, with a second crash.
  const again = restarted.restart((_operation, _path, at) => (at >= step ? 'crash' : undefined));
  const second = await run(again, found);
  const last = await openOn(again.restart());
  const total = await countWrites(last);
  assert.ok(total >= second.acknowledged && total <= second.begun, `step ${step}, second crash`);
  await last.close();
  return disk;
}

describe('crashes of the embedded store', () => {
  for (const durableWrites of [true, false])
    it(`lose nothing acknowledged, whatever the step (${durableWrites ? 'O_DSYNC' : 'fdatasync'})`, async function () {
      this.timeout(120_000);
      let step = 1;
      for (; ; step++) {
        const disk = await crashAt(step, durableWrites);
        if (!disk.isCrashed || disk.steps < step) break;
      }
      assert.ok(step > 100, `the run has ${step} steps`);
    });
});
