/** The stored record of an attempt: one placement of a task on one incarnation of an agent. */
import * as z from 'zod';
import {GateEvidence} from '../gate.ts';
import {AgentId, AttemptId, Fence, SessionId, TaskId, WallTime} from '../ids.ts';
import {Usage} from '../usage.ts';
import {Continued} from './checkpoint.ts';
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

const RatedAgent = z.object({
  agentId: AgentId,
  score: z.number(),
  /** What the score is made of, by name. */
  features: z.record(z.string(), z.number()),
});

/** Why an agent got the attempt: its score and what that is made of, the next best, and what was predicted. */
export const PlacementDecision = z.object({
  /** The one that decided: that of the task or the session, or what it falls back to while it knows too little. */
  strategy: z.string().max(64),
  /** The strategy that was wanted and did not decide, and why. */
  insteadOf: z.object({strategy: z.string().max(64), reason: z.string().max(512)}).optional(),
  score: z.number(),
  features: z.record(z.string(), z.number()),
  /** What the task was taken for. */
  taskClass: z.string().max(128).optional(),
  /** Domains that it seemed to need, where its plan names none. */
  guessed: z.array(z.string().max(64)).max(8).optional(),
  /** Agents that were looked at. */
  considered: z.number().int().nonnegative().optional(),
  others: z.array(RatedAgent).max(8).optional(),
  /** Milliseconds that were expected of it. */
  durationMs: z.number().nonnegative().optional(),
  /** The probability of success that was expected. */
  success: z.number().min(0).max(1).optional(),
  /** Of the draws that the decision used. */
  seed: z.number().int().optional(),
  /** Of the task, the agents that were looked at and their free slots. */
  inputHash: z.string().max(64).optional(),
});
export type PlacementDecision = z.infer<typeof PlacementDecision>;

/** Why an attempt was begun beside another: times in ms, of that one. */
export const BackupOf = z.object({
  attemptId: AttemptId,
  /** For how long it had run. */
  elapsedMs: z.number().nonnegative(),
  /** What it was expected to take on its agent. */
  expectedMs: z.number().nonnegative(),
  /** What it was expected to need still. */
  leftMs: z.number().nonnegative(),
});
export type BackupOf = z.infer<typeof BackupOf>;

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
  placement: PlacementDecision.optional(),
  /** Attempts of one class are expected to take as long. */
  taskClass: z.string().max(128).optional(),
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
  /** It was begun beside this attempt. */
  backupOf: BackupOf.optional(),
  /** Set while that one has its task's fence: until it takes it, nothing of it counts but its completion. */
  backup: z.literal(true).optional(),
  /** The attempt that was begun beside it last. */
  rival: AttemptId.optional(),
  /** It went on with the conversation of this earlier attempt. */
  continued: Continued.optional(),
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
  effect: z.enum(['completion', 'memory', 'ref', 'approval', 'checkpoint']),
  detail: z.string().max(2048),
  fence: Fence,
  at: WallTime,
});
export type RefusalRecord = z.infer<typeof RefusalRecord>;
