/** Which commits an attempt starts from, and which bundles bring them to an agent. Pure. */
import type {AssignedWorkspace} from '../../protocol/commands/attempt.ts';
import type {CommitBundle, WorkspaceSource} from '../../protocol/model/session.ts';
import type {TaskRecord, TaskResult} from '../../protocol/model/task.ts';
import type {Plan} from '../../protocol/plan/plan.ts';

/** A task as far as the flow of commits is concerned. `needs` are the tasks whose commits it starts from, in the order of merging. */
export interface ResultSource {
  readonly needs: readonly string[];
  readonly result: TaskResult | undefined;
}

export type ResultSources = (taskId: string) => ResultSource | undefined;

/**
 * The base bundles, then those of everything that `taskId` builds on, prerequisites first. The task's own result is not in it. No recursion: a
 * chain may be 100,000 long.
 */
export function dependencyBundles(
  workspace: WorkspaceSource | undefined,
  sources: ResultSources,
  taskId: string,
): CommitBundle[] {
  const bundles = [...(workspace?.bundles ?? [])];
  const have = new Set(bundles.map(bundle => bundle.commit));
  const visited = new Set<string>([taskId]);
  const stack = [{id: taskId, next: 0}];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const source = sources(top.id);
    const need = source?.needs[top.next];
    if (need !== undefined) {
      top.next += 1;
      if (visited.has(need)) continue;
      visited.add(need);
      stack.push({id: need, next: 0});
      continue;
    }
    stack.pop();
    if (top.id === taskId) continue;
    for (const bundle of bundlesOf(source?.result)) {
      if (have.has(bundle.commit)) continue;
      have.add(bundle.commit);
      bundles.push(bundle);
    }
  }
  return bundles;
}

/** As `dependencyBundles`, with the task's own. */
export function resultBundles(
  workspace: WorkspaceSource | undefined,
  sources: ResultSources,
  taskId: string,
): CommitBundle[] {
  const bundles = dependencyBundles(workspace, sources, taskId);
  const have = new Set(bundles.map(({commit}) => commit));
  return [...bundles, ...bundlesOf(sources(taskId)?.result).filter(({commit}) => !have.has(commit))];
}

/** Of the result itself, prerequisites first. */
export function bundlesOf({bundle, borrowed = []}: Partial<TaskResult> = {}): CommitBundle[] {
  return bundle ? [...borrowed, bundle] : [...borrowed];
}

/** Inputs without a commit, or that left the base as it was, are not merged. */
export function assignedWorkspace(
  plan: Plan,
  workspace: WorkspaceSource | undefined,
  sources: ResultSources,
  taskId: string,
): AssignedWorkspace {
  if (plan.workspace.kind === 'none' || !workspace) return {kind: 'none'};
  const inputs: {taskId: string; commit: string}[] = [];
  const seen = new Set([workspace.commit]);
  for (const need of sources(taskId)?.needs ?? []) {
    const commit = sources(need)?.result?.commit;
    if (commit === undefined || seen.has(commit)) continue;
    seen.add(commit);
    inputs.push({taskId: need, commit});
  }
  return {
    kind: 'git',
    repositoryId: workspace.repositoryId,
    base: workspace.commit,
    inputs,
    setup: plan.workspace.setup,
    include: workspace.include,
  };
}

export function resultOf(record: TaskRecord): TaskResult | undefined {
  return record.state === 'succeeded' ? record.result : undefined;
}
