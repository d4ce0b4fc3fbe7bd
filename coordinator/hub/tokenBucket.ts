/** A rate limit: tokens come back steadily, up to a burst. */
import type {Clock} from '../runtime/clock.ts';

export class TokenBucket {
  private tokens: number;
  private at: number;

  constructor(
    private readonly clock: Clock,
    private readonly rate: {readonly perSecond: number; readonly burst: number},
  ) {
    this.tokens = rate.burst;
    this.at = clock.now();
  }

  /** Takes a token if there is one. */
  take(): boolean {
    this.refill();
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  /** Takes so many tokens, on credit if need be. */
  takeAnyway(count: number): void {
    this.refill();
    this.tokens -= count;
  }

  /** Milliseconds until what was taken on credit is paid. */
  get debtMs(): number {
    this.refill();
    return this.tokens >= 0 ? 0 : (-this.tokens / this.rate.perSecond) * 1000;
  }

  /** Milliseconds until there is a token. */
  get waitMs(): number {
    this.refill();
    return this.tokens >= 1 ? 0 : ((1 - this.tokens) / this.rate.perSecond) * 1000;
  }

  private refill(): void {
    const now = this.clock.now();
    this.tokens = Math.min(this.rate.burst, this.tokens + ((now - this.at) / 1000) * this.rate.perSecond);
    this.at = now;
  }
}
