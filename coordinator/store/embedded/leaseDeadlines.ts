/**
 * When leases are due, by a monotonic clock that the caller reads. A lease that is due is not over: only the log entry that the caller then
 * proposes ends it. After a pause of the process or the machine every lease gets the pause back, for its owner could not renew meanwhile.
 */

export class LeaseDeadlines {
  private readonly deadlines = new Map<string, number>();
  /** No deadline is earlier than this. */
  private earliest = Number.POSITIVE_INFINITY;
  private lastTick: number;

  constructor(
    private readonly periodMs: number,
    private readonly pauseMs: number,
    now: number,
  ) {
    this.lastTick = now;
  }

  /** A new lease, or a renewed one. */
  renew(id: string, ttlSeconds: number, now: number): void {
    const deadline = now + ttlSeconds * 1000;
    this.deadlines.set(id, deadline);
    this.earliest = Math.min(this.earliest, deadline);
  }

  end(id: string): void {
    this.deadlines.delete(id);
  }

  /** Call every period: the length of the pause before this tick, or 0. */
  noticePause(now: number): number {
    const since = now - this.lastTick;
    this.lastTick = now;
    if (since < this.pauseMs) return 0;
    const pause = since - this.periodMs;
    for (const [id, deadline] of this.deadlines) this.deadlines.set(id, deadline + pause);
    this.earliest += pause;
    return pause;
  }

  /** Leases whose time has passed. They stay due until they end or are renewed. */
  due(now: number): string[] {
    if (now < this.earliest) return [];
    const due: string[] = [];
    let earliest = Number.POSITIVE_INFINITY;
    for (const [id, deadline] of this.deadlines) {
      if (deadline <= now) due.push(id);
      earliest = Math.min(earliest, deadline);
    }
    this.earliest = earliest;
    return due;
  }
}
