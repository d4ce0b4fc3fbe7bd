/** The stored record of an attempt: one placement of a task on one incarnation of an agent. */
import * as z from 'zod';
import {GateEvidence} from '../gate.ts';
import {AgentId, AttemptId, Fence, SessionId, TaskId, WallTime} from '../ids.ts';
import {Usage} from '../usage.ts';
import {recordFields} from './record.ts';
import {Failure, TaskResult} from './task.ts';

export const ATTEMPT_OUTCOMES = ['succeeded', 'failed', 'cancelled', 'lost', 'stale'] as const;
/** `stale` is a lost attempt that came back and was refused. */
export const AttemptOutcome = z.enum(ATTEMPT_OUTCOMES);
export type AttemptOutcome = z.infer<typeof AttemptOutcome>;

/** What the agent says became of its work, before the gates. */
export const AttemptReport = z.discriminatedUnion('outcome', [
  z.object({outcome: z.literal('succeeded'), result: TaskResult}),
  z.object({outcome: z.literal('failed'), failure: Failure}),
  z.object({outcome: z.literal('cancelled')}),
]);
export type AttemptReport = z.infer<typeof AttemptReport>;

/** Paths in one record, and all of them in bytes of UTF-8. */
export const MAX_CHANGED_PATHS = 200;
export const MAX_CHANGED_BYTES = 8192;

/** What an attempt has changed in its worktree so far, against where it started: paths from its root, sorted. */
export const ChangedPaths = z.object({
  names: z.array(z.string().max(1024)).max(MAX_CHANGED_PATHS),
  /** There are more. */
  truncated: z.boolean(),
});
export type ChangedPaths = z.infer<typeof ChangedPaths>;

/** Where an attempt works: an editor on that machine can open it while the worktree is there. */
export const WorktreePlace = z.object({hostname: z.string().max(255), path: z.string().max(4096)});
export type WorktreePlace = z.infer<typeof WorktreePlace>;

export const AttemptRecord = z.looseObject({
  ...recordFields,
  id: AttemptId,
  sessionId: SessionId,
  taskId: TaskId,
  number: z.number().int().positive(),
  agentId: AgentId,
  agentIncarnation: z.string().max(64),
  /** The coordinator that placed it. */
  coordinator: z.string().max(128),
  /** Why this agent: the score and what it is made of, by feature name. */
  placement: z
    .object({strategy: z.string().max(64), score: z.number(), features: z.record(z.string(), z.number())})
    .optional(),
  state: z.enum(['assigned', 'running', 'reported', 'verifying', 'ended']),
  assignedAt: WallTime,
  startedAt: WallTime.optional(),
  endedAt: WallTime.optional(),
  /** Milliseconds of work, without waiting for people. */
  activeMs: z.number().nonnegative().optional(),
  outcome: AttemptOutcome.optional(),
  report: AttemptReport.optional(),
  failure: Failure.optional(),
  gates: z.array(GateEvidence).max(32).optional(),
  /** Only gates ran, in the worktree of this earlier attempt. */
  recheckOf: AttemptId.optional(),
  /** Whether gates follow its report; absent when nobody said. */
  gated: z.boolean().optional(),
  usage: Usage,
  /** Set while spend that was reported after its end is not in the totals of its task, session and day yet: the part that is. */
  counted: Usage.optional(),
  /** Dollars that it was allotted. Absent: nothing limits it. */
  budgetUsd: z.number().positive().optional(),
  /** As its agent saw it last while it worked, seconds ago at most. */
  paths: ChangedPaths.optional(),
  /** Set when it starts to run, where it has a folder. */
  worktree: WorktreePlace.optional(),
  /** Set while its agent is silent: wall time in ms since when. */
  unreachableSince: WallTime.optional(),
  /** Effects that were refused because the fence had fallen. */
  refused: z.number().int().nonnegative().default(0),
});
export type AttemptRecord = z.infer<typeof AttemptRecord>;

/** Value of an attempt's live key. */
export const AttemptLive = z.looseObject({
  ...recordFields,
  agentId: AgentId,
  agentIncarnation: z.string().max(64),
});
export type AttemptLive = z.infer<typeof AttemptLive>;

/** Marks an attempt whose usage grew after its end, until the lead has counted that. */
export const LateUsageRecord = z.looseObject({...recordFields});
export type LateUsageRecord = z.infer<typeof LateUsageRecord>;

/** The attempt's worktree, which its agent may have kept, is to go. */
export const ReleaseRecord = z.looseObject({...recordFields});
export type ReleaseRecord = z.infer<typeof ReleaseRecord>;

/** An effect that came too late, kept for people: what was refused, and when. */
export const RefusalRecord = z.looseObject({
  ...recordFields,
  attemptId: AttemptId,
  agentId: AgentId.optional(),
  effect: z.enum(['completion', 'memory', 'ref', 'approval']),
  detail: z.string().max(2048),
  fence: Fence,
  at: WallTime,
});
export type RefusalRecord = z.infer<typeof RefusalRecord>;
