/** Hub time stands still while nobody is in charge. */
import assert from 'node:assert/strict';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {HubClock} from '../../coordinator/runtime/hubClock.ts';

describe('Hub clock', () => {
  it('continues from what was stored and follows the monotonic clock between ticks', () => {
    const clock = new ManualClock();
    clock.advance(5000);
    const hub = new HubClock(clock, 100);
    clock.advance(300);
    assert.equal(hub.now(), 400);
    assert.equal(hub.tick(), 300);
    clock.advance(50);
    assert.equal(hub.now(), 450);
  });

  it('counts a stop of ten minutes as one longest step', () => {
    const clock = new ManualClock();
    const hub = new HubClock(clock, 0, 2000);
    clock.advance(600_000);
    assert.equal(hub.now(), 2000);
    assert.equal(hub.tick(), 2000);
    assert.equal(hub.now(), 2000);
  });

  it('does not heed the wall clock', () => {
    const clock = new ManualClock();
    const hub = new HubClock(clock, 0);
    clock.jumpWall(-3_600_000);
    clock.advance(10);
    assert.equal(hub.tick(), 10);
  });
});
