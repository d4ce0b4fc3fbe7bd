/** The stored record of a session: one run of one plan. */
import * as z from 'zod';
import {AgentId, CommitId, SessionId, Sha256, WallTime} from '../ids.ts';
import {OrchestrationMode} from './mode.ts';
import {recordFields} from './record.ts';

export const SESSION_STATES = [
  'running',
  'paused',
  'ending',
  'succeeded',
  'failed',
  'cancelled',
  'rolledBack',
] as const;
export const SessionState = z.enum(SESSION_STATES);
export type SessionState = z.infer<typeof SessionState>;

export const FINAL_SESSION_STATES: ReadonlySet<SessionState> = new Set([
  'succeeded',
  'failed',
  'cancelled',
  'rolledBack',
]);

/** A git bundle in the artifact store: `commit` and its history down to `prerequisites`, which the receiver must have already. */
export const CommitBundle = z.object({
  commit: CommitId,
  sha256: Sha256,
  bytes: z.number().int().nonnegative(),
  prerequisites: z.array(CommitId).max(1024),
});
export type CommitBundle = z.infer<typeof CommitBundle>;

/** Of the commit that a session starts from. */
export const MAX_BASE_BUNDLES = 64;

/** The commit that a session starts from, and how an agent gets it. */
export const WorkspaceSource = z.object({
  /** Same for every clone of one project: agents keep one repository per id. */
  repositoryId: z.string().max(128),
  commit: CommitId,
  /** Its tree, where who sent it said so. */
  tree: CommitId.optional(),
  bundles: z.array(CommitBundle).max(MAX_BASE_BUNDLES),
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

export const Speculation = z.object({
  begun: z.number().int().nonnegative(),
  won: z.number().int().nonnegative(),
  spentUsd: z.number().nonnegative(),
});
export type Speculation = z.infer<typeof Speculation>;

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
  /** Results of earlier tasks with identical inputs are left alone: everything is done again. What comes of it is kept all the same. */
  noCache: z.literal(true).optional(),
  /** Set while more tasks may come: it does not end by itself. */
  open: z.literal(true).optional(),
  /** The agent whose speed it measures: nobody asked for its result. */
  calibrates: AgentId.optional(),
  strategy: z.string().max(64),
  /** Which agents may do its work, where a person chose; absent: as the plan says. */
  mode: OrchestrationMode.optional(),
  /** Set while attempts on agents that its mode leaves out begin anew elsewhere. */
  givesBack: z.literal(true).optional(),
  budgetUsd: z.number().positive().optional(),
  spentUsd: z.number().nonnegative(),
  /** Backups of attempts that took too long: how many were begun and how many won, and their part of `spentUsd`. Absent: none. */
  speculation: Speculation.optional(),
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
  endingAs: z.enum(['failed', 'cancelled', 'rolledBack']).optional(),
  /** Set while `ending`: drain lets running attempts finish; rollback undoes what has succeeded when all are gone. */
  endMode: z.enum(['drain', 'cancel', 'rollback']).optional(),
  /** What is or was rolled back, and who wanted it. */
  rollback: z
    .object({
      /** What is behind this point; absent: everything. */
      syncPoint: z.string().max(64).optional(),
      by: z.string().max(256),
      at: WallTime,
    })
    .optional(),
  /** Set while `paused`. `budget`: it goes on when its budget is raised. */
  pauseReason: z.enum(['person', 'budget']).optional(),
});
export type SessionRecord = z.infer<typeof SessionRecord>;
