/** The bound of a graph against every schedule of tiny ones: it is never above the best, and it is tight where one machine is all there is. */
import assert from 'node:assert/strict';
import {boundOf} from './bound.ts';
import {drawWorkflows} from './families.ts';
import {planWithTrueCosts} from './staticPlan.ts';
import {classesOf, tasksOf} from './workflows.ts';
import {type ModelledTask, World} from './world.ts';

const CLASSES = [0, 1, 2].map(index => ({name: `class-${index}`, meanMs: 1000, capability: index}));

function tinyWorld(seed: number, agents: number): World {
  return new World(seed, {agents, classes: CLASSES, alike: false, exact: true});
}

function tinyTasks(world: World, count: number): ModelledTask[] {
  return Array.from({length: count}, (_, index) => ({
    index,
    id: `task-${index}`,
    class: world.chance.integer(CLASSES.length, 1, index),
    project: 0,
    sizeMs: 1000 * (1 + world.chance.integer(9, 2, index)),
    estimateMs: 1,
    arrivesAt: 0,
    inputs: [],
    parents: Array.from({length: index}, (__, parent) => parent).filter(
      parent => world.chance.uniform(3, index, parent) < 0.4,
    ),
  }));
}

/** The best makespan over every order and every assignment to slots, without transfers. */
function bestMakespan(world: World, tasks: readonly ModelledTask[]): number {
  const slots = world.agents.flatMap(agent => Array.from({length: agent.slots}, () => agent));
  const free = new Float64Array(slots.length);
  const ends = new Float64Array(tasks.length);
  const isDone = tasks.map(() => false);
  let best = Number.POSITIVE_INFINITY;
  const next = (left: number, makespan: number): void => {
    if (makespan >= best) return;
    if (left === 0) best = makespan;
    for (const task of tasks) {
      if (isDone[task.index] || task.parents.some(parent => !isDone[parent])) continue;
      isDone[task.index] = true;
      slots.forEach((agent, slot) => {
        if (!world.canRun(agent, task)) return;
        const before = free[slot] as number;
        const from = Math.max(before, ...task.parents.map(parent => ends[parent] as number));
        ends[task.index] = from + world.usualMs(task, agent);
        free[slot] = ends[task.index] as number;
        next(left - 1, Math.max(makespan, free[slot] as number));
        free[slot] = before;
      });
      isDone[task.index] = false;
    }
  };
  next(tasks.length, 0);
  return best;
}

describe('the bound of a graph', () => {
  it('is never above the best schedule that there is', () => {
    let closest = Number.POSITIVE_INFINITY;
    for (let seed = 1; seed <= 25; seed++) {
      const world = tinyWorld(seed, 2);
      const tasks = tinyTasks(world, 5);
      const best = bestMakespan(world, tasks);
      const {ms} = boundOf(world, tasks);
      assert.ok(ms <= best * (1 + 1e-9), `seed ${seed}: ${ms} > ${best}`);
      closest = Math.min(closest, best / ms);
    }
    assert.ok(closest < 1 + 1e-9, `it is tight somewhere: ${closest}`);
  });

  it('is the work over the speed when one agent does all', () => {
    const world = tinyWorld(1, 1);
    const tasks = tinyTasks(world, 8).map(task => ({...task, parents: []}));
    const [agent] = world.agents;
    assert.ok(agent);
    const work = tasks.reduce((sum, task) => sum + world.usualMs(task, agent), 0);
    const {workMs} = boundOf(world, tasks);
    assert.ok(Math.abs(workMs / (work / agent.slots) - 1) < 1e-6, `${workMs}`);
  });

  it('is never above the plan that HEFT makes of a large graph', () => {
    for (const workflow of drawWorkflows(5)) {
      const world = new World(7, {agents: 16, classes: classesOf(workflow), alike: false, exact: true});
      const tasks = tasksOf(workflow, world.chance, true);
      const {ms} = boundOf(world, tasks);
      const {makespan} = planWithTrueCosts(world, tasks);
      assert.ok(ms <= makespan && makespan <= 3 * ms, `${workflow.name}: ${ms} ${makespan}`);
    }
  });
});
