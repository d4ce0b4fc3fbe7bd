/**
 * The unacknowledged transcript of one attempt, on disk in order. Sending it is transcriptSender.ts.
 *
 * Events go to segment files: the newest is in memory too, older ones are read back when the hub has missed them. A segment goes when
 * the hub has acknowledged all of it. What does not fit the agent's budget is counted, and stands in the transcript as one gap.
 */
import {rm} from 'node:fs/promises';
import path from 'node:path';
import type {Logger} from '../../observability/logger.ts';
import type {Fence} from '../../protocol/ids.ts';
import type {TranscriptEvent} from '../../protocol/transcript.ts';
import type {ByteBudget} from './byteBudget.ts';
import {readSegment, segmentHeader, writeSegment} from './segmentFile.ts';

export interface TranscriptSpoolOptions {
  readonly folder: string;
  readonly attemptId: string;
  readonly fence: Fence;
  readonly segmentBytes: number;
  readonly budget: ByteBudget;
  readonly wallNow: () => number;
  readonly logger: Logger;
}

/** What an earlier run of the agent left of a transcript. */
export interface RecoveredSegment {
  readonly file: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: number;
}

interface OpenSegment {
  readonly file: string;
  readonly firstSeq: number;
  readonly events: TranscriptEvent[];
  readonly lines: string[];
  bytes: number;
  /** Lines that are in the file, and the bytes that they and the header take there. */
  written: number;
  fileBytes: number;
}

export interface TranscriptBatch {
  readonly firstSeq: number;
  readonly events: TranscriptEvent[];
}

export class TranscriptSpool {
  private sealed: RecoveredSegment[] = [];
  private open: OpenSegment;
  /** Of all segments. */
  private bytes = 0;
  private acked = 0;
  private dropped = 0;
  private writing: Promise<void> = Promise.resolve();
  private failing = false;
  private removed = false;
  private loaded: {file: string; events: TranscriptEvent[]} | undefined;

  constructor(
    private readonly options: TranscriptSpoolOptions,
    recovered: readonly RecoveredSegment[] = [],
  ) {
    this.sealed = [...recovered];
    for (const segment of recovered) {
      options.budget.force(segment.bytes);
      this.bytes += segment.bytes;
    }
    const first = recovered[0];
    if (first) this.acked = first.firstSeq - 1;
    this.open = this.segmentFrom((recovered.at(-1)?.lastSeq ?? 0) + 1);
  }

  get fence(): Fence {
    return this.options.fence;
  }

  /** Of the newest event; 0 when there is none. */
  get lastSeq(): number {
    return this.open.firstSeq + this.open.events.length - 1;
  }

  get ackedSeq(): number {
    return this.acked;
  }

  get isDrained(): boolean {
    return this.acked >= this.lastSeq;
  }

  /** Takes the event, or counts it into the next gap when the budget is used up. */
  append(event: TranscriptEvent): void {
    if (this.removed) return;
    const line = `${JSON.stringify(event)}\n`;
    const bytes = Buffer.byteLength(line);
    // A segment that cannot be written stays in memory, and memory is bounded.
    const stuck = this.failing && this.open.bytes >= this.options.segmentBytes;
    if (stuck || !this.options.budget.take(bytes, this.bytes)) {
      this.dropped++;
      return;
    }
    this.markGap();
    this.push(event, line, bytes);
  }

  /** No event follows: a gap that is still unmarked is marked, whatever the budget. */
  finish(): void {
    this.markGap();
  }

  /** The next unacknowledged events, at least one where there is one. */
  async batch(maxEvents: number, maxBytes: number): Promise<TranscriptBatch> {
    const firstSeq = this.acked + 1;
    const {open} = this;
    if (firstSeq >= open.firstSeq)
      return {firstSeq, events: take(open.events, firstSeq - open.firstSeq, maxEvents, maxBytes)};
    const segment = this.sealed.find(({lastSeq}) => lastSeq >= firstSeq);
    if (!segment) return {firstSeq, events: []};
    const events = await this.load(segment);
    const from = Math.max(0, firstSeq - segment.firstSeq);
    return {firstSeq: segment.firstSeq + from, events: take(events, from, maxEvents, maxBytes)};
  }

  /** Everything up to `seq` is durable at the hub and may be forgotten here. */
  acknowledge(seq: number): void {
    this.acked = Math.max(this.acked, Math.min(seq, this.lastSeq));
    while (this.sealed[0] && this.sealed[0].lastSeq <= this.acked) {
      const segment = this.sealed.shift();
      if (segment) this.drop(segment.file, segment.bytes);
    }
    const {open} = this;
    if (open.bytes < this.options.segmentBytes || !this.isDrained) return;
    this.open = this.segmentFrom(this.lastSeq + 1);
    this.drop(open.file, open.bytes);
  }

  /** Writes what is not written yet. Never rejects: what could not be written stays in memory. */
  flush(): Promise<void> {
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }

  /** The attempt is over and acknowledged, or its fence has fallen: its files go. */
  async remove(): Promise<void> {
    this.removed = true;
    const segments = [...this.sealed, this.open];
    this.sealed = [];
    this.open = this.segmentFrom(this.lastSeq + 1);
    this.acked = this.lastSeq;
    for (const {file, bytes} of segments) this.drop(file, bytes);
    await this.writing;
  }

  private markGap(): void {
    if (this.dropped === 0) return;
    const gap: TranscriptEvent = {kind: 'gap', at: this.options.wallNow(), dropped: this.dropped};
    const line = `${JSON.stringify(gap)}\n`;
    this.dropped = 0;
    this.options.budget.force(Buffer.byteLength(line));
    this.push(gap, line, Buffer.byteLength(line));
  }

  private push(event: TranscriptEvent, line: string, bytes: number): void {
    this.open.events.push(event);
    this.open.lines.push(line);
    this.open.bytes += bytes;
    this.bytes += bytes;
  }

  private segmentFrom(firstSeq: number): OpenSegment {
    const name = `${this.options.attemptId}.${String(firstSeq).padStart(10, '0')}.jsonl`;
    return {
      file: path.join(this.options.folder, name),
      firstSeq,
      events: [],
      lines: [],
      bytes: 0,
      written: 0,
      fileBytes: 0,
    };
  }

  private async write(): Promise<void> {
    const segment = this.open;
    const upTo = segment.lines.length;
    if (segment.written === upTo || this.removed) return;
    const {attemptId, fence} = this.options;
    const header = segment.written === 0 ? segmentHeader({attemptId, fence, firstSeq: segment.firstSeq}) : '';
    const text = header + segment.lines.slice(segment.written, upTo).join('');
    try {
      await writeSegment(segment.file, segment.fileBytes, text);
      segment.written = upTo;
      segment.fileBytes += Buffer.byteLength(text);
      this.failing = false;
    } catch (error) {
      if (!this.failing)
        this.options.logger.error('a transcript cannot be written', {file: segment.file, error});
      this.failing = true;
    }
    if (segment === this.open && segment.bytes >= this.options.segmentBytes) this.seal(segment);
  }

  private seal(segment: OpenSegment): void {
    if (segment.written < segment.lines.length) return;
    const lastSeq = segment.firstSeq + segment.events.length - 1;
    this.sealed.push({file: segment.file, firstSeq: segment.firstSeq, lastSeq, bytes: segment.bytes});
    this.open = this.segmentFrom(lastSeq + 1);
    this.acknowledge(this.acked);
  }

  private async load(segment: RecoveredSegment): Promise<TranscriptEvent[]> {
    if (this.loaded?.file === segment.file) return this.loaded.events;
    const {events} = await readSegment(segment.file);
    this.loaded = {file: segment.file, events};
    return events;
  }

  private drop(file: string, bytes: number): void {
    this.options.budget.give(bytes);
    this.bytes -= bytes;
    if (this.loaded?.file === file) this.loaded = undefined;
    this.writing = this.writing
      .then(() => rm(file, {force: true}))
      .catch((error: unknown) => this.options.logger.warn('a spool file stays', {file, error}));
  }
}

function take(
  events: readonly TranscriptEvent[],
  from: number,
  maxEvents: number,
  maxBytes: number,
): TranscriptEvent[] {
  let bytes = 0;
  let to = from;
  while (to < events.length && to - from < maxEvents) {
    bytes += JSON.stringify(events[to]).length;
    if (to > from && bytes > maxBytes) break;
    to++;
  }
  return events.slice(from, to);
}
