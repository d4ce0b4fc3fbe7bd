/** Snapshots on disk: chunks with a checksum each and one over all, complete or absent. What the chunks mean is the state machine's. */
import path from 'node:path';
import {initialConfiguration} from '../../raft/configuration.ts';
import type {SnapshotMark} from '../../raft/types.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {BinaryReader, BinaryWriter} from '../binary.ts';
import {crc32} from './crc32.ts';
import type {Disk, DiskFile} from './disk.ts';

const MAGIC = 0x5053584d;
/** Version 1 knew voters only. */
const SNAPSHOT_VERSION = 2;
const CHUNK_HEAD_BYTES = 8;
const NAME = /^snapshot-(\d{16})\.snap$/;

export function snapshotName(index: number): string {
  return `snapshot-${String(index).padStart(16, '0')}.snap`;
}

/** Index of the last entry that a file of this name covers. */
export function snapshotIndex(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Writes a snapshot: temporary file, fsync, rename, fsync of the folder. Takes the next chunk only when the last is written, so that producing
 * them is spread over turns of the event loop. Returns the file's size.
 */
export async function writeSnapshot(
  disk: Disk,
  folder: string,
  mark: SnapshotMark,
  chunks: Iterable<Uint8Array>,
): Promise<number> {
  const final = path.join(folder, snapshotName(mark.index));
  const temporary = `${final}.tmp`;
  const file = await disk.open(temporary, {create: true});
  let size: number;
  try {
    size = await writeChunks(file, mark, chunks);
    await file.sync();
  } catch (error) {
    await file.close();
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
  await file.close();
  await disk.rename(temporary, final);
  await disk.syncFolder(folder);
  return size;
}

async function writeChunks(
  file: DiskFile,
  mark: SnapshotMark,
  chunks: Iterable<Uint8Array>,
): Promise<number> {
  let position = 0;
  let whole = 0;
  let count = 0;
  const writeChunk = async (chunk: Uint8Array): Promise<void> => {
    const head = Buffer.alloc(CHUNK_HEAD_BYTES);
    head.writeUInt32LE(chunk.length, 0);
    head.writeUInt32LE(crc32(chunk), 4);
    whole = crc32(chunk, whole);
    count += 1;
    await file.write(Buffer.concat([head, chunk]), position);
    position += CHUNK_HEAD_BYTES + chunk.length;
  };
  await writeChunk(encodeMark(mark));
  // An empty chunk stands for work without a result: time to flush what there is, and for others to have their turn.
  for (const chunk of chunks) await (chunk.length > 0 ? writeChunk(chunk) : file.sync());
  // A chunk of length 0 ends the file.
  const footer = Buffer.alloc(CHUNK_HEAD_BYTES + 8);
  footer.writeUInt32LE(whole, 4);
  footer.writeDoubleLE(count, CHUNK_HEAD_BYTES);
  await file.write(footer, position);
  return position + footer.length;
}

/** Hands every chunk to `push`. Throws `corrupt` when the file is not whole and unchanged; `push` may have seen chunks by then. */
export async function readSnapshot(
  disk: Disk,
  file: string,
  push: (chunk: Uint8Array) => void,
): Promise<{mark: SnapshotMark; bytes: number}> {
  const handle = await disk.open(file);
  try {
    let position = 0;
    let whole = 0;
    let mark: SnapshotMark | undefined;
    const size = await handle.size();
    for (let count = 0; ; count++) {
      const head = await readExactly(handle, position, CHUNK_HEAD_BYTES, size);
      const length = head.readUInt32LE(0);
      position += CHUNK_HEAD_BYTES;
      if (length === 0) {
        const footer = await readExactly(handle, position, 8, size);
        if (
          !mark ||
          head.readUInt32LE(4) !== whole ||
          footer.readDoubleLE(0) !== count ||
          position + 8 !== size
        )
          throw damaged(file, position);
        return {mark, bytes: size};
      }
      const chunk = await readExactly(handle, position, length, size);
      if (crc32(chunk) !== head.readUInt32LE(4)) throw damaged(file, position);
      whole = crc32(chunk, whole);
      position += length;
      if (mark) push(chunk);
      else mark = decodeMark(chunk, file);
    }
  } finally {
    await handle.close();
  }
}

async function readExactly(
  handle: DiskFile,
  position: number,
  length: number,
  size: number,
): Promise<Buffer> {
  if (position + length > size) throw damaged(handle.path, size);
  const bytes = await handle.read(position, length);
  if (bytes.length < length) throw damaged(handle.path, position + bytes.length);
  return bytes;
}

function encodeMark(mark: SnapshotMark): Uint8Array {
  const writer = new BinaryWriter(1024);
  writer.u32(MAGIC);
  writer.u32(SNAPSHOT_VERSION);
  writer.integer(mark.index);
  writer.integer(mark.term);
  const {voters, outgoing, learners, learnersNext} = mark.configuration;
  for (const nodes of [voters, outgoing, learners, learnersNext]) {
    writer.u32(nodes.length);
    for (const node of nodes) writer.text(node);
  }
  return writer.finish();
}

function decodeMark(chunk: Uint8Array, file: string): SnapshotMark {
  const reader = new BinaryReader(chunk);
  if (reader.u32() !== MAGIC) throw damaged(file, 0);
  const version = reader.u32();
  if (version > SNAPSHOT_VERSION)
    throw new CoordinatorError(
      'incompatible',
      `${file} is of format ${version}, which this build does not know`,
      {
        hint: 'Start a newer version of the coordinator on this data directory.',
      },
    );
  const index = reader.integer();
  const term = reader.integer();
  const nodes = (): string[] => Array.from({length: reader.u32()}, () => reader.text());
  const configuration =
    version === 1
      ? initialConfiguration(nodes())
      : {voters: nodes(), outgoing: nodes(), learners: nodes(), learnersNext: nodes()};
  return {index, term, configuration};
}

function damaged(file: string, offset: number): CoordinatorError {
  return new CoordinatorError('corrupt', `the snapshot is damaged: ${file} near byte ${offset}`);
}
