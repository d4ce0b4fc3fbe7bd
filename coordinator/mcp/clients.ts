/** How much each principal and client has in work, and which clients are known: those that ask nothing for long are let go. */
import type {Clock} from '../runtime/clock.ts';

/** Counts by key, which forgets a key that is at zero. */
export class Tally {
  private readonly counts = new Map<string, number>();
  private total = 0;

  get all(): number {
    return this.total;
  }

  of(key: string): number {
    return this.counts.get(key) ?? 0;
  }

  add(key: string): void {
    this.counts.set(key, this.of(key) + 1);
    this.total += 1;
  }

  remove(key: string): void {
    const left = this.of(key) - 1;
    if (left > 0) this.counts.set(key, left);
    else this.counts.delete(key);
    this.total -= 1;
  }
}

/** When a client was last active. One with something open is active all the time. */
export class Activity {
  private open = 0;
  private since: number;

  constructor(private readonly clock: Clock) {
    this.since = clock.now();
  }

  begin(): void {
    this.open += 1;
  }

  end(): void {
    this.open -= 1;
    this.since = this.clock.now();
  }

  /** How many requests and streams are open. */
  get inUse(): number {
    return this.open;
  }

  /** Milliseconds; 0 while something is open. */
  get idleMs(): number {
    return this.open > 0 ? 0 : this.clock.now() - this.since;
  }
}
