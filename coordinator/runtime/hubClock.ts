/** Hub time: milliseconds in which somebody was in charge. It stands still while the process is stopped, the machine sleeps or nobody leads. */
import type {Clock} from './clock.ts';

export class HubClock {
  private base: number;
  private seen: number;

  /** Continues from `storedMs`. One tick counts for at most `longestStepMs`, however long the clock says it took. */
  constructor(
    private readonly clock: Clock,
    storedMs: number,
    private readonly longestStepMs = 2000,
  ) {
    this.base = storedMs;
    this.seen = clock.now();
  }

  /** Milliseconds; never decreases. */
  now(): number {
    return this.base + this.step();
  }

  /** Call more often than every `longestStepMs`. Returns the milliseconds of hub time since the previous tick. */
  tick(): number {
    const step = this.step();
    this.base += step;
    this.seen = this.clock.now();
    return step;
  }

  private step(): number {
    return Math.min(Math.max(0, this.clock.now() - this.seen), this.longestStepMs);
  }
}
