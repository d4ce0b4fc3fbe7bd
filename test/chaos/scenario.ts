/** One run of the chaos plan, quiet or with the faults of a seed, on a fleet of its own: what happened, and what was found wrong with it. */
import path from 'node:path';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {Fleet} from '../support/fleet.ts';
import {createProject, treeOf} from '../support/gitProject.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {chaosPlan, chaosScript, GATED, HOLDS} from './chaosPlan.ts';
import type {Fault, Tempo} from './faults.ts';
import {Ground} from './ground.ts';
import {inflict} from './inflict.ts';
import {findFaults} from './invariants.ts';
import {answersIn, type Outcome} from './outcome.ts';

export interface Scenario {
  readonly tempo: Tempo;
  /** One for each hold of the plan, in their order; fewer leave the later holds alone. */
  readonly faults: readonly Fault[];
  /** What a run without faults brought; absent for that run itself. */
  readonly quiet?: Outcome;
  /** Keeps the folder of a run that went wrong. */
  readonly keep?: boolean;
}

const AGENTS = ['agent-1', 'agent-2', 'agent-3', 'agent-4'] as const;
const END_TIMEOUT_MS = 180_000;

/** Rejects with everything that was found wrong. */
export async function play(scenario: Scenario): Promise<Outcome> {
  const {tempo} = scenario;
  const rehearsal = await startRehearsalServer({
    clock: systemClock,
    logger: silentLogger,
    script: chaosScript(),
  });
  const fleet = Fleet.create({
    env: rehearsal.env,
    settings: {
      leaseSeconds: tempo.leaseSeconds,
      lossGraceMs: tempo.lossGraceMs,
      // The sockets of zombies stay open until they are given up.
      pongTimeoutMs: 120_000,
    },
  });
  let isSound = false;
  try {
    const outcome = await playOn(fleet, rehearsal, scenario);
    isSound = true;
    return outcome;
  } catch (error) {
    throw new Error(`in ${fleet.folder}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  } finally {
    await fleet.close({keep: scenario.keep === true && !isSound});
    await rehearsal.stop();
  }
}

async function playOn(
  fleet: Fleet,
  rehearsal: RehearsalServer,
  {tempo, faults, quiet}: Scenario,
): Promise<Outcome> {
  const started = performance.now();
  const ground = new Ground(path.join(fleet.folder, 'ground'));
  const project = path.join(fleet.folder, 'project');
  createProject(project, {'README.md': 'A project of nobody.\n'});
  await fleet.startCoordinator();
  for (const id of AGENTS) await fleet.startAgent({id, slots: 2, proxied: true, rehearsal: true});
  let present: ReadonlyMap<string, AgentRecord> = await fleet.whenOnline(AGENTS);
  const run = await SessionRun.start(fleet, {plan: chaosPlan(ground), project, rehearsal: true});
  const spared = new Set<string>();
  for (const [index, hold] of HOLDS.entries()) {
    const fault = faults[index];
    if (fault) present = await inflict({fleet, run, ground, tempo, fault, hold, spared, present});
    else ground.release(hold);
  }
  await run.ended(END_TIMEOUT_MS);
  const commit = await run.fetchResult();
  const outcome: Outcome = {
    state: run.state,
    tree: treeOf(project, commit),
    gated: new Set([GATED]),
    executions: ground.executions(),
    spared,
    answers: answersIn(rehearsal.requests, run.id),
    seconds: (performance.now() - started) / 1000,
    folder: fleet.folder,
  };
  const found = await findFaults(outcome, {
    folder: fleet.folder,
    run,
    quiet,
    restart: async () => {
      await fleet.coordinator.kill();
      await fleet.startCoordinator();
      return fleet.connect();
    },
  });
  if (found.length > 0)
    throw new Error(`${found.length} faults:\n- ${found.join('\n- ')}\n${run.describe()}`);
  return outcome;
}
