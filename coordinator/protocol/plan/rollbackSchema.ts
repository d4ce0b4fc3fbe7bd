/** Synchronisation points and rollbacks as a plan file writes them, and what follows from them for the tasks of a plan. */
import * as z from 'zod';
import type {RollbackStrategy} from '../context.ts';
import {Duration} from './duration.ts';
import type {GraphNode} from './graph.ts';

const name = z.string().min(1).max(64);

export const PlanSyncPoint = z.union([
  name.describe('Name of the point.'),
  z.strictObject({
    name: name.describe('Name of the point.'),
    timeout: Duration.optional().describe(
      'Longest wait after the first task has arrived; those that have not by then fail.',
    ),
  }),
]);
export type PlanSyncPoint = z.infer<typeof PlanSyncPoint>;

export const PlanRollback = z.union([
  z.enum(['none', 'task', 'session']).describe('How much is undone.'),
  z.strictObject({
    scope: z
      .enum(['none', 'task', 'session', 'syncPoint'])
      .default('task')
      .describe(
        'none: nothing is undone. task: the task. session: every task of the session. syncPoint: every task behind the point.',
      ),
    syncPoint: name.optional().describe('For the scope syncPoint: its name.'),
    compensate: z
      .string()
      .min(1)
      .max(16_384)
      .optional()
      .describe(
        'A shell command that undoes what is outside git and shared memory. It runs in a worktree of the result that it undoes, and may run twice.',
      ),
  }),
]);
export type PlanRollback = z.infer<typeof PlanRollback>;

export function resolveSyncPoint(point: PlanSyncPoint): {name: string; timeoutMs?: number} {
  if (typeof point === 'string') return {name: point};
  return {name: point.name, ...(point.timeout === undefined ? {} : {timeoutMs: point.timeout})};
}

export function resolveRollback(rollback: PlanRollback): RollbackStrategy {
  return typeof rollback === 'string' ? {scope: rollback} : rollback;
}

export interface Arriving extends GraphNode {
  readonly syncPoint?: {readonly name: string} | undefined;
}

/** The tasks that arrive at each point, in order. */
export function arrivals(tasks: readonly Arriving[]): Map<string, string[]> {
  const points = new Map<string, string[]>();
  for (const {id, syncPoint} of tasks) {
    if (!syncPoint) continue;
    const known = points.get(syncPoint.name);
    if (known) known.push(id);
    else points.set(syncPoint.name, [id]);
  }
  return points;
}

/** For each task what it waits for besides its dependencies: all that arrive where one of these does. */
export function barriers(tasks: readonly Arriving[]): Map<string, string[]> {
  const points = arrivals(tasks);
  const waits = new Map<string, string[]>();
  if (points.size === 0) return waits;
  const pointOf = new Map(tasks.map(({id, syncPoint}) => [id, syncPoint?.name]));
  for (const {id, dependsOn} of tasks) {
    const names = new Set(dependsOn.flatMap(dependency => pointOf.get(dependency) ?? []));
    const own = new Set(dependsOn);
    const others = [...names].flatMap(point => points.get(point) ?? []).filter(other => !own.has(other));
    if (others.length > 0) waits.set(id, [...new Set(others)]);
  }
  return waits;
}
