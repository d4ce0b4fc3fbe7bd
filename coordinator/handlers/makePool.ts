/** The pool of a coordinator as its settings want it: provider, scaler, and the numbers that the scaler decides from. */
import path from 'node:path';
import type {Settings} from '../config.ts';
import type {PoolSurroundings} from '../coordinatorOptions.ts';
import {totalOf} from '../pool/agentHistory.ts';
import type {AgentDoor, AgentProvider} from '../pool/providers/agentProvider.ts';
import {CommandProvider} from '../pool/providers/commandProvider.ts';
import {LocalProcesses} from '../pool/providers/localProcesses.ts';
import {PoolScaler, type PoolScalerOptions} from '../pool/scaling/poolScaler.ts';
import type {PoolStore} from '../pool/scaling/poolStore.ts';
import {AgentHistoryRecord} from '../protocol/model/agentHistory.ts';
import type {Clock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {readRecords} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import type {Lead} from '../tasks/lead.ts';

export interface PoolParts
  extends Pick<PoolScalerOptions, 'directory' | 'registry' | 'tenant' | 'coordinatorId' | 'logger'> {
  readonly records: PoolStore;
  readonly store: Store;
  readonly settings: Settings;
  readonly folder: string;
  /** Undefined: this coordinator is part of another program. */
  readonly surroundings: PoolSurroundings | undefined;
  readonly door: () => Promise<AgentDoor>;
  readonly lead: () => Lead;
  readonly clock: Clock;
}

const LOOK_MS = 2000;
/** What an attempt is taken to last before any has succeeded, in ms. */
const UNKNOWN_MS = 60_000;

/** Undefined when there is to be none. Throws `config`. */
export function makePool(parts: PoolParts): PoolScaler | undefined {
  const {settings} = parts;
  if (settings.poolMin > settings.poolMax)
    throw new CoordinatorError(
      'config',
      `poolMin is ${settings.poolMin}, more than poolMax ${settings.poolMax}`,
    );
  if (settings.poolMax === 0) return undefined;
  return new PoolScaler({
    ...parts,
    provider: providerOf(parts),
    demand: () => demandOf(parts),
    settings: {
      min: settings.poolMin,
      max: settings.poolMax,
      slots: settings.poolSlots,
      targetWaitMs: settings.poolTargetWaitMs,
      cooldownMs: settings.poolCooldownMs,
      joinMs: settings.poolJoinMs,
      silentMs: settings.lossGraceMs,
      lookMs: LOOK_MS,
    },
  });
}

function providerOf({settings, surroundings, folder, door, clock}: PoolParts): AgentProvider {
  const slots = settings.poolSlots;
  if (settings.poolProvider === 'command') {
    if (settings.poolStart === '')
      throw new CoordinatorError('config', 'poolProvider is command, and poolStart is empty', {
        hint: 'Set poolStart to the shell command that starts an agent, such as "docker run -d --name {id} …".',
      });
    const env = surroundings?.env ?? {};
    return new CommandProvider({
      ...{start: settings.poolStart, stop: settings.poolStop, timeoutMs: settings.poolJoinMs},
      ...{env, slots, door, clock},
    });
  }
  if (!surroundings)
    throw new CoordinatorError('config', 'poolMax needs the mcpx command, to start agents as processes', {
      hint: 'Set poolProvider to command, or poolMax to 0.',
    });
  const agentArgs = settings.poolAgentArgs.split(/\s+/).filter(Boolean);
  return new LocalProcesses({
    ...surroundings,
    folder: path.join(folder, 'pool'),
    slots,
    agentArgs,
    door,
    clock,
  });
}

async function demandOf({lead, store, records, settings, tenant}: PoolParts) {
  // What a command starts joins like any other agent.
  const poolMode = settings.poolProvider === 'localProcesses' ? 'internal' : 'external';
  const demand = lead().demandFor(tenant, poolMode);
  if (!demand) return undefined;
  const histories = await readRecords(store, AgentHistoryRecord, records.keys.agentHistories);
  const {succeeded, meanMs} = totalOf({classes: histories.records.flatMap(({value}) => value.classes)});
  return {...demand, meanMs: succeeded === 0 ? UNKNOWN_MS : meanMs};
}
