/** One run of the whole plan, quiet or under the faults of a seed, on a fleet of its own: what happened, and what was found wrong with it. */
import {appendFileSync} from 'node:fs';
import path from 'node:path';
import {createProject, treeOf} from '../../support/gitProject.ts';
import type {HostNetwork} from '../../support/hostNetwork.ts';
import {SessionRun} from '../../support/sessionRun.ts';
import {Ground} from '../ground.ts';
import {findFaults} from '../invariants.ts';
import {answersIn, type Outcome, type RolledBack} from '../outcome.ts';
import {Disturbances, type Touch} from './disturbances.ts';
import {overRollback} from './overRollback.ts';
import {drawWholeFaults} from './wholeFaults.ts';
import {WholeFleet} from './wholeFleet.ts';
import {dividedOf, gatedOf, PROJECT, wholePlan, wholeScript} from './wholePlan.ts';
import {drawTasks} from './wholeTasks.ts';

export interface WholeOptions {
  readonly tasks: number;
  readonly agents: number;
  /** Faults in a minute, about. */
  readonly rate: number;
}

export interface WholeOutcome extends Outcome {
  /** Faults by kind. */
  readonly inflicted: ReadonlyMap<string, number>;
  /** Processes that ended by themselves and were started again. */
  readonly ends: readonly string[];
}

/** Of a run, for each task; then everything is healed, and the rest may take as long once more. */
const MS_A_TASK = 6000;
const LEAST_MS = 120_000;
const HEALED_MS = 600_000;
/** An agent may be given up so long after what was done to it: silence, grace, and a busy machine. */
const AFTERMATH_MS = 60_000;

/** Rejects with everything that was found wrong. Without a seed nothing goes wrong. */
export async function playWhole(
  network: HostNetwork,
  options: WholeOptions,
  chaos?: {readonly seed: number; readonly quiet: WholeOutcome},
): Promise<WholeOutcome> {
  const script = wholeScript(drawTasks(options.tasks));
  const fleet = await WholeFleet.start(network, {agents: options.agents, script});
  let isSound = false;
  try {
    const outcome = await playOn(fleet, network, options, chaos);
    isSound = true;
    return outcome;
  } catch (error) {
    throw new Error(`in ${fleet.folder}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  } finally {
    await fleet.close({keep: !isSound});
  }
}

async function playOn(
  fleet: WholeFleet,
  network: HostNetwork,
  options: WholeOptions,
  chaos: {readonly seed: number; readonly quiet: WholeOutcome} | undefined,
): Promise<WholeOutcome> {
  const ground = new Ground(path.join(fleet.folder, 'ground'));
  const project = path.join(fleet.folder, 'project');
  createProject(project, PROJECT);
  const tasks = drawTasks(options.tasks);
  const started = performance.now();
  const run = await SessionRun.start(fleet, {plan: wholePlan(tasks, ground), project, rehearsal: true});
  const disturbances = new Disturbances(fleet, network, run.client, text => ground.note(text));
  const untilMs = Math.max(LEAST_MS, options.tasks * MS_A_TASK);
  let rollback: RolledBack | undefined;
  try {
    const ended = overRollback(run, ground, tasks, untilMs + HEALED_MS);
    ended.catch(() => undefined);
    if (chaos) {
      const faults = disturbances.run(drawWholeFaults(chaos.seed, options.rate, fleet.cast), untilMs);
      await Promise.race([ended, faults]);
      await disturbances.stop();
    }
    rollback = await ended;
  } catch (error) {
    appendFileSync(path.join(fleet.folder, 'state'), run.describe());
    throw error;
  } finally {
    await disturbances.stop();
  }
  const seconds = (performance.now() - started) / 1000;
  await fleet.allOnline();
  const commit = await run.fetchResult();
  const {state} = run;
  const outcome: WholeOutcome = {
    state,
    tree: treeOf(project, commit),
    gated: gatedOf(tasks),
    executions: ground.executions(),
    spared: new Set(sparedBy(state.attempts.values(), disturbances.touches)),
    divided: dividedOf(tasks),
    rollback,
    undoings: ground.undoings(),
    answers: answersIn(await fleet.requests(), run.id),
    seconds,
    folder: fleet.folder,
    inflicted: disturbances.inflicted,
    ends: fleet.ends,
  };
  const restart = () => fleet.restart();
  const found = await findFaults(outcome, {folder: fleet.folder, run, quiet: chaos?.quiet, restart});
  if (found.length === 0) return outcome;
  throw new Error(`${found.length} faults:\n- ${found.join('\n- ')}\n${run.describe()}`);
}

function* sparedBy(
  attempts: Iterable<{id: string; agentId: string; assignedAt: number; endedAt?: number | undefined}>,
  touches: readonly Touch[],
): Generator<string> {
  for (const {id, agentId, assignedAt, endedAt = Number.POSITIVE_INFINITY} of attempts) {
    const isTouched = touches.some(
      touch => touch.agentId === agentId && touch.from <= endedAt && assignedAt <= touch.to + AFTERMATH_MS,
    );
    if (!isTouched) yield id;
  }
}
