/** Raft's invariants while members come and go, leaders hand over, snapshots go out and reads are asked. */
import assert from 'node:assert/strict';
import {runLeaseSchedule, runSchedule} from './randomSchedule.ts';

describe('raft with members that come and go', () => {
  for (const voters of [1, 3, 5])
    it(`${voters} at first keep every invariant in random schedules, and go on when healed`, function () {
      this.timeout(180_000);
      const total = {reads: 0, dropped: 0, entries: 0, changes: 0};
      for (let seed = 1; seed <= 40; seed++)
        try {
          const cluster = runSchedule(seed, voters);
          total.reads += cluster.answered.reads;
          total.dropped += cluster.answered.dropped;
          total.entries += cluster.history.length;
          total.changes += cluster.history.filter(({text}) => text.includes('/configuration/')).length;
        } catch (error) {
          throw new Error(`seed ${seed}`, {cause: error});
        }
      // The schedules reach what they are meant to reach.
      assert.ok(total.reads > 500 && total.dropped > 100, JSON.stringify(total));
      assert.ok(total.entries > 1500 && total.changes > 40, JSON.stringify(total));
    });

  it('reads by lease are not older than their question', function () {
    this.timeout(180_000);
    let reads = 0;
    for (let seed = 1; seed <= 40; seed++)
      try {
        reads += runLeaseSchedule(seed, seed % 2 === 0 ? 3 : 5).answered.reads;
      } catch (error) {
        throw new Error(`seed ${seed}`, {cause: error});
      }
    assert.ok(reads > 500, `${reads} reads`);
  });
});
