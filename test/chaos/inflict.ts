/** Inflicts one fault upon a running session and says what must hold right after it. What must hold at the end is invariants.ts. */
import assert from 'node:assert/strict';
import {setTimeout as pause} from 'node:timers/promises';
import type {AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {Fleet, FleetAgent} from '../support/fleet.ts';
import {FLEET_VARIABLE, processesWith} from '../support/machine.ts';
import type {SessionRun} from '../support/sessionRun.ts';
import {found} from '../support/waiting.ts';
import type {Hold} from './chaosPlan.ts';
import type {Fault, Tempo} from './faults.ts';
import type {Ground} from './ground.ts';
import {zombieAsleep, zombieLate} from './zombies.ts';

export interface Stage {
  readonly fleet: Fleet;
  readonly run: SessionRun;
  readonly ground: Ground;
  readonly tempo: Tempo;
  readonly fault: Fault;
  readonly hold: Hold;
  /** Attempts that no fault so far may have ended: they must come to an end of their own. */
  readonly spared: Set<string>;
  /** The agents' processes at present: records may still name attempts of those before. */
  readonly present: ReadonlyMap<string, AgentRecord>;
}

const RUNNING_TIMEOUT_MS = 60_000;
/** A supervisor looks once a second; the machine may be busy. */
const KILLED_TIMEOUT_MS = 10_000;

/** Resolves when the fault is over, with the agents as they are then; its consequences may go on. */
export async function inflict(stage: Stage): Promise<ReadonlyMap<string, AgentRecord>> {
  const {fleet, fault, hold, ground} = stage;
  const held = await found(() => underWay(stage), RUNNING_TIMEOUT_MS, `${hold} to begin its work`);
  if (fault.release === 'before' && !fault.kind.startsWith('zombie')) ground.release(hold);
  await pause(fault.afterMs);
  const agent = targetOf(stage, held);
  ground.note(`${fault.kind} upon ${agent.id} while it is about ${held.id}`);
  await INFLICT[fault.kind](stage, agent, held);
  ground.release(hold);
  const present = await fleet.whenOnline([...fleet.agents.keys()]);
  ground.note(`${fault.kind} is over`);
  return present;
}

/** The attempt that has the hold, once it is not only placed: Claude Code takes a while to come to its work. */
function underWay({run, hold, ground, present}: Stage): AttemptRecord | undefined {
  const {tasks, attempts} = run.state;
  const attempt = attempts.get(tasks.get(hold)?.currentAttempt ?? '');
  if (attempt?.state !== 'running' || !isOfPresent(attempt, present)) return undefined;
  return ground.hasStarted(attempt.id) ? attempt : undefined;
}

function isOfPresent(attempt: AttemptRecord, present: Stage['present']): boolean {
  return present.get(attempt.agentId)?.incarnation === attempt.agentIncarnation;
}

const INFLICT: Record<
  Fault['kind'],
  (stage: Stage, agent: FleetAgent, held: AttemptRecord) => Promise<void>
> = {
  killAgent: async (stage, agent) => {
    expose(stage, agent);
    await agent.process.kill();
    during(stage);
    await everyProcessEnds(stage, agent);
    await pause(stage.fault.restartMs);
    agent.process.start();
  },

  killCoordinator: async stage => {
    const {fleet, fault} = stage;
    spare(stage);
    await fleet.coordinator.kill();
    during(stage);
    await pause(fault.restartMs);
    await fleet.startCoordinator();
  },

  killBoth: async (stage, agent) => {
    const {fleet, fault} = stage;
    spare(stage);
    expose(stage, agent);
    await Promise.all([fleet.coordinator.kill(), agent.process.kill()]);
    during(stage);
    await everyProcessEnds(stage, agent);
    await pause(fault.restartMs);
    agent.process.start();
    await fleet.startCoordinator();
  },

  /** Supervisors are left: they are what ends the attempts. */
  killEverything: async stage => {
    const {fleet, fault} = stage;
    const agents = [...fleet.agents.values()];
    for (const agent of agents) expose(stage, agent);
    await Promise.all([fleet.coordinator, ...agents.map(agent => agent.process)].map(verb => verb.kill()));
    during(stage);
    for (const agent of agents) await everyProcessEnds(stage, agent);
    await pause(fault.restartMs);
    for (const agent of agents) agent.process.start();
    await fleet.startCoordinator();
  },

  killAgainAndAgain: async stage => {
    const {fleet, fault} = stage;
    spare(stage);
    await fleet.coordinator.kill();
    during(stage);
    await pause(fault.restartMs);
    for (const lifeMs of fault.livesMs) {
      await fleet.startCoordinator();
      await pause(lifeMs);
      spare(stage);
      await fleet.coordinator.kill();
    }
    await fleet.startCoordinator();
  },

  cutLong: async (stage, agent) => {
    expose(stage, agent);
    agent.proxy?.cut();
    during(stage);
    await pause(stage.tempo.longCutMs);
    agent.proxy?.heal();
  },

  /** Shorter than what is left of the lease with the grace: nobody is given up. */
  cutShort: async (stage, agent) => {
    const {leaseSeconds, lossGraceMs} = stage.tempo;
    spare(stage);
    agent.proxy?.cut();
    during(stage);
    await pause((leaseSeconds * 1000 + lossGraceMs) / 2);
    agent.proxy?.reset();
    agent.proxy?.heal();
  },

  zombieAsleep: async (stage, _agent, held) => {
    const holder = stage.fleet.agent(held.agentId);
    expose(stage, holder);
    await zombieAsleep(stage, holder, held);
  },

  zombieLate: async (stage, _agent, held) => {
    const holder = stage.fleet.agent(held.agentId);
    expose(stage, holder);
    await zombieLate(stage, holder, held);
  },

  pauseCoordinator: async stage => {
    const {fleet, tempo} = stage;
    spare(stage);
    fleet.coordinator.pause();
    during(stage);
    await pause(tempo.pauseMs);
    fleet.coordinator.resume();
  },

  sleep: async stage => {
    spare(stage);
    const wake = stage.fleet.freeze();
    during(stage);
    await pause(stage.tempo.sleepMs);
    wake();
  },
};

function targetOf({fleet, fault}: Stage, held: AttemptRecord): FleetAgent {
  const ids = [...fleet.agents.keys()].sort();
  const place = ids.indexOf(held.agentId);
  const id = fault.target === 'holder' ? held.agentId : ids[(place + 1) % ids.length];
  return fleet.agent(id ?? held.agentId);
}

function during({fault, ground, hold}: Stage): void {
  if (fault.release === 'during') ground.release(hold);
}

/** Whatever is under way now has to outlive the fault. */
function spare({run, spared, present}: Stage): void {
  for (const attempt of run.state.attempts.values())
    if (attempt.state !== 'ended' && isOfPresent(attempt, present)) spared.add(attempt.id);
}

/** The fault may take this agent's attempts. */
function expose({run, spared}: Stage, agent: FleetAgent): void {
  for (const attempt of run.state.attempts.values())
    if (attempt.agentId === agent.id) spared.delete(attempt.id);
}

async function everyProcessEnds({fleet}: Stage, agent: FleetAgent): Promise<void> {
  const alive = () =>
    processesWith('MCPX_AGENT_ID', agent.id).filter(
      ({environment}) => environment.get(FLEET_VARIABLE) === fleet.folder,
    );
  await found(
    () => (alive().length === 0 ? true : undefined),
    KILLED_TIMEOUT_MS,
    `the processes of ${agent.id} to end with it`,
  ).catch((error: unknown) => {
    assert.fail(`${error}: ${alive().map(({pid, command}) => `${pid} ${command}`)}`);
  });
}
