/** What befalls one agent's machine as time passes: crashes, slow spells and drift, the same whatever it is given to do. */
import {type Chance, DRAW} from './chance.ts';

const HOUR_MS = 3_600_000;
const CRASH_EVERY_MS = 4 * HOUR_MS;
const CRASH_MS = 300_000;
const SPELL_EVERY_MS = 2 * HOUR_MS;
const SPELL_MS = 900_000;
const SPELL_FACTOR = 1 / 3;
const DRIFT_STEP_MS = 600_000;
/** Of the logarithm of the speed, once it has settled. */
const DRIFT_SIGMA = 0.15;
/** What is left of a deviation after a step: half of it is gone after two hours. */
const DRIFT_KEPT = 0.5 ** (DRIFT_STEP_MS / (2 * HOUR_MS));

/** Share of its speed at speed 1 that an agent has on average: up, and not in a spell. */
export const USUAL_PACE =
  (CRASH_EVERY_MS / (CRASH_EVERY_MS + CRASH_MS)) *
  (1 - (1 - SPELL_FACTOR) * (SPELL_MS / (SPELL_EVERY_MS + SPELL_MS)));

/** Of constant pace; a pace of 0 is a crashed machine. */
interface Stretch {
  readonly from: number;
  readonly until: number;
  readonly pace: number;
}

/** Comes again and again, with exponential gaps. */
class Recurring {
  private from: number;
  private count = 0;

  constructor(
    private readonly gap: (count: number) => number,
    private readonly lengthMs: number,
  ) {
    this.from = gap(0);
  }

  isOn(at: number): boolean {
    return at >= this.from && at < this.from + this.lengthMs;
  }

  /** The next time after `at` at which it begins or ends. */
  change(at: number): number {
    while (at >= this.from + this.lengthMs) {
      this.count += 1;
      this.from += this.lengthMs + this.gap(this.count);
    }
    return at < this.from ? this.from : this.from + this.lengthMs;
  }
}

export type Ending =
  | {readonly kind: 'done'; readonly at: number}
  | {readonly kind: 'crashed'; readonly at: number};

export class Timeline {
  private readonly stretches: Stretch[] = [];
  private readonly crashes: Recurring;
  private readonly spells: Recurring;
  private drift = 0;
  private step = 0;

  constructor(
    private readonly chance: Chance,
    private readonly agent: number,
    /** Nothing ever happens to it. */
    private readonly isSteady: boolean,
  ) {
    const gap = (meanMs: number, draw: typeof DRAW.crash | typeof DRAW.spell) => (count: number) =>
      chance.exponential(meanMs, draw, agent, count);
    this.crashes = new Recurring(gap(CRASH_EVERY_MS, DRAW.crash), CRASH_MS);
    this.spells = new Recurring(gap(SPELL_EVERY_MS, DRAW.spell), SPELL_MS);
    this.drift = DRIFT_SIGMA * chance.normal(DRAW.drift, agent, 0);
  }

  /** When `workMs` of work at pace 1 that begins at `from` is done, or what stops it. */
  ending(from: number, workMs: number): Ending {
    if (this.isSteady) return {kind: 'done', at: from + workMs};
    let left = workMs;
    let at = from;
    for (let index = this.indexAt(from); ; index++) {
      const {until, pace} = this.stretch(index);
      if (pace === 0) return {kind: 'crashed', at};
      const needed = left / pace;
      if (at + needed <= until) return {kind: 'done', at: at + needed};
      left -= (until - at) * pace;
      at = until;
    }
  }

  /** The first crash that has not ended by `at`. */
  crash(at: number): {readonly from: number; readonly until: number} | undefined {
    if (this.isSteady) return undefined;
    let index = this.indexAt(at);
    while (this.stretch(index).pace !== 0) index += 1;
    const {from} = this.stretch(index);
    while (this.stretch(index + 1).pace === 0) index += 1;
    return {from, until: this.stretch(index).until};
  }

  /** Work at pace 1 that a machine does in the stretch of time. */
  workBetween(from: number, until: number): number {
    if (this.isSteady) return until - from;
    let work = 0;
    for (let index = this.indexAt(from); this.stretch(index).from < until; index++) {
      const stretch = this.stretch(index);
      work += (Math.min(until, stretch.until) - Math.max(from, stretch.from)) * stretch.pace;
    }
    return work;
  }

  private stretch(index: number): Stretch {
    while (this.stretches.length <= index) this.grow();
    return this.stretches[index] as Stretch;
  }

  private indexAt(at: number): number {
    let end = this.stretches.length;
    while (end === 0 || this.stretch(end - 1).until <= at) end = this.grow();
    let low = 0;
    let high = end - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.stretch(middle).until <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private grow(): number {
    const from = this.stretches.at(-1)?.until ?? 0;
    const stepEnd = (this.step + 1) * DRIFT_STEP_MS;
    const until = Math.min(this.crashes.change(from), this.spells.change(from), stepEnd);
    const slow = this.spells.isOn(from) ? SPELL_FACTOR : 1;
    const pace = this.crashes.isOn(from) ? 0 : Math.exp(this.drift) * slow;
    if (until === stepEnd) {
      this.step += 1;
      const fresh = DRIFT_SIGMA * Math.sqrt(1 - DRIFT_KEPT ** 2);
      this.drift = DRIFT_KEPT * this.drift + fresh * this.chance.normal(DRAW.drift, this.agent, this.step);
    }
    return this.stretches.push({from, until, pace});
  }
}
