/** How many agents the work demands. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type Demand,
  type PoolLimits,
  predictedWaitMs,
  wantedAgents,
} from '../../../coordinator/pool/scaling/poolSize.ts';

const LIMITS: PoolLimits = {min: 0, max: 10, slots: 2, targetWaitMs: 30_000};
const NONE: Demand = {ready: 0, running: 0, otherSlots: 0, meanMs: 60_000};

describe('the size of a pool', () => {
  const cases: readonly (readonly [
    what: string,
    demand: Partial<Demand>,
    limits: Partial<PoolLimits>,
    size: number,
  ])[] = [
    ['is the least without work', {}, {min: 1}, 1],
    ['is one agent for one task, where there is nobody', {ready: 1}, {}, 1],
    ['is nobody for what others have room for', {ready: 3, running: 1, otherSlots: 4}, {}, 0],
    ['lets work wait as long as it may', {ready: 4, otherSlots: 2, meanMs: 20_000}, {}, 0],
    ['grows when it would wait longer', {ready: 4, otherSlots: 2, meanMs: 60_000}, {}, 1],
    ['is never more than has something to do', {ready: 5, meanMs: 3_600_000}, {}, 3],
    ['is never more than the most', {ready: 1000}, {max: 4}, 4],
    ['keeps those that work', {running: 6}, {}, 0],
    ['is nobody where the mode gives them no work', {ready: 9, leftOutBy: 'external'}, {min: 2}, 0],
  ];
  for (const [what, demand, limits, size] of cases)
    it(what, () => assert.equal(wantedAgents({...NONE, ...demand}, {...LIMITS, ...limits}), size));

  it('grows with the work, and is enough where the most allows', () => {
    const demand = fc.record({
      ready: fc.nat({max: 200}),
      running: fc.nat({max: 20}),
      otherSlots: fc.nat({max: 20}),
      meanMs: fc.integer({min: 1, max: 600_000}),
    });
    fc.assert(
      fc.property(demand, one => {
        const size = wantedAgents(one, LIMITS);
        const more = wantedAgents({...one, ready: one.ready + 1}, LIMITS);
        assert.ok(size <= more && size <= LIMITS.max);
        const waitMs = predictedWaitMs(one, one.otherSlots + size * LIMITS.slots);
        assert.ok(size === LIMITS.max || waitMs <= LIMITS.targetWaitMs, `${waitMs} ms with ${size}`);
      }),
    );
  });
});
