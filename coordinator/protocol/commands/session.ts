/** Sessions: start, end, steer. */
import * as z from 'zod';
import {GateWaiver} from '../gate.ts';
import {AgentId, SessionId, Sha256, TaskId} from '../ids.ts';
import {SessionRecord, WorkspaceSource} from '../model/session.ts';
import {MAX_NOTE_CHARS} from '../model/task.ts';
import {Plan, TaskSpecification} from '../plan/plan.ts';

/** In one request. */
export const MAX_ADDED_TASKS = 1000;

export const SessionStart = z.object({
  /** Chosen by the client, so that a repeated request starts one session. */
  sessionId: SessionId,
  plan: z.union([Plan, z.object({artifact: Sha256})]),
  /** Required unless the plan's workspace is `none`. */
  workspace: WorkspaceSource.optional(),
  keep: z.boolean().default(false),
  rehearsal: z.boolean().default(false),
  /** Every task is done, whatever is known of earlier ones with identical inputs. */
  noCache: z.boolean().optional(),
  /** Tasks may be added until it is closed: until then it does not end by itself, and its plan may have none. */
  open: z.boolean().optional(),
});
export type SessionStart = z.infer<typeof SessionStart>;
export const SessionStarted = z.object({
  session: SessionRecord,
  /** False when this request repeated an earlier one. */ created: z.boolean(),
});

export const SessionEnd = z.object({
  sessionId: SessionId,
  /** drain: nothing new starts, running attempts finish. cancel: running attempts are stopped. rollback: cancel, then undo. */
  mode: z.enum(['drain', 'cancel', 'rollback']),
  reason: z.string().max(4096).optional(),
  /** For rollback: only what is behind this synchronisation point is undone. */
  syncPoint: z.string().min(1).max(64).optional(),
});
export type SessionEnd = z.infer<typeof SessionEnd>;
export const SessionAnswer = z.object({session: SessionRecord});

export const SessionControl = z.object({
  sessionId: SessionId,
  action: z.discriminatedUnion('kind', [
    z.object({kind: z.literal('pause')}),
    /** Continues a paused session, and gives failed and parked tasks of an ended one a fresh start. */
    z.object({kind: z.literal('resume')}),
    /** A fresh start of a failed, cancelled or waiting task, with what held back by it. */
    z.object({
      kind: z.literal('retryTask'),
      taskId: TaskId,
      /** For the prompts of its attempts from now on; kept with the task. */
      note: z.string().trim().min(1).max(MAX_NOTE_CHARS).optional(),
    }),
    z.object({kind: z.literal('cancelTask'), taskId: TaskId}),
    /** Its running attempt ends at nobody's cost, and it is placed on another agent, or on this one, for which it waits. */
    z.object({kind: z.literal('reassignTask'), taskId: TaskId, agentId: AgentId.optional()}),
    /** Only the gates of a task that failed by them, or that waits for one, run again. */
    z.object({kind: z.literal('rerunGates'), taskId: TaskId}),
    /** The result counts although this gate, or whatever has not passed, did not pass. */
    z.object({
      kind: z.literal('waiveGate'),
      taskId: TaskId,
      gate: z.string().min(1).max(64).optional(),
      reason: GateWaiver.shape.reason,
    }),
    /** More tasks for a session that runs or is paused. Tasks that it has already, word for word, are passed over. */
    z.object({kind: z.literal('addTasks'), tasks: z.array(TaskSpecification).min(1).max(MAX_ADDED_TASKS)}),
    /** No more tasks come: an open session ends once those that it has have ended. */
    z.object({kind: z.literal('close')}),
    z.object({kind: z.literal('budget'), budgetUsd: z.number().positive()}),
    /** Tells the coordinator what became of the result branch; the worktrees of a kept session are cleaned. */
    z.object({kind: z.literal('release')}),
  ]),
});
export type SessionControl = z.infer<typeof SessionControl>;
