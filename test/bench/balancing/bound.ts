/** What no schedule of a graph can beat: its critical path at full speed, and the work that the whole fleet can do, found by linear programming. */
import {solve} from 'yalps';
import type {ModelledTask, World} from './world.ts';

export interface Bound {
  /** Every task on its fastest agent that can run it, nothing in its way. */
  readonly pathMs: number;
  /** All work split at will over unrelated machines: no order, no transfers. */
  readonly workMs: number;
  readonly ms: number;
}

export function boundOf(world: World, tasks: readonly ModelledTask[]): Bound {
  const pathMs = criticalPath(world, tasks);
  const workMs = capacityBound(world, tasks);
  return {pathMs, workMs, ms: Math.max(pathMs, workMs)};
}

/** Tasks must come after their parents. */
function criticalPath(world: World, tasks: readonly ModelledTask[]): number {
  const ends = new Float64Array(tasks.length);
  let longest = 0;
  tasks.forEach((task, index) => {
    let from = 0;
    for (const parent of task.parents) from = Math.max(from, ends[parent] as number);
    let fastest = Number.POSITIVE_INFINITY;
    for (const agent of world.agents)
      if (world.canRun(agent, task)) fastest = Math.min(fastest, world.usualMs(task, agent));
    ends[index] = from + fastest;
    longest = Math.max(longest, ends[index] as number);
  });
  return longest;
}

/**
 * Tasks of one class cost the same for each unit of work on one agent, so that a variable is a class's work on an agent, not a task on an agent:
 * the relaxation R|pmtn|Cmax of Lawler and Labetoulle (1978) without its limit on one task's parts, which can only lower it.
 */
function capacityBound(world: World, tasks: readonly ModelledTask[]): number {
  const work = new Map<number, number>();
  for (const task of tasks) work.set(task.class, (work.get(task.class) ?? 0) + task.sizeMs);
  const total = tasks.reduce((sum, task) => sum + task.sizeMs, 0);
  if (total === 0) return 0;
  const constraints = new Map<string, {equal?: number; max?: number}>();
  const variables = new Map<string, Map<string, number>>();
  // In shares of the whole, so that the solver's tolerance does not matter.
  variables.set('time', new Map(world.agents.map(agent => [agent.id, -agent.slots])).set('time', 1));
  for (const agent of world.agents) constraints.set(agent.id, {max: 0});
  for (const [taskClass, ms] of work) {
    if (ms === 0) continue;
    constraints.set(`class ${taskClass}`, {equal: ms / total});
    for (const agent of world.agents) {
      if (!world.canRun(agent, {class: taskClass})) continue;
      const cost = 1 / (agent.rates[taskClass] ?? 1);
      const column = new Map([
        [`class ${taskClass}`, 1],
        [agent.id, cost],
      ]);
      variables.set(`${taskClass} on ${agent.id}`, column);
    }
  }
  const solution = solve({direction: 'minimize', objective: 'time', constraints, variables});
  if (solution.status !== 'optimal') throw new Error(`the linear program is ${solution.status}`);
  return solution.result * total;
}
