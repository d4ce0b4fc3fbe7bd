/** The tasks that the coordinator adds to a plan: the merge of the session's result, and the merge of inputs that conflict. Pure. */
import {type Failure, RESULT_TASK_ID} from '../../protocol/model/task.ts';
import {PLAN_DEFAULTS, type Plan, type TaskSpecification} from '../../protocol/plan/plan.ts';
import {sinks} from './taskGraph.ts';

export function mergeTaskId(taskId: string): string {
  return `_merge-${taskId}`;
}

const PATHS_NAMED = 100;

/** Merges what nothing else depends on and runs the plan's gates. Undefined when there is nothing to merge or to check. */
export function resultTask(plan: Plan): TaskSpecification | undefined {
  if (plan.workspace.kind === 'none' && plan.gates.length === 0) return undefined;
  return {
    ...common(RESULT_TASK_ID, 'Merge of the results'),
    work: {kind: 'merge'},
    dependsOn: sinks(plan.tasks),
    // A merge gives the same again, so a gate that failed once fails for good.
    gates: plan.gates.map(gate => ({
      ...gate,
      onFailure: gate.onFailure === 'rollback' ? 'rollback' : 'fail',
    })),
    rollback: plan.rollback ?? {scope: 'session'},
    keepConflicts: false,
  };
}

/** Asks Claude Code to resolve what git could not. The conflict is the one that `task` failed with. */
export function mergeTask(
  plan: Plan,
  task: TaskSpecification,
  conflict: NonNullable<Failure['conflict']>,
): TaskSpecification {
  return {
    ...common(mergeTaskId(task.id), `Merge of the inputs of ${task.id}`),
    work: {
      kind: 'prompt',
      prompt: mergePrompt(plan, conflict),
      model: plan.merge.model,
      permissions: plan.merge.permissions ?? PLAN_DEFAULTS.permissions,
    },
    dependsOn: task.dependsOn,
    requires: task.requires,
    env: task.env,
    secrets: task.secrets,
    gates: [],
    budgetUsd: task.budgetUsd,
    priority: task.priority,
    keepConflicts: true,
  };
}

function common(
  id: string,
  title: string,
): Omit<TaskSpecification, 'work' | 'dependsOn' | 'gates' | 'keepConflicts'> {
  return {
    id,
    title,
    requires: {},
    affinity: [],
    retry: {...PLAN_DEFAULTS.retry, max: 2},
    timeoutMs: PLAN_DEFAULTS.timeoutMs,
    priority: 0,
    onLost: 'rerun',
    maxLosses: PLAN_DEFAULTS.maxLosses,
    env: {},
    secrets: [],
  };
}

function mergePrompt(plan: Plan, {paths, ours, theirs}: NonNullable<Failure['conflict']>): string {
  const named = paths.slice(0, PATHS_NAMED).map(path => `- ${path}`);
  if (paths.length > named.length) named.push(`- and ${paths.length - named.length} more`);
  const lines = [
    `Results of the plan "${plan.name}" edit the same places, and git could not merge them. Resolve the conflicts.`,
    '',
    'Paths with conflicts:',
    ...named,
    '',
    `One side: task "${ours.taskId}", commit ${ours.commit}. ${purposeOf(plan, ours.taskId)}`,
    `Other side: task "${theirs.taskId}", commit ${theirs.commit}. ${purposeOf(plan, theirs.taskId)}`,
    '',
    'The worktree holds the merge with conflict markers. Keep the intent of both sides: read both commits with git show and git log where the markers do not tell enough.',
    'Remove every conflict marker, keep the project building and its tests passing, and change nothing that the conflicts do not call for.',
  ];
  if (plan.merge.prompt !== undefined) lines.push('', plan.merge.prompt);
  return lines.join('\n');
}

function purposeOf(plan: Plan, taskId: string): string {
  const task = plan.tasks.find(candidate => candidate.id === taskId);
  if (!task) return '';
  if (task.title !== undefined) return `Its title: ${task.title}`;
  if (task.work.kind === 'prompt') return `It was asked: ${task.work.prompt.slice(0, 500)}`;
  return task.work.kind === 'run' ? `It ran: ${task.work.command.slice(0, 500)}` : '';
}
