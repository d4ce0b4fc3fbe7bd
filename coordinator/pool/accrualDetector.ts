/**
 * Accrual failure detection (Hayashibara and others, 2004): how improbable the present silence of one agent is, given when its heartbeats came
 * before. A regular agent is suspected soon, one on a loaded machine later; a fixed gap is wrong for both. Pure.
 */

export interface AccrualSettings {
  /** Suspicion from which an agent counts as unreachable: 8 is one wrong guess in 100 million heartbeats, if they scatter as they did. */
  readonly threshold: number;
  /** Intervals that are remembered. */
  readonly window: number;
  /** Least deviation of the intervals that is believed, as a part of the period: an agent that was punctual so far may be late once. */
  readonly leastDeviation: number;
}

export const ACCRUAL_SETTINGS: AccrualSettings = {threshold: 8, window: 100, leastDeviation: 0.15};

/** Deviation, as a part of the period, that is assumed of an agent of which nothing is known. */
const FIRST_DEVIATION = 0.25;

export class AccrualDetector {
  private readonly intervals: number[];
  private next = 0;
  private last: number;

  /** It has just registered at `now`, monotonic in ms, and promised a heartbeat every `periodMs`. */
  constructor(
    private readonly periodMs: number,
    now: number,
    private readonly settings: AccrualSettings = ACCRUAL_SETTINGS,
  ) {
    this.last = now;
    this.intervals = [periodMs * (1 - FIRST_DEVIATION), periodMs * (1 + FIRST_DEVIATION)];
  }

  get lastHeartbeat(): number {
    return this.last;
  }

  /** A heartbeat came. The silence that it ends is no sample when it was suspicious: it says how outages last, not how heartbeats scatter. */
  heartbeat(now: number): void {
    const suspicious = this.isSuspicious(now);
    const interval = Math.max(0, now - this.last);
    this.last = now;
    if (suspicious) return;
    if (this.intervals.length < this.settings.window) this.intervals.push(interval);
    else {
      this.intervals[this.next] = interval;
      this.next = (this.next + 1) % this.settings.window;
    }
  }

  /** Minus the decimal logarithm of the probability that a heartbeat is still to come, from 0. */
  phi(now: number): number {
    const {mean, deviation} = this.scatter();
    const y = (now - this.last - mean) / deviation;
    // A logistic approximation of the normal distribution's tail, good to 0.0002.
    const exponent = -y * (1.5976 + 0.070566 * y * y);
    // Beyond what a number holds the logarithm is the exponent itself.
    if (exponent < -600) return -exponent * Math.LOG10E;
    const e = Math.exp(exponent);
    return y > 0 ? -Math.log10(e / (1 + e)) : -Math.log10(1 - 1 / (1 + e)) || 0;
  }

  isSuspicious(now: number): boolean {
    return this.phi(now) >= this.settings.threshold;
  }

  /** We ourselves did nothing for so long: what was sent meanwhile may still be on its way. */
  excuse(ms: number): void {
    this.last += ms;
  }

  private scatter(): {mean: number; deviation: number} {
    const {intervals} = this;
    const mean = intervals.reduce((sum, interval) => sum + interval, 0) / intervals.length;
    const variance = intervals.reduce((sum, interval) => sum + (interval - mean) ** 2, 0) / intervals.length;
    return {mean, deviation: Math.max(Math.sqrt(variance), this.periodMs * this.settings.leastDeviation)};
  }
}
