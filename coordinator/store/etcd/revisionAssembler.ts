/**
 * Puts the events of an etcd watch together to whole revisions, each given out once, over any number of cuts. Pure.
 *
 * etcd promises that a response holds whole revisions, unless the watch allows fragments: then a response may end in the middle of one and
 * says so. The header's revision says nothing here: in a replay it runs ahead of the events, and who resumed from it would lose some.
 */
import type {IEvent} from 'etcd3';

/** What of a watch response counts. */
export interface WatchPiece {
  readonly events: readonly IEvent[];
  /** Its last revision goes on in the next piece. */
  readonly fragment: boolean;
}

export interface RawRevision {
  readonly revision: number;
  readonly events: readonly IEvent[];
}

export class RevisionAssembler {
  private held: {revision: number; events: IEvent[]} | undefined;

  /** `wanted` is the first revision that is given out. */
  constructor(private wanted: number) {}

  /** Where a watch begins or resumes. Behind the last whole revision, never behind one that is in pieces. */
  get next(): number {
    return this.wanted;
  }

  /** The revisions that this piece completes. */
  take(piece: WatchPiece): RawRevision[] {
    const whole: RawRevision[] = [];
    for (const event of piece.events) {
      const revision = Number(event.kv.mod_revision);
      if (revision < this.wanted) continue;
      if (this.held && this.held.revision !== revision) whole.push(this.complete(this.held));
      this.held ??= {revision, events: []};
      this.held.events.push(event);
    }
    if (this.held && !piece.fragment) whole.push(this.complete(this.held));
    return whole;
  }

  /** The watch was cut: what is in pieces comes again, whole. */
  cut(): void {
    this.held = undefined;
  }

  private complete(held: RawRevision): RawRevision {
    this.held = undefined;
    this.wanted = held.revision + 1;
    return held;
  }
}
