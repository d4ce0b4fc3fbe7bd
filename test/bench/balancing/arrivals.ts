/** Tasks that keep arriving at a load: a share of what the fleet does when any free agent that can takes the next task. */
import {CAPABILITIES, type FleetShape, type TaskClass} from './agents.ts';
import {type Chance, DRAW} from './chance.ts';
import {USUAL_PACE} from './timeline.ts';
import {HUB_REGION, type ModelledTask, SETUP_MS, USUAL_TRY, WARM_MS, World} from './world.ts';

const CLASSES = 12;
const LEAST_MEAN_MS = 10_000;
const MOST_MEAN_MS = 240_000;
export const SIZE_SIGMA = 0.4;
export const ESTIMATE_SIGMA = 0.4;
const PROJECTS = 10;
const MEDIAN_BYTES = 20_000_000;
const BYTES_SIGMA = 1;
/** Slot time that crashes destroy, over that of completed tries. */
const LOST_SHARE = 0.02;

export interface OpenShape {
  readonly seed: number;
  readonly agents: number;
  readonly alike: boolean;
  readonly load: number;
  readonly tasks: number;
}

export interface OpenWorld {
  readonly world: World;
  readonly tasks: readonly ModelledTask[];
  readonly load: number;
}

/** Means evenly spread on a logarithmic scale. */
export function openClasses(): TaskClass[] {
  return Array.from({length: CLASSES}, (_, index) => ({
    name: `class-${index}`,
    meanMs: LEAST_MEAN_MS * (MOST_MEAN_MS / LEAST_MEAN_MS) ** (index / (CLASSES - 1)),
    capability: index % CAPABILITIES.length,
  }));
}

export function openWorld({seed, agents, alike, load, tasks}: OpenShape): OpenWorld {
  const shape: FleetShape = {agents, alike, exact: false, classes: openClasses()};
  const world = new World(seed, shape);
  const gapMs = 1 / (load * capacity(world));
  let arrivesAt = 0;
  const list = Array.from({length: tasks}, (_, index) => {
    arrivesAt += world.chance.exponential(gapMs, DRAW.arrival, index);
    return arrival(world.chance, shape.classes, index, arrivesAt);
  });
  return {world, tasks: list, load};
}

function arrival(
  chance: Chance,
  classes: readonly TaskClass[],
  index: number,
  arrivesAt: number,
): ModelledTask {
  const taskClass = chance.integer(classes.length, DRAW.classOfTask, index);
  // The mean of the class is that of its tasks, so the median is smaller.
  const medianMs = (classes[taskClass]?.meanMs ?? 0) * Math.exp(-(SIZE_SIGMA ** 2) / 2);
  const sizeMs = medianMs * chance.lognormal(SIZE_SIGMA, DRAW.size, index);
  return {
    index,
    id: `task-${index}`,
    class: taskClass,
    project: chance.integer(PROJECTS, DRAW.project, index),
    sizeMs,
    estimateMs: sizeMs * chance.lognormal(ESTIMATE_SIGMA, DRAW.estimate, index),
    arrivesAt,
    inputs: [{parent: undefined, bytes: MEDIAN_BYTES * chance.lognormal(BYTES_SIGMA, DRAW.bytes, index)}],
    parents: [],
  };
}

/** Accepted tasks in a millisecond when every slot is always busy and nobody chooses by speed. */
export function capacity(world: World): number {
  const {agents, classes} = world;
  // Tasks of a class are spread evenly over the slots that can take them.
  const spread = classes.map(({capability}) =>
    agents.reduce((sum, agent) => sum + (agent.holds[capability] ? agent.slots : 0), 0),
  );
  let total = 0;
  for (const agent of agents) {
    let weight = 0;
    let workMs = 0;
    classes.forEach(({capability, meanMs}, at) => {
      if (!agent.holds[capability]) return;
      const own = 1 / (spread[at] ?? 1);
      weight += own;
      workMs += (own * meanMs * USUAL_TRY) / (agent.rates[at] ?? 1) / (1 - (agent.failures[at] ?? 0));
    });
    if (weight === 0) continue;
    const usualMs = workMs / weight / USUAL_PACE;
    // The more often it works at all, the likelier it has worked on the project lately.
    const cold = Math.exp((-WARM_MS * agent.slots) / (usualMs * PROJECTS));
    const fetchMs = world.transferMs(HUB_REGION, agent.region, MEDIAN_BYTES * Math.exp(BYTES_SIGMA ** 2 / 2));
    total += agent.slots / (usualMs * (1 + LOST_SHARE) + cold * SETUP_MS + fetchMs);
  }
  return total;
}
