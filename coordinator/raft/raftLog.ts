/** A node's view of its log: entries in memory with how far they are on disk, committed and applied. Holding them durably is the driver's. */
import {assert} from '../runtime/assert.ts';
import type {Entry, Position} from './types.ts';

/** What an entry costs beside its data. */
const ENTRY_BYTES = 16;

export function entryBytes(entry: Entry): number {
  return ENTRY_BYTES + entry.data.length;
}

export class RaftLog {
  private entries: Entry[] = [];
  /** The entry before the first one held. */
  private offset: Position;
  private stableIndex: number;
  private handedOut: number;
  /** While a write is going on: how far what it writes is still what the log holds. */
  private writing: number | undefined;
  private committedIndex: number;
  private appliedIndex: number;

  /** `entries` follow `start` and are on disk; everything up to `start` is applied. */
  constructor(start: Position, entries: readonly Entry[], commit = 0) {
    this.offset = {index: start.index, term: start.term};
    this.entries = [...entries];
    this.stableIndex = this.lastIndex;
    this.handedOut = this.lastIndex;
    this.committedIndex = Math.max(start.index, Math.min(commit, this.lastIndex));
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
  at(index: number): Entry | undefined {
    return this.entries[index - this.firstIndex];
  }

  /** Known of the entry before the first one held, too. */
  term(index: number): number | undefined {
    return index === this.offset.index ? this.offset.term : this.at(index)?.term;
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
    // What is being written there is not what will be there, even if the same entry comes back (the append ABA race).
    if (this.writing !== undefined) this.writing = Math.min(this.writing, index - 1);
  }

  /** A snapshot up to `mark` takes the place of the whole log; until it is installed nothing of it is on disk. */
  restore(mark: Position): void {
    assert(
      mark.index > this.committedIndex,
      `snapshot ${mark.index} is older than commit ${this.committedIndex}`,
    );
    this.entries = [];
    this.offset = {index: mark.index, term: mark.term};
    this.committedIndex = mark.index;
    this.handedOut = mark.index;
    this.stableIndex = this.appliedIndex;
    if (this.writing !== undefined) this.writing = this.appliedIndex;
  }

  /** The snapshot up to `index` is durable and is the state. */
  installed(index: number): void {
    this.appliedIndex = Math.max(this.appliedIndex, index);
    this.stableIndex = Math.max(this.stableIndex, index);
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
      const entry = this.entries[end];
      bytes += entry ? entryBytes(entry) : 0;
      if (bytes > maxBytes && end > from) break;
    }
    return this.entries.slice(from, end);
  }

  get hasUnstable(): boolean {
    return this.handedOut < this.lastIndex;
  }

  /** Entries that the driver has not been given to persist yet; from now on it has, in a write that `written` ends. */
  handOut(maxBytes: number): Entry[] {
    assert(this.writing === undefined, 'one write at a time');
    const entries = this.hasUnstable ? this.slice(this.handedOut + 1, this.lastIndex, maxBytes) : [];
    this.handedOut += entries.length;
    this.writing = this.handedOut;
    return entries;
  }

  /** The driver has persisted what it was given. */
  written(): void {
    this.stableIndex = Math.max(this.stableIndex, this.writing ?? 0);
    this.writing = undefined;
  }

  /** Drops every entry that is not on disk, as a restart would. */
  forgetUnstable(): void {
    const kept = Math.max(this.stableIndex, this.offset.index);
    this.entries.length = kept - this.offset.index;
    this.handedOut = kept;
    this.writing = undefined;
    this.committedIndex = Math.min(this.committedIndex, kept);
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
