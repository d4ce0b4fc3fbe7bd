/** When a silence becomes suspicious, for agents of different rhythms. */
import assert from 'node:assert/strict';
import {AccrualDetector} from '../../coordinator/pool/accrualDetector.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';

const PERIOD_MS = 3333;

/** A detector that heard `count` heartbeats, each `jitter(n)` ms off its time; `now` is when the last came. */
function heardFrom(count: number, jitter: (n: number) => number): {detector: AccrualDetector; now: number} {
  const detector = new AccrualDetector(PERIOD_MS, 0);
  let now = 0;
  for (let n = 0; n < count; n++) {
    now += Math.max(1, PERIOD_MS + jitter(n));
    detector.heartbeat(now);
  }
  return {detector, now};
}

/** Silence in ms after which it is suspicious. */
function patience({detector, now}: {detector: AccrualDetector; now: number}): number {
  for (let silence = 0; silence < 120_000; silence += 50)
    if (detector.isSuspicious(now + silence)) return silence;
  return Number.POSITIVE_INFINITY;
}

describe('accrual failure detection', () => {
  it('rises with the silence and never falls', () => {
    const {detector, now} = heardFrom(50, n => (n % 3) * 100);
    let before = -1;
    for (let silence = 0; silence < 600_000; silence += 100) {
      const phi = detector.phi(now + silence);
      assert.ok(Number.isFinite(phi) && phi >= before, `${phi} after ${silence} ms`);
      before = phi;
    }
  });

  it('is quicker with a punctual agent than two lost heartbeats of a fixed gap', () => {
    const silence = patience(heardFrom(100, () => 0));
    assert.ok(silence > 1.5 * PERIOD_MS && silence < 2 * PERIOD_MS, `${silence} ms`);
  });

  it('is more patient with an agent whose heartbeats scatter', () => {
    const random = seededRandom(7);
    const punctual = patience(heardFrom(100, () => 0));
    const loaded = patience(heardFrom(100, () => (random.next() - 0.5) * 5000));
    assert.ok(loaded > punctual + 4000, `${loaded} ms against ${punctual} ms`);
  });

  it('suspects nobody within ten thousand heartbeats that scatter as they always did', () => {
    const random = seededRandom(11);
    const detector = new AccrualDetector(PERIOD_MS, 0);
    let now = 0;
    for (let n = 0; n < 10_000; n++) {
      // The sum of uniform draws is nearly normal.
      const draws = Array.from({length: 12}, () => random.next()).reduce((sum, draw) => sum + draw, -6);
      now += Math.max(1, PERIOD_MS + draws * 800);
      assert.ok(!detector.isSuspicious(now), `heartbeat ${n}`);
      detector.heartbeat(now);
    }
  });

  it('forgets an outage: the silence that was suspicious does not make it patient', () => {
    const {detector, now} = heardFrom(100, () => 0);
    const before = patience({detector, now});
    detector.heartbeat(now + 60_000);
    assert.equal(patience({detector, now: now + 60_000}), before);
  });

  it('waits longer for one that has only just come than for one that was punctual', () => {
    const fresh = patience({detector: new AccrualDetector(PERIOD_MS, 0), now: 0});
    assert.ok(fresh > patience(heardFrom(100, () => 0)) && fresh < 10_000, `${fresh} ms`);
  });

  it('excuses a silence that was ours', () => {
    const {detector, now} = heardFrom(100, () => 0);
    detector.excuse(30_000);
    assert.ok(!detector.isSuspicious(now + 30_000));
    assert.ok(detector.isSuspicious(now + 40_000));
  });
});
