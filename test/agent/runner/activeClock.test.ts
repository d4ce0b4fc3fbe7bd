/** The clock of an attempt's own time. */
import assert from 'node:assert/strict';
import {ActiveClock} from '../../../coordinator/agent/runner/activeClock.ts';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';

describe('active clock', () => {
  let clock: ManualClock;
  let exceeded: number[];
  let active: ActiveClock;

  beforeEach(() => {
    clock = new ManualClock();
    exceeded = [];
    active = new ActiveClock({
      clock,
      tickMs: 500,
      maxStepMs: 2000,
      limitMs: 10_000,
      exceeded: () => exceeded.push(clock.now()),
    });
  });

  it('says once that the limit is passed', () => {
    active.start();
    clock.advance(10_000);
    assert.deepEqual(exceeded, []);
    clock.advance(5000);
    assert.deepEqual(exceeded, [10_500]);
  });

  it('stands still while anybody holds it', () => {
    active.start();
    clock.advance(1000);
    const [first, second] = [active.hold(), active.hold()];
    clock.advance(60_000);
    first.dispose();
    first.dispose();
    clock.advance(60_000);
    second.dispose();
    assert.equal(active.activeMs, 1000);
    clock.advance(500);
    assert.equal(active.activeMs, 1500);
    assert.deepEqual(exceeded, []);
  });

  it('takes a jump of the clock for a sleep of the machine', () => {
    active.start();
    // Nobody looks in between, as when the process is stopped.
    const stopped = new ManualClock();
    const own = new ActiveClock({
      clock: {...bare(stopped), schedule: () => ({dispose: () => undefined})},
      tickMs: 500,
      maxStepMs: 2000,
      limitMs: 10_000,
      exceeded: () => exceeded.push(1),
    });
    own.start();
    stopped.advance(3_600_000);
    assert.equal(own.activeMs, 2000);
    stopped.advance(100);
    assert.equal(own.activeMs, 2100);
  });

  it('counts nothing before its start and after its end', () => {
    clock.advance(1000);
    active.start();
    clock.advance(700);
    active.dispose();
    clock.advance(60_000);
    assert.equal(active.activeMs, 700);
  });
});

function bare(clock: ManualClock): {now: () => number; wallNow: () => number} {
  return {now: () => clock.now(), wallNow: () => clock.wallNow()};
}
