/**
 * The unit of the log on disk: one frame is one append, written and flushed as a whole, and only one is ever in flight.
 *
 * That is what makes a torn tail certain: an unreadable frame that no later frame follows may be an append that was never acknowledged. With a
 * checksum per record instead, the later records of one torn write would look like proof of a corrupt middle. Frames start on sector
 * boundaries of zero-filled files, so a sector that never reached the disk reads as zeros, which tells a torn frame from a rotten one.
 */
import {crc32} from './crc32.ts';

/** The smallest unit that disks write whole. */
export const SECTOR = 512;

export const FRAME_HEADER_BYTES = 32;
const MAGIC = 0x3146584d;
/** Not zero, so that a frame whose end never reached the disk shows it. */
const TRAILER = 0xa5;

const AT = {magic: 0, bodyBytes: 4, sequence: 8, bodyCrc: 16, headerCrc: 20, trailer: 31} as const;

export interface FrameHeader {
  readonly bodyBytes: number;
  readonly sequence: number;
  readonly bodyCrc: number;
}

export type ParsedFrame =
  | {readonly kind: 'frame'; readonly header: FrameHeader; readonly body: Buffer; readonly next: number}
  /** Zeros where a header would be. */
  | {readonly kind: 'end'}
  /** `torn`: it has the marks of a write that did not finish. */
  | {readonly kind: 'bad'; readonly torn: boolean; readonly reason: string};

/** Bytes of the file that a body of `bodyBytes` takes. */
export function frameBytes(bodyBytes: number): number {
  return Math.ceil((FRAME_HEADER_BYTES + bodyBytes + 1) / SECTOR) * SECTOR;
}

/**
 * Completes a frame in place: `buffer` holds the body behind room for the header. `salt` is the segment's own, so that a frame that some value
 * quotes, or that another segment left, is not taken for one. Returns the bytes to write, padded with zeros.
 */
export function sealFrame(buffer: Buffer, bodyBytes: number, sequence: number, salt: number): Buffer {
  const end = FRAME_HEADER_BYTES + bodyBytes;
  const size = frameBytes(bodyBytes);
  buffer[end] = TRAILER;
  buffer.fill(0, end + 1, size);
  buffer.fill(0, 0, FRAME_HEADER_BYTES);
  buffer.writeUInt32LE(MAGIC, AT.magic);
  buffer.writeUInt32LE(bodyBytes, AT.bodyBytes);
  buffer.writeDoubleLE(sequence, AT.sequence);
  buffer.writeUInt32LE(crc32(buffer.subarray(FRAME_HEADER_BYTES, end), salt), AT.bodyCrc);
  buffer.writeUInt32LE(crc32(buffer.subarray(0, AT.headerCrc), salt), AT.headerCrc);
  buffer[AT.trailer] = TRAILER;
  return buffer.subarray(0, size);
}

/** Reads the frame at `offset` of a segment's bytes. The file may end anywhere: what is beyond counts as never written. */
export function parseFrame(segment: Buffer, offset: number, salt: number): ParsedFrame {
  const head = segment.subarray(offset, offset + FRAME_HEADER_BYTES);
  if (isZero(head)) return {kind: 'end'};
  const header = parseHeader(head, salt);
  if (!header) {
    const torn = head.length < FRAME_HEADER_BYTES || head[AT.trailer] === 0;
    return {kind: 'bad', torn, reason: 'its header fails the checksum'};
  }
  const from = offset + FRAME_HEADER_BYTES;
  const end = from + header.bodyBytes;
  const body = segment.subarray(from, end);
  if (end < segment.length && segment[end] === TRAILER && crc32(body, salt) === header.bodyCrc)
    return {kind: 'frame', header, body, next: offset + frameBytes(header.bodyBytes)};
  const torn = end >= segment.length || segment[end] === 0 || hasLostSector(segment, offset, end);
  return {kind: 'bad', torn, reason: 'its body fails the checksum'};
}

/** The offset of the first sector from `from` on that starts with the header of a frame after `sequence`. */
export function findLaterFrame(
  segment: Buffer,
  from: number,
  salt: number,
  sequence: number,
): number | undefined {
  for (let at = from; at + FRAME_HEADER_BYTES <= segment.length; at += SECTOR) {
    const header = parseHeader(segment.subarray(at, at + FRAME_HEADER_BYTES), salt);
    if (header && header.sequence > sequence) return at;
  }
  return undefined;
}

export function isZero(bytes: Uint8Array): boolean {
  return firstNonZero(bytes) === undefined;
}

/** Position of the first byte that is not zero. */
export function firstNonZero(bytes: Uint8Array): number | undefined {
  let at = 0;
  while (at < bytes.length && (bytes.byteOffset + at) % 4 !== 0) {
    if (bytes[at] !== 0) return at;
    at += 1;
  }
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >> 2);
  let word = 0;
  while (word < words.length && words[word] === 0) word += 1;
  for (at += word * 4; at < bytes.length; at++) if (bytes[at] !== 0) return at;
  return undefined;
}

function parseHeader(head: Buffer, salt: number): FrameHeader | undefined {
  if (
    head.length < FRAME_HEADER_BYTES ||
    head.readUInt32LE(AT.magic) !== MAGIC ||
    head[AT.trailer] !== TRAILER
  )
    return undefined;
  if (crc32(head.subarray(0, AT.headerCrc), salt) !== head.readUInt32LE(AT.headerCrc)) return undefined;
  return {
    bodyBytes: head.readUInt32LE(AT.bodyBytes),
    sequence: head.readDoubleLE(AT.sequence),
    bodyCrc: head.readUInt32LE(AT.bodyCrc),
  };
}

/** Whether a sector, or the part of one that the frame fills, is all zeros. */
function hasLostSector(segment: Buffer, offset: number, end: number): boolean {
  for (let at = offset; at < end; at += SECTOR)
    if (isZero(segment.subarray(at, Math.min(at + SECTOR, end + 1)))) return true;
  return false;
}
