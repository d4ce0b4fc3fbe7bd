/** Draws from one seeded source. */
import {type Random, seededRandom} from '../../../coordinator/runtime/random.ts';

export class Chance implements Random {
  private readonly random: Random;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  next(): number {
    return this.random.next();
  }

  hex(bytes: number): string {
    return this.random.hex(bytes);
  }

  /** Another source, which does not depend on how much is drawn from this one afterwards. */
  fork(): Chance {
    return new Chance(Math.floor(this.random.next() * 2 ** 32));
  }

  happens(probability: number): boolean {
    return probability > 0 && this.random.next() < probability;
  }

  between(low: number, high: number): number {
    return low + this.random.next() * (high - low);
  }

  /** A whole number from 0 to `below` - 1. */
  whole(below: number): number {
    return Math.floor(this.random.next() * below);
  }

  /** Mostly short, sometimes long: exponential around `mean`. */
  around(mean: number): number {
    return -Math.log(1 - this.random.next()) * mean;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.whole(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** `count` different ones. */
  some<T>(items: readonly T[], count: number): T[] {
    const left = [...items];
    const taken: T[] = [];
    while (taken.length < count && left.length > 0) taken.push(...left.splice(this.whole(left.length), 1));
    return taken;
  }
}
