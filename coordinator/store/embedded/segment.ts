/** One file of the log: its name, its header, how it is made zero-filled and named. What its frames mean is the log's. */
import path from 'node:path';
import {crc32} from './crc32.ts';
import type {Disk, DiskFile} from './disk.ts';
import {SECTOR} from './frame.ts';

/** Frames start behind the header's sector. */
export const SEGMENT_HEADER_BYTES = SECTOR;

const MAGIC = 0x4753584d;
const SEGMENT_VERSION = 1;
const AT = {magic: 0, version: 4, number: 8, salt: 16, sequence: 20, index: 28, crc: 36} as const;
const NAME = /^log-(\d{10})\.seg$/;
/** Zeros are written this many at a time. */
const FILL_BYTES = 1024 * 1024;
/** And made durable this many at a time. */
const SYNC_BYTES = 4 * 1024 * 1024;

export interface SegmentHeader {
  readonly number: number;
  /** Seeds the checksums of the segment's frames. */
  readonly salt: number;
  /** Sequence of its first frame. */
  readonly firstSequence: number;
  /** Index that the next new entry had when the segment was begun. */
  readonly nextIndex: number;
}

export function segmentName(number: number): string {
  return `log-${String(number).padStart(10, '0')}.seg`;
}

export function segmentNumber(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** A segment file that is being prepared; recovery deletes it. */
export function spareName(number: number): string {
  return `spare-${String(number).padStart(10, '0')}.tmp`;
}

/** Fills a new file with zeros and makes them durable, so that later appends change no metadata. */
export async function prepareSegment(disk: Disk, file: string, bytes: number): Promise<void> {
  const handle = await disk.open(file, {create: true});
  try {
    // In pieces: one flush of it all would hold up the appends of the present segment for as long.
    for (let at = 0; at < bytes; at += SYNC_BYTES) {
      await fillZeros(handle, at, Math.min(at + SYNC_BYTES, bytes));
      await handle.sync();
    }
  } finally {
    await handle.close();
  }
}

export async function fillZeros(file: DiskFile, from: number, to: number): Promise<void> {
  const zeros = Buffer.alloc(Math.min(FILL_BYTES, Math.max(0, to - from)));
  for (let at = from; at < to; at += zeros.length)
    await file.write(zeros.subarray(0, Math.min(zeros.length, to - at)), at);
}

/** Gives a prepared file its header and its name; after it resolves the segment survives a power cut. */
export async function beginSegment(
  disk: Disk,
  folder: string,
  spare: string,
  header: SegmentHeader,
  durable: boolean,
): Promise<DiskFile> {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  bytes.writeUInt32LE(MAGIC, AT.magic);
  bytes.writeUInt32LE(SEGMENT_VERSION, AT.version);
  bytes.writeDoubleLE(header.number, AT.number);
  bytes.writeUInt32LE(header.salt, AT.salt);
  bytes.writeDoubleLE(header.firstSequence, AT.sequence);
  bytes.writeDoubleLE(header.nextIndex, AT.index);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, AT.crc)), AT.crc);
  const handle = await disk.open(spare);
  try {
    await handle.write(bytes, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  const file = path.join(folder, segmentName(header.number));
  await disk.rename(spare, file);
  await disk.syncFolder(folder);
  return disk.open(file, {durable});
}

export type ParsedSegmentHeader =
  | {readonly kind: 'header'; readonly header: SegmentHeader}
  | {readonly kind: 'bad'}
  | {readonly kind: 'newer'; readonly version: number};

export function parseSegmentHeader(segment: Buffer): ParsedSegmentHeader {
  if (segment.length < SEGMENT_HEADER_BYTES || segment.readUInt32LE(AT.magic) !== MAGIC) return {kind: 'bad'};
  if (crc32(segment.subarray(0, AT.crc)) !== segment.readUInt32LE(AT.crc)) return {kind: 'bad'};
  const version = segment.readUInt32LE(AT.version);
  if (version > SEGMENT_VERSION) return {kind: 'newer', version};
  const header = {
    number: segment.readDoubleLE(AT.number),
    salt: segment.readUInt32LE(AT.salt),
    firstSequence: segment.readDoubleLE(AT.sequence),
    nextIndex: segment.readDoubleLE(AT.index),
  };
  return {kind: 'header', header};
}
