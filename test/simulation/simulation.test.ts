/** Short runs of many seeds: every invariant at every step, life after healing, and histories that the checkers accept. */
import assert from 'node:assert/strict';
import {availableParallelism} from 'node:os';
import {SeedPool} from './seedPool.ts';
import {describeFailure, type Outcome, simulate} from './simulate.ts';

const SEEDS = 200;
const FIRST_SEED = 1;

describe('simulation', () => {
  it(`${SEEDS} seeds keep every invariant, come back to life, and tell a linearizable history`, async function () {
    this.timeout(900_000);
    const outcomes: Outcome[] = [];
    await new SeedPool(availableParallelism()).run(FIRST_SEED, FIRST_SEED + SEEDS, outcome => {
      outcomes.push(outcome);
    });
    const failed = outcomes.filter(({failure}) => failure !== undefined);
    assert.equal(failed.length, 0, failed.map(describeFailure).join('\n\n'));
    const sum = (count: (outcome: Outcome) => number): number =>
      outcomes.reduce((total, outcome) => total + count(outcome), 0);
    // Runs in which little happens would prove little.
    assert.ok(sum(({operations}) => operations) > SEEDS * 200);
    assert.ok(sum(({elections}) => elections) > SEEDS * 2);
    assert.ok(sum(({installs}) => installs) > SEEDS / 4);
    assert.ok(sum(({changes}) => changes) > SEEDS / 4);
    assert.ok(sum(({undecided}) => Number(undecided)) < SEEDS / 10);
    assert.deepEqual(new Set(outcomes.map(({voters}) => voters)), new Set([3, 5, 7]));
  });

  it('a seed is one run: the same trace each time, and another for another seed', async function () {
    this.timeout(120_000);
    for (const seed of [4, 6, 9]) {
      const [first, second, other] = [
        await simulate({seed}),
        await simulate({seed}),
        await simulate({seed: seed + 1000}),
      ];
      assert.equal(second.trace, first.trace);
      assert.equal(second.steps, first.steps);
      assert.deepEqual(second.history, first.history);
      assert.notEqual(other.trace, first.trace);
    }
  });
});
