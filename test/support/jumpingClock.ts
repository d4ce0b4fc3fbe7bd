/** The system's clock, which can be made to jump: what a process sees when its machine slept. Timers that fall due in the jump fire at once after it. */
import {type Clock, systemClock} from '../../coordinator/runtime/clock.ts';
import type {Disposable} from '../../coordinator/runtime/disposable.ts';

interface Timer {
  readonly due: number;
  readonly arm: () => void;
  armed: Disposable;
}

export class JumpingClock implements Clock {
  private offsetMs = 0;
  private readonly timers = new Set<Timer>();

  now(): number {
    return systemClock.now() + this.offsetMs;
  }

  wallNow(): number {
    return systemClock.wallNow() + this.offsetMs;
  }

  schedule(delayMs: number, fire: () => void, options?: {background?: boolean}): Disposable {
    const due = this.now() + delayMs;
    const schedule = (): Disposable =>
      systemClock.schedule(
        Math.max(0, due - this.now()),
        () => {
          this.timers.delete(timer);
          fire();
        },
        options,
      );
    const timer: Timer = {
      due,
      arm: () => {
        timer.armed.dispose();
        timer.armed = schedule();
      },
      armed: schedule(),
    };
    this.timers.add(timer);
    return {
      dispose: () => {
        this.timers.delete(timer);
        timer.armed.dispose();
      },
    };
  }

  jump(byMs: number): void {
    this.offsetMs += byMs;
    for (const timer of [...this.timers].sort((a, b) => a.due - b.due)) timer.arm();
  }
}
