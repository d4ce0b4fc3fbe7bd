/** Draws that depend on a seed and on their keys alone: whoever asks in another order, or asks less, sees the same world. */

/** What is drawn. Each has draws of its own. */
export const DRAW = {
  slots: 1,
  speed: 2,
  classSpeed: 3,
  capability: 4,
  region: 5,
  declared: 6,
  failureOfAgent: 7,
  failureOfClass: 8,
  fails: 9,
  crash: 10,
  spell: 11,
  drift: 12,
  classMean: 13,
  arrival: 14,
  classOfTask: 15,
  project: 16,
  size: 17,
  estimate: 18,
  noise: 19,
  stuck: 20,
  stuckFactor: 21,
  bytes: 22,
  graph: 23,
  latency: 24,
} as const;
export type Draw = (typeof DRAW)[keyof typeof DRAW];

export class Chance {
  constructor(readonly seed: number) {}

  /** In (0, 1). */
  uniform(draw: Draw, a = 0, b = 0, c = 0): number {
    return (hash(this.seed, draw, a, b, c) + 0.5) / 2 ** 32;
  }

  /** Standard normal (Box and Muller 1958). */
  normal(draw: Draw, a = 0, b = 0, c = 0): number {
    const radius = Math.sqrt(-2 * Math.log(this.uniform(draw, a, b, 2 * c)));
    return radius * Math.cos(2 * Math.PI * this.uniform(draw, a, b, 2 * c + 1));
  }

  /** Lognormal with the median 1. */
  lognormal(sigma: number, draw: Draw, a = 0, b = 0, c = 0): number {
    return sigma === 0 ? 1 : Math.exp(sigma * this.normal(draw, a, b, c));
  }

  /** Exponential with the given mean. */
  exponential(mean: number, draw: Draw, a = 0, b = 0, c = 0): number {
    return -mean * Math.log(this.uniform(draw, a, b, c));
  }

  integer(below: number, draw: Draw, a = 0, b = 0, c = 0): number {
    return Math.floor(this.uniform(draw, a, b, c) * below);
  }
}

function hash(...keys: readonly [number, number, number, number, number]): number {
  let state = 0x9e3779b9;
  for (const key of keys) {
    state = Math.imul(state ^ key, 0x85ebca6b);
    state ^= state >>> 15;
    state = Math.imul(state, 0xc2b2ae35);
    state ^= state >>> 13;
    state = (state + 0x9e3779b9) | 0;
  }
  state = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
  state = Math.imul(state ^ (state >>> 15), 0x735a2d97);
  return (state ^ (state >>> 15)) >>> 0;
}
