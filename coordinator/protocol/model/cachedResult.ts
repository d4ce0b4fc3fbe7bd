/** The stored record of a result that later tasks with identical inputs are completed from, under a digest of what decided it. */
import * as z from 'zod';
import {GateEvidence} from '../gate.ts';
import {CommitId, SessionId, TaskId, WallTime} from '../ids.ts';
import {recordFields} from './record.ts';
import {CommitBundle, MAX_BASE_BUNDLES} from './session.ts';
import {MAX_CACHED_PARENTS, Reused, TaskResult} from './task.ts';

export const CachedResultRecord = z.looseObject({
  ...recordFields,
  sessionId: SessionId,
  sessionName: z.string().max(256),
  taskId: TaskId,
  reused: Reused,
  result: TaskResult,
  gates: z.array(GateEvidence).max(32).optional(),
  /** Where it was made: the commit that its session started from with its bundles, and the commits that its task started from. */
  origin: z
    .object({
      base: CommitId,
      bundles: z.array(CommitBundle).max(MAX_BASE_BUNDLES),
      parents: z.array(CommitId).min(1).max(MAX_CACHED_PARENTS),
      /** Nothing was changed: its commit is that of the parents with this position. */
      sameAs: z.number().int().nonnegative().optional(),
    })
    .optional(),
  /** Of its artifacts and of the record itself, about. */
  bytes: z.number().int().nonnegative(),
  usedAt: WallTime,
  uses: z.number().int().nonnegative(),
});
export type CachedResultRecord = z.infer<typeof CachedResultRecord>;
