/** What a rollback is about, and in which order: the last that was done is undone first. Pure. */
import type {RollbackStrategy} from '../../protocol/context.ts';
import {arrivals} from '../../protocol/plan/rollbackSchema.ts';
import type {SessionNode, TaskNode} from '../fleet/fleet.ts';

export function isRollingBack({record}: SessionNode): boolean {
  return record.state === 'ending' && record.endMode === 'rollback';
}

/** A gate wanted it undone, and it is not yet. */
export function isUndoDue({record}: TaskNode): boolean {
  return record.undo === 'due';
}

/** Of a task that says nothing. */
export function strategyOf({spec}: TaskNode): RollbackStrategy {
  return spec.rollback ?? {scope: 'task'};
}

/** The next to be undone, while its session is rolled back, or of those that are due. */
export function nextToUndo(session: SessionNode): TaskNode | undefined {
  const behind = isRollingBack(session)
    ? behindPoint(session, session.record.rollback?.syncPoint)
    : undefined;
  let last: TaskNode | undefined;
  for (const task of session.tasks.values()) {
    if (task.record.about) continue;
    const isMeant = isUndoDue(task) || (task.record.state === 'succeeded' && behind?.(task));
    if (isMeant && (!last || endOf(task) >= endOf(last))) last = task;
  }
  return last;
}

/** The names of the points of a plan at which tasks arrive. */
export function pointsOf({plan}: SessionNode): readonly string[] {
  return [...arrivals(plan.tasks).keys()];
}

function behindPoint(session: SessionNode, syncPoint: string | undefined): (task: TaskNode) => boolean {
  if (syncPoint === undefined) return () => true;
  const found = new Set<TaskNode>();
  const open = (arrivals(session.plan.tasks).get(syncPoint) ?? []).flatMap(id => session.tasks.get(id) ?? []);
  for (let next = open.pop(); next; next = open.pop())
    for (const dependent of next.dependents) {
      if (found.has(dependent)) continue;
      found.add(dependent);
      open.push(dependent);
    }
  return task => found.has(task);
}

function endOf({record}: TaskNode): number {
  return record.endedAt ?? 0;
}
