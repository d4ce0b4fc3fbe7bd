/** The shape of a session's graph: tasks of the plan and those that were added, what waits for what, stages, and the chain that decides when it ends. Pure. */
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {RESULT_TASK_ID} from '../../coordinator/protocol/model/task.ts';
import type {Plan, TaskSpecification} from '../../coordinator/protocol/plan/plan.ts';

export interface GraphNode {
  readonly id: string;
  readonly title: string;
  readonly specification: TaskSpecification | undefined;
  /** The task of which it is a part, or whose attempt asked for it. */
  readonly parentId: string | undefined;
}

/** Of a title that is made of a task's work, in characters. */
const LONGEST_TITLE = 120;

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly indexOf: ReadonlyMap<string, number>;
  /** By node: indexes of what it waits for, and of what waits for it. */
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  /** By node: the length of the longest chain before it. */
  readonly stageOf: readonly number[];
  /** Nodes of each stage. */
  readonly stages: readonly (readonly number[])[];
}

/** What the plan does not name: the shape of the graph depends on these records alone. */
export function addedTo(plan: Plan, records: Iterable<TaskRecord>): TaskRecord[] {
  const named = new Set(plan.tasks.map(({id}) => id));
  return [...records].filter(({id}) => !named.has(id));
}

/** Rows of tasks that the plan does not name were added: merges, and what is about a task. A plan that has not run has no rows. */
export function buildGraph(plan: Plan | undefined, records: Iterable<TaskRecord>): Graph {
  const nodes: GraphNode[] = (plan?.tasks ?? []).map(specification => ({
    id: specification.id,
    title: specification.title ?? partTitle(specification) ?? specification.id,
    specification,
    parentId: specification.parent?.taskId,
  }));
  const indexOf = new Map(nodes.map(({id}, index) => [id, index]));
  const added = [...records].filter(({id}) => !indexOf.has(id));
  for (const record of added) {
    indexOf.set(record.id, nodes.length);
    const {id, parentTaskId: parentId} = record;
    nodes.push({id, title: addedTitle(record), specification: undefined, parentId});
  }
  const inputs = nodes.map(({specification}) => indexes(specification?.dependsOn ?? [], indexOf));
  addResult(inputs, indexOf, added);
  addMerges(inputs, indexOf, added);
  addAside(inputs, indexOf, added);
  const outputs: number[][] = nodes.map(() => []);
  for (const [index, from] of inputs.entries()) for (const input of from) outputs[input]?.push(index);
  const stageOf = stagesOf(inputs, outputs);
  const stages: number[][] = [];
  for (const [index, stage] of stageOf.entries()) {
    while (stages.length <= stage) stages.push([]);
    stages[stage]?.push(index);
  }
  return {nodes, indexOf, inputs, outputs, stageOf, stages};
}

/** What an attempt has asked for has an id that says nothing: it is called by what it does. */
function partTitle({parent, work}: TaskSpecification): string | undefined {
  if (!parent) return undefined;
  const text = work.kind === 'run' ? work.command : work.kind === 'prompt' ? work.prompt : '';
  return text.trim().split('\n', 1)[0]?.slice(0, LONGEST_TITLE) || undefined;
}

function addedTitle({id, mergeFor, about, origin}: TaskRecord): string {
  if (id === RESULT_TASK_ID) return 'Result';
  if (about !== undefined) return `${origin === 'undo' ? 'Undoing' : 'Review'} of ${about.taskId}`;
  return mergeFor === undefined ? id : `Merge for ${mergeFor}`;
}

function indexes(ids: readonly string[], indexOf: ReadonlyMap<string, number>): number[] {
  return ids.flatMap(id => indexOf.get(id) ?? []);
}

/** The result merges the leaves. */
function addResult(
  inputs: number[][],
  indexOf: ReadonlyMap<string, number>,
  added: readonly TaskRecord[],
): void {
  const result = indexOf.get(RESULT_TASK_ID);
  if (result === undefined) return;
  const aside = new Set(added.map(({id}) => indexOf.get(id)));
  const needed = new Set(inputs.flat());
  inputs[result] = inputs.flatMap((_from, index) => (needed.has(index) || aside.has(index) ? [] : [index]));
}

/** A merge stands between a task and its inputs. */
function addMerges(
  inputs: number[][],
  indexOf: ReadonlyMap<string, number>,
  added: readonly TaskRecord[],
): void {
  for (const {id, mergeFor} of added) {
    const merge = indexOf.get(id);
    const target = mergeFor === undefined ? undefined : indexOf.get(mergeFor);
    if (merge === undefined || target === undefined) continue;
    inputs[merge] = inputs[target] ?? [];
    inputs[target] = [merge];
  }
}

/** By index; undefined where it is no part of a task that is there. */
export function parentOf(
  {nodes, indexOf}: Pick<Graph, 'nodes' | 'indexOf'>,
  index: number,
): GraphNode | undefined {
  const parent = indexOf.get(nodes[index]?.parentId ?? '');
  return parent === undefined ? undefined : nodes[parent];
}

/** What is about a task stands behind it, and nothing behind that. */
function addAside(
  inputs: number[][],
  indexOf: ReadonlyMap<string, number>,
  added: readonly TaskRecord[],
): void {
  for (const {id, about} of added) {
    const own = indexOf.get(id);
    const subject = about && indexOf.get(about.taskId);
    if (own !== undefined && subject !== undefined) inputs[own] = [subject];
  }
}

/** In order of dependency; nodes of a cycle, which a plan cannot have, stay in stage 0. */
function stagesOf(inputs: readonly (readonly number[])[], outputs: readonly (readonly number[])[]): number[] {
  const stage = inputs.map(() => 0);
  for (const index of inOrder(inputs, outputs))
    for (const next of outputs[index] ?? [])
      stage[next] = Math.max(stage[next] ?? 0, (stage[index] ?? 0) + 1);
  return stage;
}

function inOrder(inputs: readonly (readonly number[])[], outputs: readonly (readonly number[])[]): number[] {
  const missing = inputs.map(({length}) => length);
  const order = missing.flatMap((count, index) => (count === 0 ? [index] : []));
  for (let at = 0; at < order.length; at++) {
    for (const next of outputs[order[at] ?? 0] ?? []) {
      missing[next] = (missing[next] ?? 0) - 1;
      if (missing[next] === 0) order.push(next);
    }
  }
  return order;
}

/** Nodes of the heaviest chain, first to last. `weight` is a duration by node, such as the time taken or expected. */
export function criticalPath(
  {inputs, outputs}: Pick<Graph, 'inputs' | 'outputs'>,
  weight: (index: number) => number,
): readonly number[] {
  const total = inputs.map(() => 0);
  const before: (number | undefined)[] = inputs.map(() => undefined);
  let last: number | undefined;
  for (const index of inOrder(inputs, outputs)) {
    for (const input of inputs[index] ?? []) {
      if (before[index] !== undefined && (total[input] ?? 0) <= (total[index] ?? 0)) continue;
      before[index] = input;
      total[index] = total[input] ?? 0;
    }
    total[index] = (total[index] ?? 0) + weight(index);
    if (last === undefined || (total[index] ?? 0) > (total[last] ?? 0)) last = index;
  }
  const path: number[] = [];
  for (let at = last; at !== undefined; at = before[at]) path.push(at);
  return path.reverse();
}
