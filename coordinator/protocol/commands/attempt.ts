/** Attempts: assignment, completion, progress, gates, dependencies and effects, each under its fence. */
import * as z from 'zod';
import {ApprovalAnswer, ApprovalRequest, ApprovalState, QuestionRequest} from '../approval.ts';
import {GatedChange, GateEvidence, QualityGateConfig} from '../gate.ts';
import {AttemptId, CommitId, Fence, Identifier, SessionId, Sha256, TaskId, WallTime} from '../ids.ts';
import {AttemptReport, ChangedPaths, WorktreePlace} from '../model/attempt.ts';
import {CommitBundle} from '../model/session.ts';
import {Failure, TaskResult, TaskState} from '../model/task.ts';
import {MergeWork, TaskSpecification} from '../plan/plan.ts';
import {MAX_PARTS} from '../plan/splitSchema.ts';
import {TranscriptEvent} from '../transcript.ts';
import {Usage} from '../usage.ts';

/** In one request. */
export const MAX_DELEGATED = 100;

/** Where an attempt works: a worktree that starts from the merge of its inputs' commits, in this order. */
export const AssignedWorkspace = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('none')}),
  z.object({
    kind: z.literal('git'),
    repositoryId: z.string().max(128),
    base: CommitId,
    inputs: z.array(z.object({taskId: TaskId, commit: CommitId})).max(100_000),
    setup: z.array(z.string()).max(32),
    include: Sha256.optional(),
  }),
]);
export type AssignedWorkspace = z.infer<typeof AssignedWorkspace>;

export const TaskAssign = z.object({
  attemptId: AttemptId,
  fence: Fence,
  sessionId: SessionId,
  sessionName: z.string().max(256),
  taskId: TaskId,
  number: z.number().int().positive(),
  /** Same for every attempt of the task: `MCPX_TASK_KEY`. */
  taskKey: z.string().max(192),
  task: TaskSpecification,
  workspace: AssignedWorkspace,
  /** Failed gates and the failure of the attempt before, for the prompt. */
  previous: z.object({message: z.string().max(8192), gates: z.array(GateEvidence).max(32)}).optional(),
  /** What a person adds, for the prompt. */
  note: z.string().max(65_536).optional(),
  /** No work: only gates follow, in the worktree that this agent kept of an earlier attempt, and this is what that one left. */
  recheck: z.object({attemptId: AttemptId, result: TaskResult}).optional(),
  /** Dollars that this attempt may spend: the least of the task's, the session's and the day's. */
  budgetUsd: z.number().positive().optional(),
  keep: z.boolean(),
  rehearsal: z.boolean(),
  /** It runs beside another attempt: what it writes to shared memory waits until it has claimed the fence of its task. */
  backup: z.literal(true).optional(),
});
export type TaskAssign = z.infer<typeof TaskAssign>;

/**
 * An assignment whose work is to merge: the results of its inputs by git, in their order, and with `values` the values that they left. It is an
 * attempt like any other, fenced, gated and completed in the same way.
 */
export const ResultMerge = TaskAssign.extend({task: TaskSpecification.extend({work: MergeWork})});
export type ResultMerge = z.infer<typeof ResultMerge>;
/** Of an assignment and of a merge. */
export const TaskAssigned = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('accepted'),
    /** Where it is going to work; absent for what needs no folder. */
    worktree: WorktreePlace.optional(),
  }),
  /** The agent has it already: the assignment was sent twice. */
  z.object({kind: z.literal('known'), worktree: WorktreePlace.optional()}),
  z.object({
    kind: z.literal('refused'),
    reason: z.enum(['draining', 'noSlot', 'stopped']),
    message: z.string().max(1024),
  }),
]);

export const TaskComplete = z.object({
  attemptId: AttemptId,
  fence: Fence,
  report: AttemptReport,
  usage: Usage,
  startedAt: WallTime,
  endedAt: WallTime,
  /** Milliseconds of work, without waiting for people. */
  activeMs: z.number().nonnegative(),
});
export type TaskComplete = z.infer<typeof TaskComplete>;
/** `accepted` is sent after the commit. A completion that was accepted before is accepted again. */
export const TaskCompleted = z.object({
  accepted: z.literal(true),
  /** Gates follow: the worktree is needed until it is released. */ gates: z.boolean(),
});

/** A backup whose work is done takes the fence of its task, before anything that it wrote is sent. */
export const AttemptClaim = z.object({attemptId: AttemptId, fence: Fence});
export type AttemptClaim = z.infer<typeof AttemptClaim>;

export const StatusUpdate = z.object({
  attemptId: AttemptId,
  fence: Fence,
  /** Sequence number of the first event; events are numbered from 1 in each attempt. */
  firstSeq: z.number().int().positive(),
  events: z.array(TranscriptEvent).max(1024),
  usage: Usage.optional(),
  /** What it has changed so far, when that is new. */
  paths: ChangedPaths.optional(),
  /** The attempt is about to complete: what has come is made durable at once instead of with what would follow. */
  final: z.boolean().optional(),
});
export type StatusUpdate = z.infer<typeof StatusUpdate>;
/** Every event up to here is durable; the agent may forget it. */
export const StatusUpdated = z.object({ackedSeq: z.number().int().nonnegative()});

export const QualityGate = z.object({
  attemptId: AttemptId,
  fence: Fence,
  gate: QualityGateConfig,
  env: z.record(z.string(), z.string()),
});
export type QualityGate = z.infer<typeof QualityGate>;
/** A review and an approval are judged elsewhere: `change` is what there is to judge, and the evidence says no more than that it is there. */
export const QualityGateResult = z.object({evidence: GateEvidence, change: GatedChange.optional()});

export const DependencyResolve = z.object({
  attemptId: AttemptId,
  fence: Fence,
  /** What became of these, which the attempt has asked for. Default: nothing of that kind. */
  delegated: z.array(TaskId).max(MAX_DELEGATED).optional(),
});
export type DependencyResolve = z.infer<typeof DependencyResolve>;
export const DependencyResolved = z.object({
  results: z.array(z.object({taskId: TaskId, result: TaskResult})).max(100_000),
  /** Everything needed to have the base and every input's commit, prerequisites first. */
  bundles: z.array(CommitBundle).max(100_000),
  delegated: z
    .array(
      z.object({
        taskId: TaskId,
        state: TaskState,
        result: TaskResult.optional(),
        failure: Failure.optional(),
      }),
    )
    .optional(),
});

/**
 * Of a running attempt. `parts`: its task is divided, each part has these items, and the attempt makes way for them. `tasks`: more work for others,
 * numbered from `first` on, for which the attempt may wait; whatever depends on its task depends on them too.
 */
export const TaskSplitRequest = z.object({
  attemptId: AttemptId,
  fence: Fence,
  split: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('parts'),
      parts: z
        .array(z.array(z.string().max(4096)).max(10_000))
        .min(1)
        .max(MAX_PARTS),
    }),
    z.object({
      kind: z.literal('tasks'),
      first: z.number().int().positive(),
      /** Their ids are given by the coordinator, and they depend on what the attempt's own task depends on. */
      tasks: z.array(TaskSpecification).min(1).max(MAX_DELEGATED),
    }),
  ]),
});
export type TaskSplitRequest = z.infer<typeof TaskSplitRequest>;
/** The ids of the parts or tasks, in their order: the same again for the same request. */
export const TaskSplitDone = z.object({taskIds: z.array(TaskId)});
export type TaskSplitDone = z.infer<typeof TaskSplitDone>;

export const RefUpdate = z.object({
  attemptId: AttemptId,
  fence: Fence,
  name: z
    .string()
    .min(1)
    .max(128)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_./-]*$/),
  commit: CommitId,
  bundle: CommitBundle.optional(),
});
export type RefUpdate = z.infer<typeof RefUpdate>;

export const ApprovalAsk = z.object({
  attemptId: AttemptId,
  fence: Fence,
  approvalId: Identifier,
  request: ApprovalRequest,
});
export type ApprovalAsk = z.infer<typeof ApprovalAsk>;
/** The answer when there is one already; else it is delivered by `mcpx.approval.deliver`. */
export const ApprovalAsked = z.object({answer: ApprovalAnswer.optional()});
/** Under whose name questions stand that are about no task. */
export const LEAD_QUESTIONS = '_lead';

/**
 * Asks a person without waiting: of a client for its session, of an attempt (`fence`) for its task. Asked again under the same id it tells what became of
 * the question; without `questions` it only looks.
 */
export const QuestionAsk = z.object({
  sessionId: SessionId,
  questionId: Identifier,
  /** What it is about; an attempt's is about its own task. */
  taskId: TaskId.optional(),
  fence: Fence.optional(),
  questions: QuestionRequest.shape.questions.optional(),
});
export type QuestionAsk = z.infer<typeof QuestionAsk>;
export const QuestionAsked = z.object({state: ApprovalState});
export type QuestionAsked = z.infer<typeof QuestionAsked>;

export const ApprovalDeliver = z.object({
  attemptId: AttemptId,
  approvalId: Identifier,
  answer: ApprovalAnswer,
});

/** For an attempt's Claude Code: opens the hub's tools as long as the fence stands. */
export const AttemptToken = z.object({attemptId: AttemptId, fence: Fence});
export type AttemptToken = z.infer<typeof AttemptToken>;
export const AttemptTokenMade = z.object({token: z.string().max(1024)});

export const AttemptCancel = z.object({
  attemptId: AttemptId,
  reason: z.string().max(1024),
  /** Kill at once. */ force: z.boolean().default(false),
});
export const AttemptCancelled = z.object({
  /** False when the agent does not run it (any more). */ known: z.boolean(),
});

/** The attempt is over: its worktree may go. */
export const AttemptRelease = z.object({attemptId: AttemptId, keep: z.boolean()});
/** `kept`: the worktree is there, whole, and stays. */
export const AttemptReleased = z.object({kept: z.boolean().optional()});

export const AttemptControl = z.object({
  attemptId: AttemptId,
  action: z.discriminatedUnion('kind', [
    z.object({kind: z.literal('message'), text: z.string().min(1).max(262_144)}),
    z.object({kind: z.literal('interrupt')}),
    z.object({kind: z.literal('model'), model: z.string().min(1).max(128)}),
    z.object({
      kind: z.literal('permissionMode'),
      mode: z.enum(['ask', 'acceptEdits', 'dontAsk', 'plan', 'bypass']),
    }),
  ]),
});
export type AttemptControl = z.infer<typeof AttemptControl>;
export const AttemptControlled = z.object({done: z.boolean(), message: z.string().max(1024).optional()});
