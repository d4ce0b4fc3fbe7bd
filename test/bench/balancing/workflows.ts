/** Workflow graphs: drawn in the shapes of well-known families, or read from a folder of recorded runs. */
import {readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import {CAPABILITIES, type TaskClass} from './agents.ts';
import {type Chance, DRAW} from './chance.ts';
import type {ModelledTask} from './world.ts';

/** Tasks come after their parents. */
export interface Workflow {
  readonly name: string;
  readonly types: readonly string[];
  readonly tasks: readonly WorkflowTask[];
}

export interface WorkflowTask {
  readonly type: number;
  readonly seconds: number;
  readonly parents: readonly {readonly index: number; readonly bytes: number}[];
}

/** Recorded runs are as long as they happened to be; ours are seconds to minutes. */
const MEAN_TASK_MS = 60_000;
/** Recorded steps of no time still cost an attempt. */
const LEAST_TASK_MS = 100;
const ESTIMATE_SIGMA = 0.4;

/** WfCommons' instances, reduced: [type, seconds, external bytes, [parent, bytes, parent, bytes, ...]] a task. */
const RecordedWorkflow = z.object({
  name: z.string(),
  types: z.array(z.string()),
  tasks: z.array(
    z.tuple([z.number().int(), z.number().nonnegative(), z.number(), z.array(z.number().nonnegative())]),
  ),
});

export function readWorkflows(folder: string): Workflow[] {
  return readdirSync(folder)
    .filter(file => file.endsWith('.json'))
    .sort()
    .map(file => fromRecord(JSON.parse(readFileSync(path.join(folder, file), 'utf8'))));
}

/** Throws a `ZodError` when it is of another form. */
export function fromRecord(json: unknown): Workflow {
  const {name, types, tasks} = RecordedWorkflow.parse(json);
  return inOrder({
    name,
    types,
    tasks: tasks.map(([type, seconds, , flat]) => ({
      type,
      seconds,
      parents: Array.from({length: flat.length >> 1}, (_, at) => ({
        index: flat[2 * at] as number,
        bytes: flat[2 * at + 1] as number,
      })),
    })),
  });
}

/** Tasks after their parents. */
function inOrder(workflow: Workflow): Workflow {
  const {tasks} = workflow;
  const place = new Map<number, number>();
  const order: WorkflowTask[] = [];
  const visit = (index: number): void => {
    const stack = [index];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const open = (tasks[top]?.parents ?? []).find(parent => !place.has(parent.index));
      if (open) {
        if (stack.includes(open.index)) throw new Error(`${workflow.name} has a cycle`);
        stack.push(open.index);
        continue;
      }
      stack.pop();
      if (place.has(top)) continue;
      place.set(top, order.length);
      order.push(tasks[top] as WorkflowTask);
    }
  };
  for (const index of tasks.keys()) if (!place.has(index)) visit(index);
  return {
    ...workflow,
    tasks: order.map(task => ({
      ...task,
      parents: task.parents.map(({index, bytes}) => ({index: place.get(index) as number, bytes})),
    })),
  };
}

/** Each type is a class of its own and asks for one capability. */
export function classesOf(workflow: Workflow): TaskClass[] {
  return workflow.types.map((name, index) => ({
    name,
    meanMs: MEAN_TASK_MS,
    capability: index % CAPABILITIES.length,
  }));
}

/** Its times scaled to our mean. */
export function tasksOf(workflow: Workflow, chance: Chance, exact: boolean): ModelledTask[] {
  const total = workflow.tasks.reduce((sum, task) => sum + task.seconds, 0);
  const scale = (MEAN_TASK_MS * workflow.tasks.length) / total;
  return workflow.tasks.map(({type, seconds, parents}, index) => {
    const sizeMs = Math.max(LEAST_TASK_MS, seconds * scale);
    return {
      index,
      id: `task-${index}`,
      class: type,
      project: 0,
      sizeMs,
      estimateMs: sizeMs * chance.lognormal(exact ? 0 : ESTIMATE_SIGMA, DRAW.estimate, index),
      arrivesAt: 0,
      inputs: parents.map(({index: parent, bytes}) => ({parent, bytes})),
      parents: parents.map(parent => parent.index),
    };
  });
}
