/** The stored record of a session: one run of one plan. */
import * as z from 'zod';
import {CommitId, SessionId, Sha256, WallTime} from '../ids.ts';
import {recordFields} from './record.ts';

export const SESSION_STATES = ['running', 'paused', 'ending', 'succeeded', 'failed', 'cancelled'] as const;
export const SessionState = z.enum(SESSION_STATES);
export type SessionState = z.infer<typeof SessionState>;

export const FINAL_SESSION_STATES: ReadonlySet<SessionState> = new Set(['succeeded', 'failed', 'cancelled']);

/** A git bundle in the artifact store: `commit` and its history down to `prerequisites`, which the receiver must have already. */
export const CommitBundle = z.object({
  commit: CommitId,
  sha256: Sha256,
  bytes: z.number().int().nonnegative(),
  prerequisites: z.array(CommitId).max(1024),
});
export type CommitBundle = z.infer<typeof CommitBundle>;

/** The commit that a session starts from, and how an agent gets it. */
export const WorkspaceSource = z.object({
  /** Same for every clone of one project: agents keep one repository per id. */
  repositoryId: z.string().max(128),
  commit: CommitId,
  bundles: z.array(CommitBundle).max(64),
  /** Archive of the ignored files that every worktree gets. */
  include: Sha256.optional(),
  /** For people: where the commit came from. */
  origin: z.string().max(4096).optional(),
  ref: z.string().max(1024).optional(),
});
export type WorkspaceSource = z.infer<typeof WorkspaceSource>;

export const TaskCounts = z.object({
  total: z.number().int().nonnegative(),
  succeeded: z.number().int().nonnegative(),
  failed: z.number().int().nonnegative(),
  cancelled: z.number().int().nonnegative(),
  running: z.number().int().nonnegative(),
  waiting: z.number().int().nonnegative(),
});
export type TaskCounts = z.infer<typeof TaskCounts>;

export const SessionRecord = z.looseObject({
  ...recordFields,
  id: SessionId,
  name: z.string().max(256),
  state: SessionState,
  /** The validated plan as canonical JSON in the artifact store. */
  plan: Sha256,
  workspace: WorkspaceSource.optional(),
  createdAt: WallTime,
  endedAt: WallTime.optional(),
  /** Cleared for a session whose failures a person wants to look at: worktrees stay. */
  keep: z.boolean().default(false),
  /** No model is called: Claude Code talks to a script. */
  rehearsal: z.boolean().default(false),
  strategy: z.string().max(64),
  budgetUsd: z.number().positive().optional(),
  spentUsd: z.number().nonnegative(),
  counts: TaskCounts,
  /** Why it did not succeed, for a person. */
  failure: z.string().max(8192).optional(),
  /** `bundles` is empty when there are too many for a record: then `bundleList` is the artifact that lists them as JSON. */
  result: z
    .object({
      commit: CommitId,
      branch: z.string().max(256),
      bundles: z.array(CommitBundle).max(4096),
      bundleList: Sha256.optional(),
    })
    .optional(),
  /** Set while `ending`: what the session becomes when its attempts are gone. */
  endingAs: z.enum(['failed', 'cancelled']).optional(),
  /** Set while `ending`: drain lets running attempts finish. */
  endMode: z.enum(['drain', 'cancel']).optional(),
  /** Set while `paused`. `budget`: it goes on when its budget is raised. */
  pauseReason: z.enum(['person', 'budget']).optional(),
});
export type SessionRecord = z.infer<typeof SessionRecord>;
