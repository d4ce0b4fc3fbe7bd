/** The stored record of a task: its state and how it got there. Its definition is in the session's plan. */
import * as z from 'zod';
import {GateEvidence, GateWaiver} from '../gate.ts';
import {AgentId, AttemptId, CommitId, SessionId, TaskId, WallTime} from '../ids.ts';
import {Usage} from '../usage.ts';
import {recordFields} from './record.ts';
import {CommitBundle} from './session.ts';

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

/** What a succeeded attempt leaves to its dependents. */
export const TaskResult = z.object({
  commit: CommitId.optional(),
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
  failure: Failure.optional(),
  /** Evidence of the gates of the last attempt that was verified. */
  gates: z.array(GateEvidence).max(32).optional(),
  note: TaskNote.optional(),
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
  usage: Usage,
  /** A task that the coordinator added: the merge of the result, or of conflicting inputs. */
  origin: z.enum(['plan', 'result', 'merge']).default('plan'),
  /** For origin `merge`: the task whose inputs it merges. */
  mergeFor: TaskId.optional(),
});
export type TaskRecord = z.infer<typeof TaskRecord>;
