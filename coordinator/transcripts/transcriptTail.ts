/** The newest events of one attempt, numbered without a gap: what is not durable yet, in memory and bounded. Pure. */
import type {TranscriptEvent} from '../protocol/transcript.ts';

export interface TailEvents {
  readonly firstSeq: number;
  readonly events: readonly TranscriptEvent[];
}

export interface Accepted extends TailEvents {
  /** Bytes of their lines. */
  readonly bytes: number;
}

/** `gap`: events before `firstSeq` never came; `expected` is the first of them. */
export type Added =
  | ({readonly kind: 'accepted'} & Accepted)
  | {readonly kind: 'gap'; readonly expected: number};

interface Line {
  readonly event: TranscriptEvent;
  readonly text: string;
  readonly bytes: number;
}

/** Lines of one segment to be: JSON lines with the events from `firstSeq` to `lastSeq`. */
export interface Batch {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly text: string;
}

export class TranscriptTail {
  private lines: Line[] = [];
  private held = 0;

  /** Everything up to `durable` is in segments. */
  constructor(private durable: number) {}

  get durableSeq(): number {
    return this.durable;
  }

  get lastSeq(): number {
    return this.durable + this.lines.length;
  }

  /** Of the lines that are not durable. */
  get bytes(): number {
    return this.held;
  }

  get isEmpty(): boolean {
    return this.lines.length === 0;
  }

  /** Takes what is new of these events while `room` bytes last; the rest is for the sender to send again. */
  add(firstSeq: number, events: readonly TranscriptEvent[], room: number): Added {
    const expected = this.lastSeq + 1;
    if (firstSeq > expected) return {kind: 'gap', expected};
    const fresh: TranscriptEvent[] = [];
    let bytes = 0;
    for (const event of events.slice(expected - firstSeq)) {
      const text = `${JSON.stringify(event)}\n`;
      const size = Buffer.byteLength(text);
      // An event larger than the room gets through alone, or it never would.
      if (bytes + size > room && !(this.isEmpty && room > 0)) break;
      this.lines.push({event, text, bytes: size});
      this.held += size;
      bytes += size;
      fresh.push(event);
    }
    return {kind: 'accepted', firstSeq: expected, events: fresh, bytes};
  }

  /** The oldest lines, at least one, at most so many and about so many bytes. Undefined when there is none. */
  batch(maxEvents: number, maxBytes: number): Batch | undefined {
    if (this.isEmpty) return undefined;
    let count = 0;
    let bytes = 0;
    for (const line of this.lines.slice(0, maxEvents)) {
      if (count > 0 && bytes + line.bytes > maxBytes) break;
      bytes += line.bytes;
      count += 1;
    }
    const text = this.lines
      .slice(0, count)
      .map(line => line.text)
      .join('');
    return {firstSeq: this.durable + 1, lastSeq: this.durable + count, text};
  }

  /** Everything up to `seq` is durable, by this process or another; returns the bytes that were freed. */
  sealed(seq: number): number {
    const freed = this.lines
      .splice(0, Math.max(0, seq - this.durable))
      .reduce((sum, line) => sum + line.bytes, 0);
    this.held -= freed;
    this.durable = Math.max(this.durable, seq);
    return freed;
  }

  /** Held events from `fromSeq` on, which must not be durable yet. */
  read(fromSeq: number, limit: number): TranscriptEvent[] {
    const from = fromSeq - this.durable - 1;
    return this.lines.slice(from, from + limit).map(line => line.event);
  }
}
