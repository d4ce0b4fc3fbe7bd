/** Turns a task that is split into its parts and the task that makes one result of theirs. Pure, and the same again for the same parts. */
import {ProtocolError} from '../errors.ts';
import type {Plan, TaskSpecification, TaskWork} from './plan.ts';
import {MAX_PARTS} from './splitSchema.ts';

/** Its items, in their order; none for a shard that is told by its number alone. */
export type Part = readonly string[];

const PREFIX = '_part-';
const MAX_ID = 80;
/** Longer ones do not fit into a variable. */
const MAX_PART_CHARS = 65_536;

/** Numbered from 1: `_part-lint-1`, and of a part of it `_part-lint-1_3`. */
export function partTaskId(parentId: string, index: number): string {
  return parentId.startsWith(PREFIX) ? `${parentId}_${index}` : `${PREFIX}${parentId}-${index}`;
}

/** The parts that are known before the task begins: of a list and of shards. Undefined where its files have to be seen first. */
export function knownParts({split}: TaskSpecification): Part[] | undefined {
  if (!split || split.files) return undefined;
  const {over, shards = 1} = split;
  return over ? dealt(over, split.shards) : Array.from({length: shards}, () => []);
}

/** One part for each item, or `shards` that share them: neighbours stay together. */
export function dealt(items: readonly string[], shards = MAX_PARTS): Part[] {
  const count = Math.min(shards, items.length, MAX_PARTS);
  return Array.from({length: count}, (_none, at) =>
    items.slice(Math.round((at * items.length) / count), Math.round(((at + 1) * items.length) / count)),
  );
}

/** Tasks that are split over what is known become their parts and a merge, the parts before it. Throws `invalidParams`. */
export function expandTasks(tasks: readonly TaskSpecification[]): TaskSpecification[] {
  return tasks.flatMap(task => {
    const parts = knownParts(task);
    return parts ? dividedTask(task, parts) : [task];
  });
}

export function expandPlan(plan: Plan): Plan {
  return plan.tasks.some(({split}) => split) ? {...plan, tasks: expandTasks(plan.tasks)} : plan;
}

/** The parts, and last the task itself, which waits for them and merges. Throws `invalidParams`. */
export function dividedTask(task: TaskSpecification, parts: readonly Part[]): TaskSpecification[] {
  const children = parts.map((part, at) => partOf(task, part, at + 1, parts.length));
  return [...children, mergeOf(task, children)];
}

function partOf(task: TaskSpecification, part: Part, index: number, count: number): TaskSpecification {
  const {split: _split, budgetUsd, ...shared} = task;
  const id = partTaskId(task.id, index);
  const text = part.join('\n');
  if (id.length > MAX_ID)
    throw new ProtocolError('invalidParams', `the id of task ${task.id} is too long for its parts`, {
      taskId: task.id,
    });
  if (text.length > MAX_PART_CHARS)
    throw new ProtocolError(
      'invalidParams',
      `a part of task ${task.id} has ${text.length} characters: make more of them`,
      {
        taskId: task.id,
      },
    );
  return {
    ...shared,
    id,
    title: `${task.title ?? task.id} (${index} of ${count})`.slice(0, 256),
    work: workOn(task.work, part, index, count),
    gates: [],
    // Together they spend no more than the task was to.
    budgetUsd: budgetUsd === undefined ? undefined : budgetUsd / count,
    env: {
      ...task.env,
      MCPX_PART: text,
      MCPX_PART_INDEX: String(index),
      MCPX_PART_COUNT: String(count),
    },
    parent: {taskId: task.id, index},
  };
}

function workOn(work: TaskWork, part: Part, index: number, count: number): TaskWork {
  if (work.kind !== 'prompt') return work;
  const which = `This is part ${index} of ${count} of a task that is divided: others do the other parts at the same time.`;
  const items =
    part.length === 0 ? '' : `\nDo it for these alone:\n${part.map(item => `- ${item}`).join('\n')}`;
  return {...work, prompt: `${work.prompt}\n\n${which}${items}`};
}

function mergeOf(task: TaskSpecification, children: readonly TaskSpecification[]): TaskSpecification {
  const {split, budgetUsd, ...shared} = task;
  const merge = split?.merge ?? {kind: 'git'};
  const dependsOn = children.map(({id}) => id);
  if (merge.kind === 'work') return {...shared, work: merge.work, dependsOn, parts: children.length};
  return {
    ...shared,
    work: merge.kind === 'git' ? {kind: 'merge'} : {kind: 'merge', values: merge.kind},
    dependsOn,
    parts: children.length,
    requires: {},
    affinity: [],
    secrets: [],
    // A merge gives the same again, so a gate that failed once fails for good.
    gates: task.gates.map(gate => ({...gate, onFailure: 'fail'})),
  };
}
