/** The smoothed health of one connected agent: response time and error rate, decayed by sample. Pure but for what it remembers. */
import type {InstanceHealth} from '../protocol/instance.ts';

/** Weight of a new sample: the last dozen or so decide. */
const WEIGHT = 0.15;
/** How far the least difference of the clocks may creep up between two heartbeats, in ms: their drift. */
const DRIFT_MS = 0.5;

export class AgentHealth {
  private responseMs: number;
  private errors: number;
  private lastSeen: number;
  private heartbeatAt: number | undefined;
  /** Least difference seen between our wall clock and the agent's: the offset of the clocks and the shortest way. */
  private leastDifference = Number.POSITIVE_INFINITY;

  constructor(from: InstanceHealth) {
    this.responseMs = from.responseTime;
    this.errors = from.errorRate;
    this.lastSeen = from.lastSeen;
  }

  get current(): InstanceHealth {
    return {lastSeen: this.lastSeen, responseTime: this.responseMs, errorRate: this.errors};
  }

  /**
   * Takes a heartbeat. `now` is monotonic, `wallNow` and `sentAt` are wall times of two clocks that need not agree: what counts is by how
   * much this message was slower than the fastest one. A gap of more than two periods counts as an error.
   */
  heartbeat(at: {now: number; wallNow: number; sentAt?: number | undefined; periodMs: number}): void {
    const late = this.heartbeatAt !== undefined && at.now - this.heartbeatAt > 2 * at.periodMs;
    this.heartbeatAt = at.now;
    this.lastSeen = at.wallNow;
    this.errors += WEIGHT * ((late ? 1 : 0) - this.errors);
    if (at.sentAt === undefined) return;
    const difference = at.wallNow - at.sentAt;
    this.leastDifference = Math.min(this.leastDifference + DRIFT_MS, difference);
    this.responseMs += WEIGHT * (difference - this.leastDifference - this.responseMs);
  }

  /** Takes the outcome of a check that the hub made. */
  checked(outcome: {ok: true; responseMs: number; wallNow: number} | {ok: false}): void {
    this.errors += WEIGHT * ((outcome.ok ? 0 : 1) - this.errors);
    if (!outcome.ok) return;
    this.lastSeen = outcome.wallNow;
    this.responseMs += WEIGHT * (outcome.responseMs - this.responseMs);
  }
}
