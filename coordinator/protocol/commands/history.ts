/** The past of a session: marks for a slider, and the rows as they were at any revision. */
import * as z from 'zod';
import {AttemptId, SessionId, WallTime} from '../ids.ts';
import {Row} from './watch.ts';

const Revision = z.number().int().nonnegative();

/** That one row changed. `gap`: what happened after `gapAfter` up to this revision is not known. */
export const HistoryMark = z.object({
  revision: Revision,
  /** Wall time in ms at which the change was seen: never before that of an earlier revision. */
  at: WallTime,
  kind: z.enum(['session', 'task', 'attempt', 'ref', 'refusal', 'approval', 'memory', 'conflict', 'gap']),
  /** The row's; empty for a gap. */
  id: z.string(),
  /** The row's state since then, where it has one. */
  state: z.string().optional(),
  /** The row went. */
  deleted: z.literal(true).optional(),
  gapAfter: Revision.optional(),
});
export type HistoryMark = z.infer<typeof HistoryMark>;

export const HistoryRead = z.object({
  sessionId: SessionId,
  /** Default: from the beginning. */
  fromRevision: Revision.optional(),
  /** Marks, about: a revision is never divided. */
  limit: z.number().int().min(1).max(5000),
});
export type HistoryRead = z.infer<typeof HistoryRead>;
export const HistoryWindow = z.object({
  marks: z.array(HistoryMark),
  /** Absent: there is no more up to `upTo`. */
  nextRevision: Revision.optional(),
  /** The journal is complete up to here. */
  upTo: Revision,
});
export type HistoryWindow = z.infer<typeof HistoryWindow>;

export const HistoryStateAt = z.object({
  sessionId: SessionId,
  revision: Revision,
  /** Rows to pass over: `nextOffset` of the page before. */
  offset: z.number().int().nonnegative().default(0),
  limit: z.number().int().min(1).max(10_000).default(10_000),
});
export type HistoryStateAt = z.infer<typeof HistoryStateAt>;
export const HistoryState = z.object({
  /** The one that was asked for, or the newest known where that is less: ask for this one's other pages. */
  revision: Revision,
  /** Wall time of the last change up to there; 0 when there was none. */
  at: WallTime,
  /** In the order session, tasks, attempts, refs, refusals, approvals, memory, conflicts; each by id. */
  rows: z.array(Row),
  /** Rows of all pages. */
  total: z.number().int().nonnegative(),
  nextOffset: z.number().int().nonnegative().optional(),
  /** Of the attempts in `rows`: the last transcript event that was durable by then. Absent: none was. */
  transcripts: z.array(z.object({attemptId: AttemptId, lastSeq: z.number().int().positive()})),
  /** The revision is in a gap: the rows are those of `after`, and what changed until `until` is not known. */
  gap: z.object({after: Revision, until: Revision}).optional(),
});
export type HistoryState = z.infer<typeof HistoryState>;
