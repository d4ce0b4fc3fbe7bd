/** How fast tasks that do nothing go through the lead and the store. Printed, not asserted: it depends on the machine. */
import assert from 'node:assert/strict';
import {Harness, planOf} from './leadHarness.ts';

describe('Lead throughput', function () {
  this.timeout(120_000);

  for (const [shape, count, dependsOn] of [
    ['independent', 5000, () => []],
    ['in chains of ten', 5000, (index: number) => (index % 10 === 0 ? [] : [`t-${index - 1}`])],
  ] as const)
    it(`finishes ${count} noop tasks, ${shape}`, async () => {
      const harness = await Harness.open({sessionFlushMs: 500, tickMs: 250});
      try {
        for (const id of ['a-1', 'a-2', 'a-3', 'a-4']) await harness.fleet.add({id, slots: 32});
        const plan = planOf(
          Array.from({length: count}, (_, index) => ({id: `t-${index}`, dependsOn: dependsOn(index)})),
        );
        const began = performance.now();
        await harness.start(plan);
        const started = performance.now();
        const ended = await harness.until(
          () => harness.session(),
          record => record.endedAt !== undefined,
          'sessions/',
        );
        const seconds = (performance.now() - started) / 1000;
        assert.equal(ended.counts.succeeded, count);
        console.log(
          `      ${Math.round(count / seconds)} tasks/s (start ${Math.round(started - began)} ms, run ${seconds.toFixed(2)} s)`,
        );
      } finally {
        await harness.close();
      }
    });
});
