/** Stored records beside the values of shared memory: deletions, conflicts that wait for a person, and how far offline writes were taken. */
import * as z from 'zod';
import {AgentId, AttemptId, Identifier, SessionId, WallTime} from '../ids.ts';
import {VectorClock} from '../vectorClock.ts';
import {MemoryKey} from './facts.ts';
import {recordFields} from './record.ts';

const Revision = z.number().int().nonnegative();

/** The last deletion of a key; it stays when the key is written again. */
export const MemoryDeletion = z.looseObject({
  ...recordFields,
  timestamp: WallTime,
  /** What it had been. */
  version: z.number().int().positive(),
  attemptId: AttemptId.optional(),
  /** Of an offline deletion that was taken as it is. */
  clock: VectorClock.optional(),
  changeId: z.string().max(128).optional(),
  /** Its time to live was over. */
  expired: z.literal(true).optional(),
  /** A rollback took the value away again: the revision that this is as of, 0 when there never was one. */
  restored: Revision.optional(),
});
export type MemoryDeletion = z.infer<typeof MemoryDeletion>;

/** What a value that ends has lived before the eyes of coordinators: whoever comes later goes on counting from there. */
export const MemoryLife = z.looseObject({
  ...recordFields,
  /** Of the write that it counts from. */
  modRevision: z.number().int().positive(),
  livedMs: z.number().int().nonnegative(),
});
export type MemoryLife = z.infer<typeof MemoryLife>;

/** One of the versions that are in conflict. Without `value` or `omitted` the key was deleted. */
export const ConflictSide = z.object({
  value: z.json().optional(),
  /** The value is too large to be kept here: it is read at `revision`. */
  omitted: z.literal(true).optional(),
  /** That committed it; absent for an offline write, which has none. */
  revision: Revision.optional(),
  version: z.number().int().nonnegative().optional(),
  principal: z.string().max(256),
  instanceId: z.string().max(128).optional(),
  attemptId: AttemptId.optional(),
  timestamp: WallTime.optional(),
  clock: VectorClock,
});
export type ConflictSide = z.infer<typeof ConflictSide>;

/** Two values of which a person chooses: `theirs` is what the key has, `mine` is what an agent wrote while it was cut off. */
export const MemoryConflictRecord = z.looseObject({
  ...recordFields,
  id: Identifier,
  sessionId: SessionId,
  key: MemoryKey,
  /**
   * `staleFence`: the attempt that wrote it had been given up by then. `rolledBack`: others wrote on top of a task that was rolled back; `mine`
   * is what was there before it, `base` what it wrote.
   */
  reason: z.enum(['concurrent', 'staleFence', 'rolledBack']),
  at: WallTime,
  agentId: AgentId,
  base: ConflictSide.optional(),
  theirs: ConflictSide,
  mine: ConflictSide,
});
export type MemoryConflictRecord = z.infer<typeof MemoryConflictRecord>;

/** What became of an offline write. */
export const WriteOutcome = z.discriminatedUnion('kind', [
  /** It is the key's value now. */
  z.object({kind: z.literal('applied'), revision: Revision, version: Revision}),
  /** Others had written meanwhile, and `strategy` made one value of both; `kept`: it was theirs. */
  z.object({
    kind: z.literal('resolved'),
    strategy: z.string().max(64),
    kept: z.enum(['mine', 'theirs', 'both']),
    revision: Revision,
  }),
  /** Both are kept for a person. */
  z.object({kind: z.literal('conflict'), conflictId: Identifier}),
  /** Its fence had fallen: it is kept apart for a person and never merged. */
  z.object({kind: z.literal('quarantined'), conflictId: Identifier}),
  /** It was taken before; what became of it was said then. */
  z.object({kind: z.literal('repeated')}),
  /** Nothing can become of it. */
  z.object({kind: z.literal('refused'), reason: z.string().max(1024)}),
]);
export type WriteOutcome = z.infer<typeof WriteOutcome>;

/** Committed in the transaction of the write itself: what is sent again is seen to have been taken. */
export const MemoryMark = z.looseObject({
  ...recordFields,
  sequence: z.number().int().positive(),
  /** Of that sequence. A revision of 0 is that of the mark. */
  outcome: WriteOutcome,
});
export type MemoryMark = z.infer<typeof MemoryMark>;
