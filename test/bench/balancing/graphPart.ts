/** Workflow graphs on a small fleet: how far from the bound each way of planning ends, with exact durations and with a rough world. */
import {boundOf} from './bound.ts';
import {calibrate, calibrationClass} from './calibration.ts';
import {type CentralOptions, CentralQueue} from './centralQueue.ts';
import {TrueModel} from './oracle.ts';
import {type Outcome, Simulation} from './simulation.ts';
import {FixedPlan} from './staticPlan.ts';
import {classesOf, tasksOf, type Workflow} from './workflows.ts';
import {type ModelledTask, World} from './world.ts';

const AGENTS = 16;
const HOUR_MS = 3_600_000;
/** Runs of the same graph before, on the same agents, and how far apart. */
const EARLIER_RUNS = 3;
const BETWEEN_RUNS_MS = 2 * HOUR_MS;
const START_MS = 24 * HOUR_MS;

export const GRAPH_POLICIES = [
  'FIFO + round-robin, late',
  'geographic-affinity, late',
  'HEFT with true costs, static',
  'ai-optimized, cold',
  'ai-optimized, calibrated',
  'ai-optimized, warm',
  'oracle',
] as const;
export type GraphPolicy = (typeof GRAPH_POLICIES)[number];

export type GraphMode = 'exact' | 'noisy';

export interface GraphResult {
  readonly workflow: string;
  readonly seed: number;
  /** Makespan over the bound. */
  readonly stretch: number;
  readonly wasted: number;
  readonly farBytes: number;
}

/** By mode, policy and then graph and world. */
export type GraphResults = ReadonlyMap<GraphMode, ReadonlyMap<GraphPolicy, readonly GraphResult[]>>;

export interface GraphOptions {
  readonly workflows: readonly Workflow[];
  readonly seeds: readonly number[];
  readonly policies?: readonly GraphPolicy[];
  readonly report?: (line: string) => void;
  /** Nothing more is begun then. */
  readonly isOver?: () => boolean;
}

export function measureGraphs({
  workflows,
  seeds,
  policies = GRAPH_POLICIES,
  report,
  isOver = () => false,
}: GraphOptions): GraphResults {
  const results = new Map<GraphMode, Map<GraphPolicy, GraphResult[]>>();
  for (const mode of ['exact', 'noisy'] as const) {
    const ofMode = new Map<GraphPolicy, GraphResult[]>(policies.map(policy => [policy, []]));
    results.set(mode, ofMode);
    for (const workflow of workflows)
      for (const seed of seeds) {
        if (isOver()) return results;
        const shape = {
          agents: AGENTS,
          classes: [...classesOf(workflow), calibrationClass()],
          alike: false,
          exact: mode === 'exact',
        };
        const world = new World(seed, shape);
        const tasks = tasksOf(workflow, world.chance, mode === 'exact');
        const bound = boundOf(world, tasks).ms;
        for (const policy of policies) {
          const outcome = runGraph(policy, world, tasks);
          ofMode.get(policy)?.push({
            workflow: workflow.name,
            seed,
            stretch: outcome.makespanMs / bound,
            wasted: outcome.wastedMs / outcome.slotMs,
            farBytes: outcome.farBytes,
          });
        }
        const stretches = policies.map(policy => ofMode.get(policy)?.at(-1)?.stretch.toFixed(2));
        report?.(`${mode} ${workflow.name} in world ${seed}: ${stretches.join(' ')}`);
      }
  }
  return results;
}

export function runGraph(policy: GraphPolicy, world: World, tasks: readonly ModelledTask[]): Outcome {
  const run = (
    options: CentralOptions,
    day = 0,
    from = START_MS,
  ): {queue: CentralQueue; outcome: Outcome} => {
    const queue = new CentralQueue(world, options);
    queue.plan(tasks);
    return {queue, outcome: new Simulation(world.onDay(day), tasks, queue, from).run()};
  };
  const learned: CentralOptions = {strategy: 'ai-optimized', backups: true};
  switch (policy) {
    case 'HEFT with true costs, static':
      return new Simulation(world, tasks, new FixedPlan(world, tasks), START_MS).run();
    case 'FIFO + round-robin, late':
      return new Simulation(world, tasks, new CentralQueue(world, {strategy: 'round-robin'}), START_MS).run();
    case 'geographic-affinity, late':
      return run({strategy: 'geographic-affinity'}).outcome;
    case 'oracle':
      return run({...learned, model: new TrueModel(world)}).outcome;
    case 'ai-optimized, cold':
      return run(learned).outcome;
    case 'ai-optimized, calibrated':
      return run({...learned, model: calibrate(world, START_MS)}).outcome;
    case 'ai-optimized, warm': {
      let model: CentralOptions['model'];
      for (let day = EARLIER_RUNS; day > 0; day--)
        ({model} = run({...learned, model}, day, START_MS - day * BETWEEN_RUNS_MS).queue);
      return run({...learned, model}).outcome;
    }
  }
}
