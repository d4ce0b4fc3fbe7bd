/**
 * Measures how long an attempt has worked, and says when it has worked too long. Time does not count while a person is waited for, nor
 * while the whole machine slept or this process was stopped: one look at the clock never adds more than a small step.
 */
import {type Clock, every} from '../../runtime/clock.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';

export interface ActiveClockOptions {
  readonly clock: Clock;
  readonly tickMs: number;
  readonly maxStepMs: number;
  readonly limitMs: number;
  /** Called once, when the limit is passed. */
  exceeded(): void;
}

export class ActiveClock implements Disposable {
  private passedMs = 0;
  private lastAt = 0;
  private holds = 0;
  private started = false;
  private told = false;
  private timer: Disposable = noDisposable;

  constructor(private readonly options: ActiveClockOptions) {}

  get activeMs(): number {
    this.look();
    return this.passedMs;
  }

  start(): void {
    if (this.started) return;
    this.started = true;
    this.lastAt = this.options.clock.now();
    this.timer = every(this.options.clock, this.options.tickMs, () => this.tick());
  }

  /** Stands still until the returned hold is released; several may hold it at once. */
  hold(): Disposable {
    this.look();
    this.holds++;
    let held = true;
    return {
      dispose: () => {
        if (!held) return;
        held = false;
        this.look();
        this.holds--;
      },
    };
  }

  dispose(): void {
    this.look();
    this.started = false;
    this.timer.dispose();
  }

  private tick(): void {
    this.look();
    if (this.told || this.passedMs <= this.options.limitMs) return;
    this.told = true;
    this.options.exceeded();
  }

  private look(): void {
    if (!this.started) return;
    const now = this.options.clock.now();
    const step = Math.min(now - this.lastAt, this.options.maxStepMs);
    this.lastAt = now;
    if (this.holds === 0) this.passedMs += step;
  }
}
