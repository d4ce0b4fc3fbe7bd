/** Where tasks would go: a forecast, by which nothing is started. */
import * as z from 'zod';
import {AgentId, SessionId, TaskId} from '../ids.ts';
import {PlacementDecision} from '../model/attempt.ts';
import {Plan, TaskSpecification} from '../plan/plan.ts';

/** Tasks of one answer. */
export const MAX_FORECAST = 2000;

/**
 * `plan`: one that is not started. `tasks`: by themselves, or as if they were added to `sessionId`. `sessionId` alone: what that session has still to
 * do. `agents`: as if these were the only ones.
 */
export const DistributePlan = z
  .object({
    plan: Plan.optional(),
    tasks: z.array(TaskSpecification).min(1).max(MAX_FORECAST).optional(),
    sessionId: SessionId.optional(),
    agents: z.array(AgentId).max(10_000).optional(),
  })
  .refine(
    ({plan, tasks, sessionId}) =>
      plan ? !tasks && sessionId === undefined : tasks || sessionId !== undefined,
    {
      message: 'give a plan by itself, or tasks, a session or both',
    },
  );
export type DistributePlan = z.infer<typeof DistributePlan>;

export const PlannedTask = PlacementDecision.omit({seed: true, inputHash: true}).extend({
  taskId: TaskId,
  agentId: AgentId,
  /** What it seems to need and why, a sentence each. */
  reasons: z.array(z.string()),
  /** Milliseconds from now: an estimate, with the tries that failures are expected to cost. */
  startMs: z.number().nonnegative(),
  finishMs: z.number().nonnegative(),
});
export type PlannedTask = z.infer<typeof PlannedTask>;

export const DistributionPlan = z.object({
  /** In the order in which they would be placed. */
  assignments: z.array(PlannedTask),
  /** Nobody fits these, each with a sentence; they would wait. */
  unplaced: z.array(z.object({taskId: TaskId, reason: z.string().max(2048)})),
  /** Milliseconds from now until the last of them is done. */
  finishMs: z.number().nonnegative(),
  /** Tasks beyond what one answer holds. */
  more: z.number().int().nonnegative(),
});
export type DistributionPlan = z.infer<typeof DistributionPlan>;
