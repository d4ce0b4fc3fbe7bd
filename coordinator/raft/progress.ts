/** What a leader knows of one follower's log, and how much it may send without an answer. */

export class Progress {
  /** Highest entry known to be on the follower's disk. */
  match = 0;
  /** Next entry to send. */
  next: number;
  /**
   * Probing: it is not known where the logs agree, and one message waits for its answer. Replicating: `next` runs ahead of the answers, within
   * `maxInFlight` messages.
   */
  mode: 'probe' | 'replicate' = 'probe';
  private inFlight = 0;

  constructor(
    next: number,
    private readonly maxInFlight: number,
  ) {
    this.next = next;
  }

  get paused(): boolean {
    return this.inFlight >= (this.mode === 'probe' ? 1 : this.maxInFlight);
  }

  /** A message with entries up to `last` goes out. */
  sent(last: number): void {
    this.inFlight += 1;
    if (this.mode === 'replicate') this.next = last + 1;
  }

  /** Returns true when `index` is news. */
  accepted(index: number): boolean {
    this.inFlight = Math.max(0, this.inFlight - 1);
    const news = index > this.match;
    this.match = Math.max(this.match, index);
    this.next = Math.max(this.next, index + 1);
    if (this.mode === 'probe') {
      this.mode = 'replicate';
      this.inFlight = 0;
    }
    return news;
  }

  /** The follower lacks the entry at `previousIndex` and may agree up to `hint`. False for an answer that time has overtaken. */
  refused(previousIndex: number, hint: number): boolean {
    if (previousIndex <= this.match) return false;
    if (this.mode === 'probe' && previousIndex !== this.next - 1) return false;
    this.mode = 'probe';
    this.inFlight = 0;
    this.next = Math.max(this.match + 1, Math.min(previousIndex, hint + 1));
    return true;
  }

  /** A heartbeat period has passed: what was not answered may be lost, so one more message may go. */
  resume(): void {
    this.inFlight = Math.max(0, Math.min(this.inFlight, this.mode === 'probe' ? 1 : this.maxInFlight) - 1);
  }
}
