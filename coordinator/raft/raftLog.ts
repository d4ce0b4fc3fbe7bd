/** A node's view of its log: entries in memory with how far they are on disk, committed and applied. Holding them durably is the driver's. */
import {assert} from '../runtime/assert.ts';
import type {Entry} from './types.ts';

export class RaftLog {
  private entries: Entry[] = [];
  /** Index and term of the entry before the first one held. */
  private offset: {readonly index: number; readonly term: number};
  private stableIndex: number;
  private handedOut: number;
  private committedIndex: number;
  private appliedIndex: number;

  /** `entries` follow `start` and are on disk; everything up to `start` is applied. */
  constructor(start: {readonly index: number; readonly term: number}, entries: readonly Entry[]) {
    this.offset = start;
    this.entries = [...entries];
    this.stableIndex = this.lastIndex;
    this.handedOut = this.lastIndex;
    this.committedIndex = start.index;
    this.appliedIndex = start.index;
  }

  get firstIndex(): number {
    return this.offset.index + 1;
  }

  get lastIndex(): number {
    return this.offset.index + this.entries.length;
  }

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.offset.term;
  }

  /** The last entry that the driver was given to persist. */
  get handedOutIndex(): number {
    return this.handedOut;
  }

  get stable(): number {
    return this.stableIndex;
  }

  get committed(): number {
    return this.committedIndex;
  }

  get applied(): number {
    return this.appliedIndex;
  }

  /** Undefined when the entry is not in memory: compacted, or not there yet. */
  term(index: number): number | undefined {
    if (index === this.offset.index) return this.offset.term;
    return this.entries[index - this.firstIndex]?.term;
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, `entry ${entry.index} does not follow ${this.lastIndex}`);
    this.entries.push(entry);
  }

  /** Drops the entries from `index` on, which a leader of a later term is about to replace. */
  truncateFrom(index: number): void {
    assert(index > this.committedIndex, `entry ${index} is committed`);
    this.entries.length = Math.max(0, index - this.firstIndex);
    this.stableIndex = Math.min(this.stableIndex, index - 1);
    this.handedOut = Math.min(this.handedOut, index - 1);
  }

  /** The last entry, at `index` or before, of a term not above `term`: where two logs may agree, found without asking about each entry. */
  lastOfTerm(index: number, term: number): number {
    let at = Math.min(index, this.lastIndex);
    while (at > this.offset.index && (this.term(at) ?? 0) > term) at -= 1;
    return at;
  }

  /** Entries from `low` to `high` inclusive, as many as fit in `maxBytes`, at least one. */
  slice(low: number, high: number, maxBytes = Number.POSITIVE_INFINITY): Entry[] {
    const from = low - this.firstIndex;
    assert(from >= 0, `entry ${low} is compacted`);
    const to = Math.min(high, this.lastIndex) - this.firstIndex + 1;
    let end = from;
    for (let bytes = 0; end < to; end++) {
      bytes += this.entries[end]?.data.length ?? 0;
      if (bytes > maxBytes && end > from) break;
    }
    return this.entries.slice(from, end);
  }

  /** Entries that the driver has not been given to persist yet. */
  unstable(maxBytes: number): Entry[] {
    return this.handedOut < this.lastIndex ? this.slice(this.handedOut + 1, this.lastIndex, maxBytes) : [];
  }

  handOut(index: number): void {
    this.handedOut = index;
  }

  /** The driver has persisted the log up to `index`, which it was given with `term`. */
  stableTo(index: number, term: number): void {
    // An entry that was replaced while it was being written is not the one on disk (the append ABA race).
    if (this.term(index) === term && index > this.stableIndex) this.stableIndex = index;
  }

  /** Drops every entry that is not on disk. None of them can be committed by this node alone. */
  forgetUnstable(): void {
    assert(this.committedIndex <= this.stableIndex, 'a committed entry is on disk');
    this.entries.length = this.stableIndex - this.offset.index;
    this.handedOut = this.stableIndex;
  }

  commitTo(index: number): void {
    if (index <= this.committedIndex) return;
    assert(index <= this.lastIndex, `commit ${index} is beyond the last entry ${this.lastIndex}`);
    this.committedIndex = index;
  }

  get hasApplicable(): boolean {
    return Math.min(this.committedIndex, this.stableIndex) > this.appliedIndex;
  }

  /** Entries that may be applied: committed and on this node's disk. */
  applicable(maxBytes: number): Entry[] {
    const to = Math.min(this.committedIndex, this.stableIndex);
    return to > this.appliedIndex ? this.slice(this.appliedIndex + 1, to, maxBytes) : [];
  }

  appliedTo(index: number): void {
    assert(index >= this.appliedIndex && index <= this.committedIndex, `applied ${index} is out of order`);
    this.appliedIndex = index;
  }

  /** Drops applied entries up to `index` from memory, once they are half of it: each entry is moved about once. */
  compactTo(index: number): void {
    const to = Math.min(index, this.appliedIndex);
    const term = this.term(to);
    if (term === undefined || (to - this.offset.index) * 2 < this.entries.length) return;
    this.entries = this.entries.slice(to - this.offset.index);
    this.offset = {index: to, term};
  }
}
