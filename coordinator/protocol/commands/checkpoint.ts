/** Checkpoints of conversations: an attempt keeps them under its fence, and the next attempt of the task asks for the newest. */
import * as z from 'zod';
import {AttemptId, Fence} from '../ids.ts';
import {Checkpoint, Continued} from '../model/checkpoint.ts';

export const CheckpointSave = z.object({attemptId: AttemptId, fence: Fence, checkpoint: Checkpoint});
export type CheckpointSave = z.infer<typeof CheckpointSave>;

export const MAX_LATER_CALLS = 50;

/** A tool call that was begun after the checkpoint. */
export const LaterCall = z.object({
  id: z.string().max(128),
  name: z.string().max(256),
  /** As JSON, shortened. */
  input: z.string().max(2048),
  /** Its result was seen. */
  ended: z.boolean(),
});
export type LaterCall = z.infer<typeof LaterCall>;

export const CheckpointOpen = z.object({attemptId: AttemptId, fence: Fence});
export type CheckpointOpen = z.infer<typeof CheckpointOpen>;
/** `kept` is absent when there is none to go on from. */
export const CheckpointOpened = z.object({
  kept: z
    .object({
      from: Continued,
      checkpoint: Checkpoint,
      /** In the order in which they were begun; the newest are left out beyond the limit. */
      later: z.array(LaterCall).max(MAX_LATER_CALLS),
      /** Calls that are left out. */
      more: z.number().int().nonnegative(),
    })
    .optional(),
});
export type CheckpointOpened = z.infer<typeof CheckpointOpened>;

/** The attempt goes on from there. */
export const CheckpointTaken = z.object({attemptId: AttemptId, fence: Fence, from: Continued});
export type CheckpointTaken = z.infer<typeof CheckpointTaken>;
