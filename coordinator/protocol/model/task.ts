/** The stored record of a task: its state and how it got there. Its definition is in the session's plan. */
import * as z from 'zod';
import {GateEvidence, GateWaiver} from '../gate.ts';
import {AgentId, AttemptId, CommitId, SessionId, Sha256, TaskId, WallTime} from '../ids.ts';
import {Usage} from '../usage.ts';
import {recordFields} from './record.ts';
import {CommitBundle, MAX_BASE_BUNDLES} from './session.ts';

/** The task that merges the leaves and runs the plan's gates. */
export const RESULT_TASK_ID = '_result';

export const TASK_STATES = [
  'pending',
  'ready',
  'assigned',
  'running',
  'verifying',
  'succeeded',
  'failed',
  'cancelled',
  'rolledBack',
] as const;
export const TaskState = z.enum(TASK_STATES);
export type TaskState = z.infer<typeof TaskState>;

export const FINAL_TASK_STATES: ReadonlySet<TaskState> = new Set([
  'succeeded',
  'failed',
  'cancelled',
  'rolledBack',
]);

/** Commits that a task whose result is kept for others starts from, at most. */
export const MAX_CACHED_PARENTS = 64;

/** What a succeeded attempt leaves to its dependents. */
export const TaskResult = z.object({
  commit: CommitId.optional(),
  /** That of `commit`. */
  tree: CommitId.optional(),
  /** A digest of the trees that led here: results of one lineage merge alike. */
  lineage: Sha256.optional(),
  /** The commits that it started from, where the prerequisites of its bundle do not say so. */
  startedFrom: z.array(CommitId).max(MAX_CACHED_PARENTS).optional(),
  /** What `bundle` needs beyond the session's own commits, prerequisites first: it was taken from another session. */
  borrowed: z
    .array(CommitBundle)
    .max(MAX_BASE_BUNDLES + 1)
    .optional(),
  /** Absent when the commit is an input's own: nothing was changed. */
  bundle: CommitBundle.optional(),
  summary: z.string().max(8192),
  value: z.json().optional(),
});
export type TaskResult = z.infer<typeof TaskResult>;

export const FAILURE_KINDS = [
  'exit',
  'gate',
  'timeout',
  'deadline',
  'budget',
  'conflict',
  'workspace',
  'secrets',
  'api',
  'rateLimit',
  'auth',
  'missing',
  'maxTurns',
  'refused',
  'crashed',
  'losses',
  'dependency',
  'cancelled',
  'internal',
] as const;
export const FailureKind = z.enum(FAILURE_KINDS);
export type FailureKind = z.infer<typeof FailureKind>;

export const Failure = z.object({
  kind: FailureKind,
  message: z.string().max(8192),
  /** For `conflict`: both sides, kept. */
  conflict: z
    .object({
      paths: z.array(z.string().max(4096)).max(1000),
      ours: z.object({taskId: TaskId, commit: CommitId}),
      theirs: z.object({taskId: TaskId, commit: CommitId}),
    })
    .optional(),
});
export type Failure = z.infer<typeof Failure>;

/** Characters of a note: it shares its record with evidence and failure. */
export const MAX_NOTE_CHARS = 4096;

/** What a person adds to what the task says. It goes into the prompt of every attempt from then on, until another takes its place. */
export const TaskNote = z.object({
  text: z.string().max(MAX_NOTE_CHARS),
  /** The principal. */
  by: z.string().max(256),
  at: WallTime,
});
export type TaskNote = z.infer<typeof TaskNote>;

/** What an attempt left, for a task that is about that. */
export const AttemptSubject = z.object({
  taskId: TaskId,
  attemptId: AttemptId,
  gate: z.string().max(64).optional(),
  /** Where the attempt began, and what it left; absent where there is no repository. */
  from: CommitId.optional(),
  to: CommitId.optional(),
});
export type AttemptSubject = z.infer<typeof AttemptSubject>;

/** Where the result of a task comes from that was not done again. */
export const Reused = z.object({
  /** Of what decides the result. */
  key: Sha256,
  /** Whose result it is; its session may be gone. */
  attemptId: AttemptId,
  agentId: AgentId,
  /** When that ended. */
  madeAt: WallTime,
  /** What it took there, and what the task spent on it: that was not spent again. */
  activeMs: z.number().nonnegative().optional(),
  costUsd: z.number().nonnegative(),
});
export type Reused = z.infer<typeof Reused>;

export const TaskRecord = z.looseObject({
  ...recordFields,
  sessionId: SessionId,
  id: TaskId,
  state: TaskState,
  /** Attempts so far, whatever became of them. */
  attempts: z.number().int().nonnegative(),
  /** Spent of `retry.max`. */
  retries: z.number().int().nonnegative(),
  /** Spent of `maxLosses`. */
  losses: z.number().int().nonnegative(),
  currentAttempt: AttemptId.optional(),
  /** It runs beside the current one; the first completion counts. */
  backupAttempt: AttemptId.optional(),
  /** The one that ended last with a say in what became of the task. Absent: that of the highest number. */
  lastAttempt: AttemptId.optional(),
  readyAt: WallTime.optional(),
  startedAt: WallTime.optional(),
  endedAt: WallTime.optional(),
  /** Hub time in ms before which it is not placed: a retry's backoff. */
  notBefore: z.number().nonnegative().optional(),
  /** Why a ready task waits, for a person: no agent fits, or a person has to decide. */
  waitingFor: z
    .object({
      kind: z.enum(['agent', 'person', 'backoff', 'budget', 'rateLimit']),
      message: z.string().max(2048),
    })
    .optional(),
  result: TaskResult.optional(),
  /** Set while its result is that of an earlier task with identical inputs: `gates` is the evidence of then. */
  cached: Reused.optional(),
  failure: Failure.optional(),
  /** Evidence of the gates of the last attempt that was verified. */
  gates: z.array(GateEvidence).max(32).optional(),
  note: TaskNote.optional(),
  /** What a person chose; absent: that of its definition, or else the session's. */
  strategy: z.string().max(64).optional(),
  /** Where a person wants its next attempt: gone once an agent has begun it. Attempts up to number `after` make way for it. */
  wished: z
    .object({
      on: AgentId.optional(),
      notOn: AgentId.optional(),
      after: z.number().int().nonnegative(),
    })
    .optional(),
  /** Only its gates run, in the worktree of this attempt, which is on this agent. */
  recheck: z.object({attemptId: AttemptId, agentId: AgentId}).optional(),
  /** Gates that its present attempt need not pass. */
  waived: z
    .array(z.object({gate: z.string().max(64), waiver: GateWaiver}))
    .max(32)
    .optional(),
  /** A gate said that it is to be rolled back, and it is not yet. */
  undo: z.literal('due').optional(),
  /** Set when it is rolled back: when, and what of that did not work. */
  rolledBack: z.object({at: WallTime, trouble: z.string().max(2048).optional()}).optional(),
  usage: Usage,
  /** A task that the coordinator added: the merge of the result or of conflicting inputs, the review of a result, or what undoes one. */
  origin: z.enum(['plan', 'result', 'merge', 'review', 'undo']).default('plan'),
  /** The task of which it is a part, or whose attempt asked for it. */
  parentTaskId: TaskId.optional(),
  /** For origin `merge`: the task whose inputs it merges. */
  mergeFor: TaskId.optional(),
  /** For origins `review` and `undo`: what it looks at now. It begins anew for every attempt. */
  about: AttemptSubject.optional(),
});
export type TaskRecord = z.infer<typeof TaskRecord>;
