/** What a rollback of a session would undo, as its plan and its tasks are now. Pure. */
import type {SessionRecord} from '../../protocol/model/session.ts';
import {FINAL_TASK_STATES, type TaskRecord} from '../../protocol/model/task.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import {arrivals} from '../../protocol/plan/rollbackSchema.ts';

export interface RollbackPreview {
  /** Tasks of the plan that have succeeded and are undone, in plan order. */
  readonly undone: readonly string[];
  /** Of these, the ones whose plan has a command that undoes what is outside git and shared memory. */
  readonly compensated: readonly string[];
  /** Unfinished tasks, wherever they stand: their attempts are stopped. */
  readonly stopped: readonly string[];
}

/** The synchronisation points of a plan at which tasks arrive, in plan order. */
export function rollbackPoints(plan: Plan): readonly string[] {
  return [...arrivals(plan.tasks).keys()];
}

/** A session that is not rolled back yet, or only in part. */
export function canRollBack({state, rollback, counts}: SessionRecord): boolean {
  if (state === 'ending') return false;
  return state !== 'rolledBack' || (rollback?.syncPoint !== undefined && counts.succeeded > 0);
}

/** `syncPoint`: only what is behind it. */
export function rollbackPreview(
  plan: Plan,
  tasks: Iterable<TaskRecord>,
  syncPoint?: string,
): RollbackPreview {
  const states = new Map([...tasks].map(({id, state}) => [id, state]));
  const behind = syncPoint === undefined ? undefined : behindPoint(plan, syncPoint);
  const undone = plan.tasks.filter(
    ({id}) => states.get(id) === 'succeeded' && (behind === undefined || behind.has(id)),
  );
  return {
    undone: undone.map(({id}) => id),
    compensated: undone.flatMap(({id, rollback}) => (rollback?.compensate === undefined ? [] : [id])),
    stopped: [...states].flatMap(([id, state]) =>
      state === 'pending' || state === 'ready' || FINAL_TASK_STATES.has(state) ? [] : [id],
    ),
  };
}

function behindPoint({tasks}: Plan, syncPoint: string): ReadonlySet<string> {
  const dependents = new Map<string, string[]>();
  for (const {id, dependsOn, after = []} of tasks)
    for (const other of [...dependsOn, ...after]) {
      const known = dependents.get(other);
      if (known) known.push(id);
      else dependents.set(other, [id]);
    }
  const found = new Set<string>();
  const open = [...(arrivals(tasks).get(syncPoint) ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop())
    for (const dependent of dependents.get(next) ?? []) {
      if (found.has(dependent)) continue;
      found.add(dependent);
      open.push(dependent);
    }
  return found;
}
