/** Appends to the segmented log: one flush in flight, a new segment when one is full, old ones deleted. Reading back is logRecovery's. */
import path from 'node:path';
import type {Logger} from '../../observability/logger.ts';
import type {Entry, HardState, Position} from '../../raft/types.ts';
import {assert} from '../../runtime/assert.ts';
import type {Random} from '../../runtime/random.ts';
import type {Disk, DiskFile} from './disk.ts';
import {frameBytes} from './frame.ts';
import {bodyBytes, FrameBuilder, type LogRestart} from './logRecords.ts';
import type {RecoveredLog, SegmentInfo} from './logRecovery.ts';
import {
  beginSegment,
  fillZeros,
  prepareSegment,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  spareName,
} from './segment.ts';
import type {EmbeddedSettings} from './settings.ts';

type LogSettings = Pick<EmbeddedSettings, 'sync' | 'segmentBytes' | 'firstSegmentBytes'>;

export interface LogParts {
  readonly disk: Disk;
  readonly folder: string;
  readonly settings: LogSettings;
  readonly random: Random;
  readonly logger: Logger;
  readonly recovered: RecoveredLog;
  /** Called when a segment is on disk and before anything is appended to it. */
  begun(segment: number): Promise<void>;
}

interface OpenSegment {
  readonly header: SegmentHeader;
  readonly file: DiskFile;
  readonly bytes: number;
  offset: number;
}

interface Spare {
  readonly number: number;
  readonly bytes: number;
  readonly ready: Promise<string>;
}

/** Part of a segment after which the next one is prepared, so that rolling over does not wait for 64 MiB of zeros. */
const PREPARE_AT = 0.5;

const NO_DATA = new Uint8Array(0);

export class LogWriter {
  private readonly builder = new FrameBuilder();
  private readonly durable: boolean;
  private segment: OpenSegment | undefined;
  private closed: SegmentInfo[];
  private spare: Spare | undefined;
  private sequence: number;
  private nextIndex: number;
  private lastState: HardState;
  private busy = false;
  private deleting: Promise<void> = Promise.resolve();
  private total = 0;
  /** End of the bytes that a failed append may have left behind the last frame. */
  private dirtyTo = 0;

  private constructor(private readonly parts: LogParts) {
    const {settings, disk, recovered} = parts;
    this.durable = settings.sync === 'auto' && disk.durableWrites;
    this.closed = [...recovered.segments];
    this.sequence = recovered.tail?.nextSequence ?? 1;
    this.nextIndex = recovered.nextIndex;
    this.lastState = recovered.hardState;
  }

  /** Continues the log that `parts.recovered` describes. */
  static async open(parts: LogParts): Promise<LogWriter> {
    const writer = new LogWriter(parts);
    const last = writer.closed.at(-1);
    if (!last || !parts.recovered.tail) return writer;
    writer.closed.pop();
    const file = await parts.disk.open(writer.path(segmentName(last.number)), {durable: writer.durable});
    const {header, offset} = parts.recovered.tail;
    writer.segment = {header, file, bytes: last.bytes, offset};
    return writer;
  }

  /** Bytes appended since this process opened the log. */
  get appendedBytes(): number {
    return this.total;
  }

  /** Bytes that the segments take on disk. */
  get bytesOnDisk(): number {
    return this.closed.reduce((sum, segment) => sum + segment.bytes, this.segment?.bytes ?? 0);
  }

  /** After a failed append: whether some of it may be on disk, so that a restart might find it. */
  get maybeWritten(): boolean {
    return this.dirtyTo > 0;
  }

  /**
   * Resolves when everything is durable. One call at a time. After a rejection the next append takes its place.
   * The hard state is in every frame, so that deleting old segments never loses it.
   */
  async append(hardState: HardState, entries: readonly Entry[]): Promise<void> {
    await this.appendFrame(hardState, entries);
    this.lastState = hardState;
  }

  /**
   * Announces that the log goes on behind a received snapshot of this entry. Call it before the snapshot gets its name: the two count together, or
   * neither. The hard state stays what it was, for the commit index may be beyond the log that is kept so far.
   */
  async restartAfter({index, term}: Position): Promise<void> {
    await this.appendFrame(this.lastState, [{kind: 'restart', index, term, data: NO_DATA}]);
  }

  private async appendFrame(hardState: HardState, entries: readonly (Entry | LogRestart)[]): Promise<void> {
    assert(!this.busy, 'one append at a time');
    this.busy = true;
    try {
      const size = frameBytes(bodyBytes(hardState, entries));
      const current = this.segment;
      const segment = current && current.offset + size <= current.bytes ? current : await this.roll(size);
      const frame = this.builder.build(hardState, entries, this.sequence, segment.header.salt);
      if (this.dirtyTo > 0) await fillZeros(segment.file, segment.offset, this.dirtyTo);
      this.dirtyTo = segment.offset + frame.length;
      await segment.file.write(frame, segment.offset);
      if (!this.durable && this.parts.settings.sync !== 'unsafeNone') await segment.file.sync();
      this.dirtyTo = 0;
      segment.offset += frame.length;
      this.sequence += 1;
      this.total += frame.length;
      const last = entries.at(-1);
      if (last) this.nextIndex = last.index + 1;
      if (segment.offset > segment.bytes * PREPARE_AT) this.prepare(segment.header.number + 1, 0);
    } finally {
      this.busy = false;
    }
  }

  /** Makes sure of room beyond the present segment. Rejects while there is none. */
  async reserve(): Promise<void> {
    const spare = this.prepare((this.segment?.header.number ?? 0) + 1, 0);
    try {
      await spare.ready;
    } catch (error) {
      if (this.spare === spare) this.spare = undefined;
      throw error;
    }
  }

  /** Deletes segments whose entries are all at or below `index`. A snapshot that was written and one that was received may both ask at a time. */
  deleteTo(index: number): Promise<void> {
    const deleted = this.deleting.then(() => this.deleteSegments(index));
    this.deleting = deleted.catch(() => undefined);
    return deleted;
  }

  private async deleteSegments(index: number): Promise<void> {
    for (;;) {
      const oldest = this.closed[0];
      if (!oldest || oldest.lastIndex > index) break;
      await this.parts.disk.remove(this.path(segmentName(oldest.number)));
      await this.parts.disk.syncFolder(this.parts.folder);
      this.closed.shift();
    }
  }

  async close(): Promise<void> {
    const spare = this.spare;
    this.spare = undefined;
    if (spare)
      await spare.ready.then(file => this.parts.disk.remove(file)).catch(error => this.spareFailed(error));
    await this.segment?.file.close();
    this.segment = undefined;
  }

  private async roll(frameSize: number): Promise<OpenSegment> {
    const before = this.segment;
    const number = (before?.header.number ?? 0) + 1;
    const spare = await this.takeSpare(number, frameSize);
    const salt = Math.floor(this.parts.random.next() * 2 ** 32);
    const header = {number, salt, firstSequence: this.sequence, nextIndex: this.nextIndex};
    const file = await beginSegment(this.parts.disk, this.parts.folder, spare.file, header, this.durable);
    await this.parts.begun(number);
    if (before) {
      this.closed.push({number: before.header.number, bytes: before.bytes, lastIndex: this.nextIndex - 1});
      await before.file.close();
    }
    const segment = {header, file, bytes: spare.bytes, offset: SEGMENT_HEADER_BYTES};
    this.segment = segment;
    return segment;
  }

  private async takeSpare(number: number, frameSize: number): Promise<{file: string; bytes: number}> {
    const needed = SEGMENT_HEADER_BYTES + frameSize;
    let spare = this.spare;
    if (spare && (spare.number !== number || spare.bytes < needed)) {
      await spare.ready.then(file => this.parts.disk.remove(file)).catch(error => this.spareFailed(error));
      spare = undefined;
      this.spare = undefined;
    }
    if (spare) {
      this.spare = undefined;
      const file = await spare.ready.catch(error => this.spareFailed(error));
      if (file !== undefined) return {file, bytes: spare.bytes};
    }
    const made = this.prepare(number, needed);
    this.spare = undefined;
    return {file: await made.ready, bytes: made.bytes};
  }

  /** Starts to make the segment `number`, unless that is under way. */
  private prepare(number: number, atLeast: number): Spare {
    if (this.spare?.number === number) return this.spare;
    const file = this.path(spareName(number));
    const {segmentBytes, firstSegmentBytes} = this.parts.settings;
    const usual = Math.min(segmentBytes, firstSegmentBytes * 2 ** Math.min(number - 1, 30));
    const bytes = Math.max(usual, atLeast);
    const ready = this.makeSpare(file, bytes);
    // Whoever takes the spare sees its failure; until then it must not count as unhandled.
    ready.catch(() => undefined);
    this.spare = {number, bytes, ready};
    return this.spare;
  }

  private async makeSpare(file: string, bytes: number): Promise<string> {
    await this.parts.disk.remove(file).catch(() => undefined);
    try {
      await prepareSegment(this.parts.disk, file, bytes);
    } catch (error) {
      // Half a segment would only keep the disk full.
      await this.parts.disk.remove(file).catch(() => undefined);
      throw error;
    }
    return file;
  }

  private spareFailed(error: unknown): undefined {
    this.parts.logger.debug('a log segment could not be prepared ahead', {error});
  }

  private path(name: string): string {
    return path.join(this.parts.folder, name);
  }
}
