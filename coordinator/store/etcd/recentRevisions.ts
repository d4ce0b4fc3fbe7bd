/** The recent revisions that changed something, bounded in number and bytes: what a watch from an earlier revision gets without asking etcd. Pure. */
import type {RevisionEvents} from '../revisionLog.ts';

export interface RecentLimits {
  readonly revisions: number;
  readonly bytes: number;
}

/** Spare room at the front that is worth a copy. */
const SHIFT_AT = 1024;

export class RecentRevisions {
  private entries: RevisionEvents[] = [];
  private head = 0;
  private bytes = 0;

  /** Everything from revision `from` on is here. */
  constructor(
    private from: number,
    private readonly limits: RecentLimits,
  ) {}

  /** Whether all that changed from `revision` on is here. */
  covers(revision: number): boolean {
    return revision >= this.from;
  }

  append(changes: RevisionEvents): void {
    this.entries.push(changes);
    this.bytes += bytesOf(changes);
    while (this.entries.length - this.head > this.limits.revisions || this.bytes > this.limits.bytes)
      this.shift();
  }

  /** At most `atMost` revisions from `revision` on, oldest first. */
  after(revision: number, atMost: number): readonly RevisionEvents[] {
    let low = this.head;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.entries[middle]?.revision ?? 0) < revision) low = middle + 1;
      else high = middle;
    }
    return this.entries.slice(low, low + atMost);
  }

  private shift(): void {
    const oldest = this.entries[this.head];
    if (!oldest) return;
    this.from = oldest.revision + 1;
    this.bytes -= bytesOf(oldest);
    this.head += 1;
    if (this.head < SHIFT_AT || this.head * 2 < this.entries.length) return;
    this.entries = this.entries.slice(this.head);
    this.head = 0;
  }
}

function bytesOf({events}: RevisionEvents): number {
  let bytes = 64;
  for (const {key, kv} of events) bytes += key.length + kv.value.length + 64;
  return bytes;
}
