/** The recent changes of all views, in order of revision, bounded in revisions and bytes: what a returning client resumes from. */
import type {RowChange} from './rowChange.ts';

export interface RingEntry {
  readonly revision: number;
  readonly changes: readonly RowChange[];
}

const SHIFT_AT = 1024;

export class ChangeRing {
  private entries: RingEntry[] = [];
  private head = 0;
  private bytes = 0;

  constructor(
    /** Every change after this revision is held. */
    private from: number,
    private readonly limits: {readonly revisions: number; readonly bytes: number},
  ) {}

  /** Whether all that changed after `revision` is held. */
  covers(revision: number): boolean {
    return revision >= this.from;
  }

  append(entry: RingEntry): void {
    this.entries.push(entry);
    this.bytes += bytesOf(entry);
    while (this.entries.length - this.head > this.limits.revisions || this.bytes > this.limits.bytes)
      this.shift();
  }

  /** Entries after `revision`, oldest first. */
  *after(revision: number): Generator<RingEntry> {
    let low = this.head;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.entries[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    for (let at = low; at < this.entries.length; at++) {
      const entry = this.entries[at];
      if (entry) yield entry;
    }
  }

  private shift(): void {
    const entry = this.entries[this.head];
    if (!entry) return;
    this.from = entry.revision;
    this.bytes -= bytesOf(entry);
    this.head += 1;
    if (this.head < SHIFT_AT || this.head * 2 < this.entries.length) return;
    this.entries = this.entries.slice(this.head);
    this.head = 0;
  }
}

function bytesOf(entry: RingEntry): number {
  return entry.changes.reduce((sum, change) => sum + change.bytes, 64);
}
