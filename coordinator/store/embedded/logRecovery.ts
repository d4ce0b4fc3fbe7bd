/**
 * Reads the log back after a stop of any kind. A torn last frame, which was never acknowledged, is cut off and said; damage to what was
 * acknowledged stops the start and names the file and the place. Nothing is guessed.
 */
import path from 'node:path';
import type {Logger} from '../../observability/logger.ts';
import type {Entry, HardState} from '../../raft/types.ts';
import {NO_HARD_STATE} from '../../raft/types.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Disk} from './disk.ts';
import {findLaterFrame, firstNonZero, parseFrame, SECTOR} from './frame.ts';
import {parseRecords} from './logRecords.ts';
import {
  fillZeros,
  parseSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  segmentNumber,
} from './segment.ts';
import {snapshotIndex} from './snapshotFile.ts';

export interface SegmentInfo {
  readonly number: number;
  readonly bytes: number;
  /** Highest index of an entry in it; that of the segment before when it has none. */
  readonly lastIndex: number;
}

export interface RecoveredLog {
  readonly hardState: HardState;
  /** Entries after the snapshot, without gaps. */
  readonly entries: readonly Entry[];
  /** Oldest first; the last one takes further appends. */
  readonly segments: readonly SegmentInfo[];
  readonly tail:
    | {readonly header: SegmentHeader; readonly offset: number; readonly nextSequence: number}
    | undefined;
  /** What was cut off, for a person. */
  readonly truncated: string | undefined;
  /** Index of the next new entry. */
  readonly nextIndex: number;
}

/** What to do about a damaged data directory. */
export const RESTORE =
  'Restore the data directory from a backup, or start this node empty and let it rejoin.';

/** What of the log the snapshots stand for. */
interface Snapshots {
  /** Last entry that the state covers. */
  readonly index: number;
  /** Of all that have their name, also of those that cannot be read. */
  readonly named: ReadonlySet<number | undefined>;
}

interface Scan {
  readonly entries: Entry[];
  hardState: HardState;
  sequence: number | undefined;
  nextIndex: number;
}

/** `snapshot` is the entry that the state already covers. Throws `corrupt`. */
export async function recoverLog(
  disk: Disk,
  folder: string,
  snapshot: {readonly index: number; readonly term: number},
  logger: Logger,
): Promise<RecoveredLog> {
  const names = await disk.list(folder);
  const numbers = segmentsIn(names, folder);
  const snapshots = {index: snapshot.index, named: new Set(names.map(snapshotIndex))};
  const scan: Scan = {
    entries: [],
    hardState: NO_HARD_STATE,
    sequence: undefined,
    nextIndex: snapshot.index + 1,
  };
  const segments: SegmentInfo[] = [];
  let tail: RecoveredLog['tail'];
  let truncated: string | undefined;
  for (const [at, number] of numbers.entries()) {
    const file = path.join(folder, segmentName(number));
    const bytes = await readWhole(disk, file);
    const header = checkHeader(bytes, file, number);
    if (at === 0 && header.nextIndex > snapshot.index + 1)
      throw damaged(
        file,
        0,
        `the log starts at entry ${header.nextIndex}, the snapshot ends at ${snapshot.index}`,
      );
    scan.sequence ??= header.firstSequence;
    if (at === 0) scan.nextIndex = header.nextIndex;
    if (header.firstSequence !== scan.sequence || header.nextIndex > scan.nextIndex)
      throw damaged(file, 0, `frames ${scan.sequence} to ${header.firstSequence - 1} are missing before it`);
    const end = scanSegment(bytes, header, file, scan, at === numbers.length - 1, snapshots);
    if (end.truncated) {
      truncated = end.truncated;
      await clearTail(disk, file, end.offset, bytes.length);
      logger.warn('cut off an unfinished write at the end of the log', {
        file,
        offset: end.offset,
        reason: truncated,
      });
    }
    segments.push({number, bytes: bytes.length, lastIndex: scan.nextIndex - 1});
    tail = {header, offset: end.offset, nextSequence: scan.sequence};
    if (at === numbers.length - 1) await makeDurable(disk, folder, file);
  }
  if (scan.nextIndex <= snapshot.index)
    throw new CoordinatorError(
      'corrupt',
      `the log in ${folder} ends at entry ${scan.nextIndex - 1}, before the snapshot of ${snapshot.index}`,
      {hint: RESTORE},
    );
  return {
    hardState: scan.hardState,
    entries: scan.entries,
    segments,
    tail,
    truncated,
    nextIndex: scan.nextIndex,
  };
}

function segmentsIn(names: readonly string[], folder: string): number[] {
  const numbers = names
    .map(segmentNumber)
    .filter(number => number !== undefined)
    .sort((a, b) => a - b);
  for (const [at, number] of numbers.entries()) {
    const before = numbers[at - 1];
    if (before !== undefined && number !== before + 1)
      throw damaged(path.join(folder, segmentName(before + 1)), 0, 'the file is missing');
  }
  return numbers;
}

function checkHeader(bytes: Buffer, file: string, number: number): SegmentHeader {
  const parsed = parseSegmentHeader(bytes);
  if (parsed.kind === 'newer')
    throw new CoordinatorError(
      'incompatible',
      `${file} is of format ${parsed.version}, which this build does not know`,
      {
        hint: 'Start a newer version of the coordinator on this data directory.',
      },
    );
  if (parsed.kind === 'bad' || parsed.header.number !== number)
    throw damaged(file, 0, 'its header is damaged');
  return parsed.header;
}

/** Reads the frames of one segment into `scan`; returns where they end. */
function scanSegment(
  bytes: Buffer,
  {salt}: SegmentHeader,
  file: string,
  scan: Scan,
  last: boolean,
  snapshots: Snapshots,
): {offset: number; truncated?: string} {
  let sequence = scan.sequence ?? 0;
  let offset = SEGMENT_HEADER_BYTES;
  for (;;) {
    const frame = parseFrame(bytes, offset, salt);
    if (frame.kind === 'frame' && frame.header.sequence === sequence) {
      for (const record of parseRecords(frame.body)) {
        if (record.kind === 'hardState') scan.hardState = record.hardState;
        else if (record.kind === 'restart') restart(scan, record.index, snapshots, file, offset);
        else addEntry(scan, record.entry, snapshots.index, file, offset);
      }
      offset = frame.next;
      sequence += 1;
      scan.sequence = sequence;
      continue;
    }
    const reason =
      frame.kind === 'bad' ? frame.reason : frame.kind === 'frame' ? 'it is out of sequence' : '';
    const later = findLaterFrame(bytes, offset + SECTOR, salt, sequence);
    if (later !== undefined)
      throw damaged(file, offset, `the frame there is damaged while the one at byte ${later} is whole`);
    if (frame.kind === 'end') {
      const stray = firstNonZero(bytes.subarray(offset));
      if (stray === undefined) return {offset};
      if (!last) throw damaged(file, offset + stray, 'there are bytes behind the last frame');
      return {offset, truncated: 'the first sector of a frame is missing'};
    }
    if (!last || frame.kind !== 'bad' || !frame.torn) throw damaged(file, offset, reason);
    return {offset, truncated: reason};
  }
}

/**
 * Void when the snapshot that it announces never got its name: then the log is what it was before. When that snapshot is there and cannot be read, what
 * the log was before does not lead to what follows.
 */
function restart(scan: Scan, index: number, snapshots: Snapshots, file: string, offset: number): void {
  if (index > snapshots.index) {
    if (snapshots.named.has(index))
      throw damaged(file, offset, `the log goes on behind the snapshot of ${index}, which cannot be read`);
    return;
  }
  scan.entries.length = 0;
  scan.nextIndex = index + 1;
}

function addEntry(scan: Scan, entry: Entry, covered: number, file: string, offset: number): void {
  if (entry.index > scan.nextIndex)
    throw damaged(file, offset, `entry ${entry.index} follows entry ${scan.nextIndex - 1}`);
  scan.nextIndex = entry.index + 1;
  // A leader of a later term may have replaced the end of the log.
  const keep = entry.index - (scan.entries[0]?.index ?? entry.index);
  if (scan.entries.length > keep) scan.entries.length = Math.max(0, keep);
  if (entry.index > covered) scan.entries.push(entry);
}

async function clearTail(disk: Disk, file: string, from: number, to: number): Promise<void> {
  const handle = await disk.open(file);
  try {
    await fillZeros(handle, from, to);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * A process that was killed may have left its last write, and the name of its last segment, in the memory of the system only. What is read here is
 * acted on, so it must not be lost to a power cut afterwards.
 */
async function makeDurable(disk: Disk, folder: string, file: string): Promise<void> {
  const handle = await disk.open(file);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await disk.syncFolder(folder);
}

async function readWhole(disk: Disk, file: string): Promise<Buffer> {
  const handle = await disk.open(file);
  try {
    return await handle.read(0, await handle.size());
  } finally {
    await handle.close();
  }
}

function damaged(file: string, offset: number, reason: string): CoordinatorError {
  return new CoordinatorError('corrupt', `the log is damaged: ${file} at byte ${offset}: ${reason}`, {
    hint: RESTORE,
  });
}
