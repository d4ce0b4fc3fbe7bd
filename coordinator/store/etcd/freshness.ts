/**
 * How far a watch is behind, by our own writes: when a write that was sent at some time has come back through the watch, the watch showed all
 * that was there at that time. No clock but ours is in it. Pure.
 */

interface Sent {
  readonly revision: number;
  readonly sentAt: number;
}

/** Writes in flight that are remembered; of a burst the first and the last say enough. */
const MAX_SENT = 64;

export class Freshness {
  private readonly sent: Sent[] = [];
  private provenAt: number;
  private delivered = 0;
  private lastSentAt: number;

  constructor(now: number) {
    this.provenAt = now;
    this.lastSentAt = now;
  }

  /** A write of ours that was sent at `sentAt` has `revision`. */
  wrote(revision: number, sentAt: number): void {
    this.lastSentAt = Math.max(this.lastSentAt, sentAt);
    if (revision <= this.delivered) this.provenAt = Math.max(this.provenAt, sentAt);
    else if (this.sent.length < MAX_SENT) this.sent.push({revision, sentAt});
    else this.sent[MAX_SENT - 1] = {revision, sentAt};
  }

  /** The watch has delivered everything up to `revision`. */
  reached(revision: number): void {
    this.delivered = Math.max(this.delivered, revision);
    let left = 0;
    for (const one of this.sent) {
      if (one.revision <= this.delivered) this.provenAt = Math.max(this.provenAt, one.sentAt);
      else this.sent[left++] = one;
    }
    this.sent.length = left;
  }

  /** All that was in etcd so many milliseconds ago has been delivered. */
  ageMs(now: number): number {
    return now - this.provenAt;
  }

  /** Since when a write of ours has not come back; undefined when none is missing. */
  get missingSince(): number | undefined {
    return this.sent.reduce<number | undefined>(
      (least, {sentAt}) => (least === undefined || sentAt < least ? sentAt : least),
      undefined,
    );
  }

  /** Time since the last write, after which nothing new is proven by itself. */
  quietMs(now: number): number {
    return now - this.lastSentAt;
  }
}
