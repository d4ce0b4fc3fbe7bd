/**
 * Milliseconds for the age of what is known: as the monotonic clock has them, and those too in which the machine slept, where that clock may
 * have stood still. A wall clock that is set forward makes things look older than they are, never younger.
 */
import type {Clock} from './clock.ts';

/** What the wall clock gains between two looks is a sleep, or a clock that was set, beyond this. */
const SLEPT_MS = 1000;

export class ElapsedClock {
  private sleptMs = 0;
  private seen: number;
  private seenWall: number;

  constructor(private readonly clock: Pick<Clock, 'now' | 'wallNow'>) {
    this.seen = clock.now();
    this.seenWall = clock.wallNow();
  }

  /** Of an arbitrary origin; never decreases. */
  now(): number {
    const now = this.clock.now();
    const wall = this.clock.wallNow();
    const gained = wall - this.seenWall - (now - this.seen);
    if (gained > SLEPT_MS) this.sleptMs += gained;
    this.seen = now;
    this.seenWall = wall;
    return now + this.sleptMs;
  }
}
