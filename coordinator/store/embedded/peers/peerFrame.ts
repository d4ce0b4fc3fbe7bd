/**
 * What peers put on the wire, one WebSocket message each: a version, a kind, the body, a checksum over all of it. The checksum is for what TLS
 * and TCP do not cover: memory, proxies, and the way between them.
 */
import type {Message} from '../../../raft/messages.ts';
import type {SnapshotMark} from '../../../raft/types.ts';
import {unreachable} from '../../../runtime/assert.ts';
import {CoordinatorError, isCoordinatorError} from '../../../runtime/errors.ts';
import {BinaryReader, BinaryWriter} from '../../binary.ts';
import {crc32} from '../crc32.ts';
import {decodeMark, decodeMessage, encodeMark, encodeMessage} from './messageCodec.ts';

export const FRAME_VERSION = 1;
const CRC_BYTES = 4;
const KINDS = ['messages', 'call', 'answer', 'offer', 'chunk', 'have', 'refused'] as const;

/** A snapshot file that somebody wants to send. */
export interface SnapshotOffer {
  readonly mark: SnapshotMark;
  readonly bytes: number;
  /** Of the whole file. */
  readonly crc: number;
}

export type PeerFrame =
  | {readonly kind: 'messages'; readonly messages: readonly Message[]}
  /** A question and its answer, as JSON; `id` is the asker's. */
  | {readonly kind: 'call'; readonly id: number; readonly body: string}
  | {readonly kind: 'answer'; readonly id: number; readonly body: string}
  | {readonly kind: 'offer'; readonly offer: SnapshotOffer}
  | {readonly kind: 'chunk'; readonly offset: number; readonly crc: number; readonly data: Uint8Array}
  /** How much of the offered file is here; all of it means: whole, checked and on disk. */
  | {readonly kind: 'have'; readonly offset: number}
  | {readonly kind: 'refused'; readonly reason: string};

/** The bytes are the caller's. */
export function encodeFrame(frame: PeerFrame): Buffer {
  const writer = new BinaryWriter(frame.kind === 'messages' ? 16 * 1024 : 512);
  writer.u8(FRAME_VERSION);
  writer.u8(KINDS.indexOf(frame.kind));
  switch (frame.kind) {
    case 'messages':
      writer.u32(frame.messages.length);
      for (const message of frame.messages) encodeMessage(writer, message);
      break;
    case 'call':
    case 'answer':
      writer.integer(frame.id);
      writer.text(frame.body);
      break;
    case 'offer':
      encodeMark(writer, frame.offer.mark);
      writer.integer(frame.offer.bytes);
      writer.u32(frame.offer.crc);
      break;
    case 'chunk':
      writer.integer(frame.offset);
      writer.u32(frame.crc);
      writer.u32(frame.data.length);
      writer.bytes(frame.data);
      break;
    case 'have':
      writer.integer(frame.offset);
      break;
    case 'refused':
      writer.text(frame.reason);
      break;
    default:
      unreachable(frame);
  }
  writer.u32(crc32(writer.written));
  return writer.finish();
}

/** Throws `corrupt` for bytes that were changed on the way or are no frame, `incompatible` for those of a newer build. */
export function decodeFrame(bytes: Uint8Array, from: string, to: string): PeerFrame {
  const end = bytes.length - CRC_BYTES;
  if (end < 2) throw new CoordinatorError('corrupt', `a peer sent ${bytes.length} bytes, which is no frame`);
  const body = bytes.subarray(0, end);
  if (new BinaryReader(bytes.subarray(end)).u32() !== crc32(body))
    throw new CoordinatorError('corrupt', 'a frame of a peer fails its checksum');
  const reader = new BinaryReader(body);
  const version = reader.u8();
  if (version > FRAME_VERSION)
    throw new CoordinatorError('incompatible', `a peer sent a frame of version ${version}`);
  const code = reader.u8();
  try {
    const frame = decodeBody(reader, code, from, to);
    if (reader.done) return frame;
  } catch (error) {
    if (isCoordinatorError(error)) throw error;
    throw new CoordinatorError('corrupt', 'a frame of a peer cannot be read', {cause: error});
  }
  throw new CoordinatorError('corrupt', 'a frame of a peer is longer than what it holds');
}

function decodeBody(reader: BinaryReader, code: number, from: string, to: string): PeerFrame {
  const kind = KINDS[code];
  switch (kind) {
    case 'messages':
      return {
        kind,
        messages: Array.from({length: reader.u32()}, () => decodeMessage(reader, from, to)),
      };
    case 'call':
    case 'answer':
      return {kind, id: reader.integer(), body: reader.text()};
    case 'offer':
      return {
        kind,
        offer: {mark: decodeMark(reader), bytes: reader.integer(), crc: reader.u32()},
      };
    case 'chunk':
      return {kind, offset: reader.integer(), crc: reader.u32(), data: reader.bytes(reader.u32())};
    case 'have':
      return {kind, offset: reader.integer()};
    case 'refused':
      return {kind, reason: reader.text()};
    default:
      throw new CoordinatorError('incompatible', `a peer sent a frame of the unknown kind ${code}`);
  }
}
