/** What is inside a frame of the log: Raft entries and hard states, as bytes and back. */

import type {Entry, EntryKind, HardState} from '../../raft/types.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {BinaryReader} from '../binary.ts';
import {FRAME_HEADER_BYTES, frameBytes, sealFrame} from './frame.ts';

export type LogRecord =
  | {readonly kind: 'entry'; readonly entry: Entry}
  | {readonly kind: 'hardState'; readonly hardState: HardState}
  | {readonly kind: 'restart'; readonly index: number};

/**
 * The log goes on behind a received snapshot of this entry, and whatever it holds before is void: if the snapshot is there. It is put in place
 * right after, and without it the log is what it was.
 */
export interface LogRestart {
  readonly kind: 'restart';
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

const TYPE = {command: 1, empty: 2, hardState: 3, configuration: 4, restart: 5} as const;
const ENTRY_KINDS: Readonly<Record<number, EntryKind>> = {1: 'command', 2: 'empty', 4: 'configuration'};
const ENTRY_HEAD_BYTES = 21;
const HARD_STATE_HEAD_BYTES = 21;

/** Bytes of a frame's body that its entries and hard state will take. */
export function bodyBytes(hardState: HardState, entries: readonly (Entry | LogRestart)[]): number {
  let bytes = HARD_STATE_HEAD_BYTES + Buffer.byteLength(hardState.vote);
  for (const entry of entries) bytes += ENTRY_HEAD_BYTES + entry.data.length;
  return bytes;
}

/** Builds one frame after the other in the same memory: the frame of `build` is valid until the next call. */
export class FrameBuilder {
  private buffer = Buffer.alloc(64 * 1024);

  build(
    hardState: HardState,
    entries: readonly (Entry | LogRestart)[],
    sequence: number,
    salt: number,
  ): Buffer {
    const bytes = bodyBytes(hardState, entries);
    const size = frameBytes(bytes);
    if (size > this.buffer.length) this.buffer = Buffer.alloc(size * 2);
    const buffer = this.buffer;
    let at = FRAME_HEADER_BYTES;
    buffer[at] = TYPE.hardState;
    at = buffer.writeDoubleLE(hardState.term, at + 1);
    at = buffer.writeDoubleLE(hardState.commit, at);
    const length = buffer.write(hardState.vote, at + 4, 'utf8');
    at = buffer.writeUInt32LE(length, at) + length;
    for (const entry of entries) {
      buffer[at] = TYPE[entry.kind];
      at = buffer.writeDoubleLE(entry.index, at + 1);
      at = buffer.writeDoubleLE(entry.term, at);
      at = buffer.writeUInt32LE(entry.data.length, at);
      buffer.set(entry.data, at);
      at += entry.data.length;
    }
    return sealFrame(buffer, bytes, sequence, salt);
  }
}

/** The views in the records are of `body`. */
export function* parseRecords(body: Buffer): Generator<LogRecord, void> {
  const reader = new BinaryReader(body);
  while (!reader.done) {
    const type = reader.u8();
    if (type === TYPE.hardState) {
      const term = reader.integer();
      const commit = reader.integer();
      yield {kind: 'hardState', hardState: {term, commit, vote: reader.text()}};
      continue;
    }
    const kind = ENTRY_KINDS[type];
    if (!kind && type !== TYPE.restart)
      throw new CoordinatorError('incompatible', `the log has a record of the unknown type ${type}`, {
        hint: 'Start a newer version of the coordinator on this data directory.',
      });
    const index = reader.integer();
    const term = reader.integer();
    const data = reader.bytes(reader.u32());
    yield kind ? {kind: 'entry', entry: {index, term, kind, data}} : {kind: 'restart', index};
  }
}
