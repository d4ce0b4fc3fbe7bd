/** Open arrivals: every policy at every load on every world, and what became of the tasks. */
import {percentile} from '../statistics.ts';
import {openWorld} from './arrivals.ts';
import {OPEN_POLICIES, OPEN_POLICY_NAMES, type OpenPolicy} from './policies.ts';
import {Simulation} from './simulation.ts';

export interface OpenCase {
  readonly name: string;
  readonly load: number;
  readonly alike: boolean;
}

export const OPEN_CASES: readonly OpenCase[] = [
  {name: '70%', load: 0.7, alike: false},
  {name: '85%', load: 0.85, alike: false},
  {name: '95%', load: 0.95, alike: false},
  {name: '85%, alike', load: 0.85, alike: true},
];

const AGENTS = 50;
/** Share of the tasks that come before the fleet is as busy as it gets. */
const WARM_UP = 0.2;

export interface OpenResult {
  readonly meanMs: number;
  readonly p99Ms: number;
  /** Mean sojourn of the second half over that of the first. */
  readonly halves: number;
  readonly wasted: number;
  readonly farBytes: number;
}

/** By case, policy and then world. */
export type OpenResults = ReadonlyMap<string, ReadonlyMap<OpenPolicy, readonly OpenResult[]>>;

export interface OpenOptions {
  readonly seeds: readonly number[];
  readonly tasks: number;
  readonly cases?: readonly OpenCase[];
  readonly policies?: readonly OpenPolicy[];
  readonly report?: (line: string) => void;
  /** Nothing more is begun then. */
  readonly isOver?: () => boolean;
}

export function measureOpen({
  seeds,
  tasks,
  cases = OPEN_CASES,
  policies = OPEN_POLICY_NAMES,
  report,
  isOver = () => false,
}: OpenOptions): OpenResults {
  const results = new Map<string, Map<OpenPolicy, OpenResult[]>>();
  for (const each of cases) {
    const ofCase = new Map<OpenPolicy, OpenResult[]>();
    results.set(each.name, ofCase);
    for (const policy of policies) {
      if (isOver()) return results;
      const from = performance.now();
      const runs = seeds.map(seed => runOpen(each, policy, seed, tasks));
      ofCase.set(policy, runs);
      const list = (value: (run: OpenResult) => number): string =>
        runs.map(run => (value(run) / 1000).toFixed(0)).join(' ');
      const took = ((performance.now() - from) / 1000).toFixed(1);
      report?.(
        `${each.name} ${policy}: mean ${list(run => run.meanMs)}, p99 ${list(run => run.p99Ms)} s (${took} s)`,
      );
    }
  }
  return results;
}

export function runOpen(
  {load, alike}: OpenCase,
  policy: OpenPolicy,
  seed: number,
  count: number,
): OpenResult {
  const {world, tasks} = openWorld({seed, agents: AGENTS, alike, load, tasks: count});
  const outcome = new Simulation(world, tasks, OPEN_POLICIES[policy](world)).run();
  const sojourns = [...outcome.sojournsMs.subarray(Math.floor(tasks.length * WARM_UP))];
  const half = sojourns.length >> 1;
  return {
    meanMs: meanOf(sojourns),
    p99Ms: percentile(sojourns, 0.99),
    halves: meanOf(sojourns.slice(half)) / meanOf(sojourns.slice(0, half)),
    wasted: outcome.wastedMs / outcome.slotMs,
    farBytes: outcome.farBytes,
  };
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
