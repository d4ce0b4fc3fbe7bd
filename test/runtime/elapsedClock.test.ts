/** Time that passed is counted through sleeps of the machine, and a wall clock that is set never makes it less. */
import assert from 'node:assert/strict';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {ElapsedClock} from '../../coordinator/runtime/elapsedClock.ts';

describe('the clock of ages', () => {
  it('counts what the monotonic clock counts', () => {
    const clock = new ManualClock();
    const elapsed = new ElapsedClock(clock);
    const from = elapsed.now();
    for (let n = 0; n < 100; n++) {
      clock.advance(7);
      elapsed.now();
    }
    assert.equal(elapsed.now() - from, 700);
  });

  it('counts a sleep in which the monotonic clock stood still', () => {
    const clock = new ManualClock();
    const elapsed = new ElapsedClock(clock);
    const from = elapsed.now();
    clock.advance(10);
    clock.jumpWall(3_600_000);
    assert.equal(elapsed.now() - from, 3_600_010);
    clock.advance(10);
    assert.equal(elapsed.now() - from, 3_600_020);
  });

  it('never runs backwards when the wall clock is set back', () => {
    const clock = new ManualClock();
    const elapsed = new ElapsedClock(clock);
    const from = elapsed.now();
    clock.jumpWall(-3_600_000);
    clock.advance(10);
    assert.equal(elapsed.now() - from, 10);
  });
});
