/** The task that undoes, by the plan's own command, what another did outside git and shared memory. Pure. */
import {PLAN_DEFAULTS, type TaskSpecification} from '../../protocol/plan/plan.ts';

export function undoTaskId(taskId: string): string {
  return `_undo-${taskId}`;
}

/** Undefined when the task says nothing of how it is undone. It may run twice, as every attempt may. */
export function undoTask(subject: TaskSpecification): TaskSpecification | undefined {
  const command = subject.rollback?.compensate;
  if (command === undefined) return undefined;
  return {
    id: undoTaskId(subject.id),
    title: `Undoes ${subject.id}`,
    work: {kind: 'run', command},
    dependsOn: [],
    requires: subject.requires,
    affinity: [],
    gates: [],
    retry: {...PLAN_DEFAULTS.retry, max: 2},
    timeoutMs: subject.timeoutMs,
    priority: subject.priority,
    onLost: 'rerun',
    maxLosses: PLAN_DEFAULTS.maxLosses,
    env: {...subject.env, MCPX_UNDONE_TASK: subject.id},
    secrets: subject.secrets,
    keepConflicts: false,
  };
}
