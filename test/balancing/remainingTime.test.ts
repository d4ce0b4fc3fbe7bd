/** Expected remaining time against many drawn durations. */
import assert from 'node:assert/strict';
import {remainingMs} from '../../coordinator/balancing/remainingTime.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';

describe('Remaining time', () => {
  it('is the mean of what is left of those durations that are longer', () => {
    const random = seededRandom(7);
    const sigma = 0.6;
    const mean = 1000;
    const durations = Array.from({length: 200_000}, () => {
      const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
      return mean * Math.exp(sigma * normal - (sigma * sigma) / 2);
    });
    for (const elapsed of [0, 200, 700, 1000, 2000, 3000]) {
      const longer = durations.filter(each => each > elapsed);
      const left = longer.reduce((sum, each) => sum + each - elapsed, 0) / longer.length;
      const expected = remainingMs(mean, elapsed, sigma);
      assert.ok(Math.abs(expected / left - 1) < 0.06, `after ${elapsed}: ${expected}, drawn ${left}`);
    }
  });

  it('never runs out, and grows with what has passed beyond expectation', () => {
    let before = remainingMs(1000, 3000, 0.6);
    for (let elapsed = 4000; elapsed < 1e7; elapsed *= 1.5) {
      const left = remainingMs(1000, elapsed, 0.6);
      assert.ok(left > before, `after ${elapsed}: ${left}, before ${before}`);
      before = left;
    }
  });
});
