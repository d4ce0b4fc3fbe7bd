/** The changes of one session that are not sealed yet, in memory, and when they are due. */
import type {HistoryChange} from './historyChange.ts';

/** What is known of the sealed part of a session's journal. */
export interface SealedPart {
  /** Every change up to here is sealed. */
  readonly lastRevision: number;
  /** Text sealed since the rows were written down whole. */
  readonly bytesSinceRows: number;
  /** Text of the rows at that time. */
  readonly rowBytes: number;
}

/** About the memory that a change takes beside its texts, which the store holds too while it is young. */
const CHANGE_BYTES = 128;

export class SessionBuffer {
  /** The revision at which its record went: what was sealed is to go as well. */
  removedAt: number | undefined;
  /** When it is to be sealed, on the monotonic clock. */
  dueAt = Number.POSITIVE_INFINITY;
  /** Undefined until it is asked for. */
  sealed: SealedPart | undefined;
  private changes: HistoryChange[] = [];
  private held = 0;

  constructor(readonly sessionId: string) {}

  get bytes(): number {
    return this.held;
  }

  get isClean(): boolean {
    return this.changes.length === 0 && this.removedAt === undefined;
  }

  /** Of the oldest that is left when so many changes are sealed. */
  firstRevision(sealed = 0): number | undefined {
    return this.removedAt ?? this.changes[sealed]?.revision;
  }

  get pending(): readonly HistoryChange[] {
    return this.changes;
  }

  add(change: HistoryChange): void {
    this.changes.push(change);
    this.held += sizeOf(change);
  }

  /** The session is gone, and its past with it. */
  remove(revision: number): void {
    this.drop(this.changes.length);
    this.removedAt = revision;
    this.sealed = undefined;
  }

  /** Somebody else sealed everything up to this revision. */
  sealedUpTo(revision: number): void {
    const left = this.changes.findIndex(change => change.revision > revision);
    this.drop(left < 0 ? this.changes.length : left);
    if (this.removedAt !== undefined && this.removedAt <= revision) this.removedAt = undefined;
  }

  /** The oldest changes, about so many bytes of them, never a part of a revision. They stay until `drop`. */
  batch(maxBytes: number): readonly HistoryChange[] {
    let bytes = 0;
    let end = 0;
    for (const [index, change] of this.changes.entries()) {
      if (bytes > maxBytes && change.revision !== this.changes[index - 1]?.revision) break;
      bytes += sizeOf(change);
      end = index + 1;
    }
    return this.changes.slice(0, end);
  }

  /** Forgets the oldest changes: they are sealed, or were before. */
  drop(count: number): void {
    for (const change of this.changes.splice(0, count)) this.held -= sizeOf(change);
  }
}

function sizeOf({before, after}: HistoryChange): number {
  return CHANGE_BYTES + (before?.length ?? 0) + (after?.length ?? 0);
}
