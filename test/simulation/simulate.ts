/** One run from one seed: faults for a while, then healing; every invariant at every step, liveness and the history at the end. */
import {checkHistory} from './checker/checkHistory.ts';
import type {HistoryEvent} from './checker/history.ts';
import {World} from './world/world.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Simulated ms with faults. */
  readonly durationMs?: number;
}

export interface Outcome {
  readonly seed: number;
  /** Undefined when all is well. */
  readonly failure: string | undefined;
  /** The property that failed. */
  readonly property: string | undefined;
  /** The history was too hard to decide. */
  readonly undecided: boolean;
  readonly trace: number;
  readonly voters: number;
  readonly faults: readonly string[];
  readonly steps: number;
  readonly operations: number;
  readonly committed: number;
  readonly elections: number;
  /** Snapshots that were sent and installed. */
  readonly installs: number;
  /** Changes of members that were begun. */
  readonly changes: number;
  readonly simulatedMs: number;
  readonly history: readonly HistoryEvent[];
  readonly lastEvents: readonly string[];
}

const DURATION_MS = 6000;
/** Healed, a cluster must answer a write and agree within this. */
const HEALING_MS = 10_000;
const CLUSTER_SIZES = [3, 3, 3, 5, 5, 7] as const;
/** Steps of the model; a history that needs more is counted as undecided. */
const MAX_CHECK_STEPS = 300_000;

export async function simulate(options: SimulationOptions): Promise<Outcome> {
  const {seed, durationMs = DURATION_MS} = options;
  const voters = CLUSTER_SIZES[seed % CLUSTER_SIZES.length] ?? 3;
  const world = new World({seed, voters, clients: 5});
  world.start();
  await world.run(durationMs);
  const live = world.violation ? undefined : await heal(world);
  const outcome = (
    property: string | undefined,
    failure: string | undefined,
    undecided = false,
  ): Outcome => ({
    seed,
    property,
    failure,
    undecided,
    trace: world.trace,
    voters,
    faults: world.faults.kinds,
    steps: world.counts.steps,
    operations: world.history.filter(({type}) => type === 'call').length,
    committed: world.ledger.lastCommitted,
    elections: world.ledger.elections,
    installs: world.counts.installs,
    changes: world.counts.changes,
    simulatedMs: world.scheduler.now,
    history: world.history,
    lastEvents: world.lastEvents,
  });
  const {violation} = world;
  if (violation) {
    const property = 'property' in violation ? String(violation.property) : violation.name;
    return outcome(property, violation.stack ?? violation.message);
  }
  if (live !== undefined) return outcome('liveness', live);
  const verdict = checkHistory(world.history, {clockDrift: 0.03, maxSteps: MAX_CHECK_STEPS});
  if (verdict.kind === 'wrong') return outcome('history', verdict.why);
  return outcome(undefined, undefined, verdict.kind === 'undecided');
}

/** Undefined when the cluster came back to life, twice, else what it lacks. */
async function heal(world: World): Promise<string | undefined> {
  world.note('healing');
  world.faults.heal();
  for (const client of world.clients) client.stop();
  const lacks = await settle(world, 'after healing');
  if (lacks !== undefined) return lacks;
  world.compareStates();
  // What is on the disks must be enough.
  for (const machine of world.machines) world.fell(machine, 'lost');
  for (const machine of world.machines) world.bootIfDown(machine);
  const lacksAgain = await settle(world, 'after a power cut of all');
  if (lacksAgain !== undefined) return lacksAgain;
  world.compareStates();
  // What was committed last is still to be told to watchers.
  await world.run(world.scheduler.now + 200);
  return undefined;
}

async function settle(world: World, when: string): Promise<string | undefined> {
  const until = world.scheduler.now + HEALING_MS;
  let answered = false;
  const probe = (): void => {
    if (!answered && !world.violation)
      world.clients[0]?.probe(ok => {
        answered ||= ok;
        world.scheduler.after(20, probe);
      });
  };
  probe();
  await world.run(until, () => answered && world.converged);
  if (world.violation) return undefined;
  if (!answered) return `no write was answered within ${HEALING_MS} ms ${when}`;
  return world.converged ? undefined : `not every member had applied everything ${HEALING_MS} ms ${when}`;
}

/** For a person: what failed, how to see it again, and what happened last. */
export function describeFailure({seed, failure, faults, voters, lastEvents}: Outcome): string {
  return [
    `seed ${seed} failed (${voters} nodes; ${faults.join(', ')}):`,
    failure ?? '',
    'the last events:',
    ...lastEvents,
    `again: npm run simulate -- --seeds 1 --from ${seed}`,
  ].join('\n');
}
