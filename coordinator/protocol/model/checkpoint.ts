/** The stored record of a conversation as it was after a batch of tool calls, from which another machine may go on. One for each task: the newest. */
import * as z from 'zod';
import {AgentId, AttemptId, CommitId, Sha256, WallTime} from '../ids.ts';
import {recordFields} from './record.ts';

/** Of the artifacts that hold the conversation. A build that knows another one begins anew. */
export const CHECKPOINT_FORMAT = 1;
/** Artifacts of one kind in a record; writers fold the small ones together long before. */
export const MAX_CHECKPOINT_PARTS = 64;

export const CheckpointPart = z.object({sha256: Sha256, bytes: z.number().int().nonnegative()});
export type CheckpointPart = z.infer<typeof CheckpointPart>;

export const Checkpoint = z.object({
  format: z.number().int().positive(),
  /** Claude Code's own id of the session. */
  conversation: z.string().regex(/^[A-Za-z0-9-]{1,64}$/),
  /** Version of the Claude Code that wrote the conversation. */
  claude: z.string().max(64),
  /** Tool calls whose results the conversation holds, its subagents' too. */
  calls: z.number().int().nonnegative(),
  /** Tool calls among the attempt's transcript events up to this one are held by the conversation. */
  seq: z.number().int().nonnegative(),
  /** In order; each is compressed JSON lines. */
  transcript: z.array(CheckpointPart).min(1).max(MAX_CHECKPOINT_PARTS),
  /** The work in progress at that moment; absent without a repository. */
  work: z
    .object({
      /** Where the attempt began, and where its own branch was. */
      start: CommitId,
      head: CommitId,
      /** All that git does not ignore, committed or not. */
      commit: CommitId,
      /** What leads from the attempt's inputs to `commit`; prerequisites first. */
      bundles: z.array(CheckpointPart.extend({commit: CommitId})).max(MAX_CHECKPOINT_PARTS),
    })
    .optional(),
});
export type Checkpoint = z.infer<typeof Checkpoint>;

export const CheckpointRecord = z.looseObject({
  ...recordFields,
  attemptId: AttemptId,
  agentId: AgentId,
  at: WallTime,
  checkpoint: Checkpoint,
});
export type CheckpointRecord = z.infer<typeof CheckpointRecord>;

/** What an attempt went on from. */
export const Continued = z.object({
  attemptId: AttemptId,
  agentId: AgentId,
  /** Tool calls that it need not repeat. */
  calls: z.number().int().nonnegative(),
});
export type Continued = z.infer<typeof Continued>;
