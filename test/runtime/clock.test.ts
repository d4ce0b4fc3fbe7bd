/** Clocks and timers: the system's, and the one that tests own. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {atMost, delay, every, ManualClock, systemClock} from '../../coordinator/runtime/clock.ts';

describe('waiting at most so long', () => {
  it('ends with the work, fails with it, and goes on without it', async () => {
    const clock = new ManualClock();
    await atMost(clock, 10, Promise.resolve('done'));
    await assert.rejects(atMost(clock, 10, Promise.reject(new Error('broken'))), /broken/);
    let over = false;
    const waiting = atMost(clock, 10, new Promise(() => undefined)).then(() => {
      over = true;
    });
    clock.advance(9);
    await Promise.resolve();
    assert.equal(over, false);
    clock.advance(1);
    await waiting;
  });
});

describe('a manual clock', () => {
  it('fires timers in order of time, then of creation, at their own time', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({max: 50}), {maxLength: 30}),
        fc.array(fc.nat({max: 20}), {maxLength: 10}),
        (delays, steps) => {
          const clock = new ManualClock();
          const fired: {index: number; at: number}[] = [];
          delays.forEach((delayMs, index) => {
            clock.schedule(delayMs, () => fired.push({index, at: clock.now()}));
          });
          for (const step of steps) clock.advance(step);
          const now = steps.reduce((sum, step) => sum + step, 0);
          const due = delays
            .map((at, index) => ({index, at}))
            .filter(({at}) => steps.length > 0 && at <= now)
            .sort((a, b) => a.at - b.at || a.index - b.index);
          assert.deepEqual(fired, due);
          assert.equal(clock.now(), now);
        },
      ),
    );
  });

  it('fires what a timer schedules on the way', () => {
    const clock = new ManualClock();
    const times: number[] = [];
    const again = (): void => {
      times.push(clock.now());
      if (times.length < 3) clock.schedule(10, again);
    };
    clock.schedule(10, again);
    clock.advance(100);
    assert.deepEqual(times, [10, 20, 30]);
    assert.equal(clock.now(), 100);
  });

  it('does not fire what was disposed, even by a timer of the same moment', () => {
    const clock = new ManualClock();
    let fired = 0;
    clock.schedule(5, () => later.dispose());
    const later = clock.schedule(5, () => {
      fired += 1;
    });
    clock.advance(10);
    assert.equal(fired, 0);
  });

  it('moves the wall clock with time, and alone when it jumps', () => {
    const clock = new ManualClock(1000);
    clock.advance(5);
    assert.equal(clock.wallNow(), 1005);
    clock.jumpWall(-600);
    assert.equal(clock.wallNow(), 405);
    assert.equal(clock.now(), 5);
  });
});

describe('a delay', () => {
  it('resolves when its time has come', async () => {
    const clock = new ManualClock();
    let done = false;
    const waiting = delay(clock, 10).then(() => {
      done = true;
    });
    clock.advance(9);
    await Promise.resolve();
    assert.equal(done, false);
    clock.advance(1);
    await waiting;
    assert.equal(done, true);
  });

  it('rejects with the reason of its signal and lets go of its timer', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const waiting = delay(clock, 10, abort.signal);
    abort.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    clock.advance(100);
  });

  it('rejects at once when its signal was raised before', async () => {
    await assert.rejects(delay(new ManualClock(), 10, AbortSignal.abort(new Error('before'))), /before/);
  });

  it('leaves no listener on a signal that outlives it', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    let listeners = 0;
    const {signal} = abort;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    const waiting = delay(clock, 10, signal);
    clock.advance(10);
    await waiting;
    assert.equal(listeners, 0);
  });
});

describe('every', () => {
  it('fires once a period until it is disposed', () => {
    const clock = new ManualClock();
    let fired = 0;
    const timer = every(clock, 10, () => {
      fired += 1;
    });
    clock.advance(35);
    assert.equal(fired, 3);
    timer.dispose();
    clock.advance(100);
    assert.equal(fired, 3);
  });

  it('can be disposed by what it fires', () => {
    const clock = new ManualClock();
    let fired = 0;
    const timer = every(clock, 10, () => {
      fired += 1;
      timer.dispose();
    });
    clock.advance(100);
    assert.equal(fired, 1);
  });
});

describe('the system clock', () => {
  it('fires after at least the delay', async () => {
    const before = systemClock.now();
    await delay(systemClock, 20);
    assert.ok(systemClock.now() - before >= 20);
  });

  it('does not fire a timer of two months at once', async () => {
    let fired = false;
    const timer = systemClock.schedule(60 * 86_400_000, () => {
      fired = true;
    });
    await delay(systemClock, 20);
    timer.dispose();
    assert.equal(fired, false);
  });

  it('tells wall time in milliseconds since 1970', () => {
    assert.ok(Math.abs(systemClock.wallNow() - Date.now()) < 1000);
  });
});
