/** The rows of a session as its sealed journal has them at a revision: the last time they were written down, and every change since. */
import {applyChanges, type HistoryChange, type HistoryRows, rowName} from './historyChange.ts';
import type {HistorySegments} from './historySegments.ts';

export interface SealedState {
  readonly rows: HistoryRows;
  /** Wall time of the last change up to there; 0 when there was none. */
  readonly at: number;
  /** Every change up to here is in the rows. */
  readonly revision: number;
  /** What is missing, when the revision that was asked for is in a gap. */
  readonly gap: {readonly after: number; readonly until: number} | undefined;
}

/** Errors: `corrupt`, `notFound` (an artifact is gone), and those of the store. */
export async function stateAt(
  segments: HistorySegments,
  sessionId: string,
  revision: number,
): Promise<SealedState> {
  const rows: HistoryRows = new Map();
  const parts: (readonly HistoryChange[])[] = [];
  let sealed = 0;
  for await (const segment of segments.before(sessionId, revision)) {
    sealed = Math.max(sealed, segment.lastRevision);
    parts.unshift(await segments.load(segment));
    if (segment.kind === 'rows') break;
  }
  const next = await nextSegment(segments, sessionId, revision);
  if (next && next.kind === 'changes' && next.firstRevision <= revision) {
    parts.push((await segments.load(next)).filter(change => change.revision <= revision));
    sealed = revision;
  }
  for (const part of parts) applyChanges(rows, part);
  const gap =
    next?.gapAfter !== undefined && next.gapAfter < revision
      ? {after: next.gapAfter, until: next.lastRevision}
      : undefined;
  return {rows, at: parts.at(-1)?.at(-1)?.at ?? 0, revision: sealed, gap};
}

async function nextSegment(segments: HistorySegments, sessionId: string, revision: number) {
  for await (const segment of segments.from(sessionId, revision + 1)) return segment;
  return undefined;
}

/** Whether the stored rows are these, and none of them was written after `revision`. */
export async function isUnchangedSince(
  rows: HistoryRows,
  changes: AsyncIterable<{readonly change: HistoryChange; readonly modRevision: number}>,
  revision: number,
): Promise<boolean> {
  let count = 0;
  for await (const {change, modRevision} of changes) {
    if (modRevision > revision || rows.get(rowName(change))?.text !== change.after) return false;
    count += 1;
  }
  return count === rows.size;
}
