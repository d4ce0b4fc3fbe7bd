/** The gateway as the settings of a coordinator want it. */
import {mkdirSync} from 'node:fs';
import path from 'node:path';
import type {Settings} from '../config.ts';
import type {PoolSurroundings} from '../coordinatorOptions.ts';
import {Gateway} from '../gateway/gateway.ts';
import {DEFAULT_GATEWAY} from '../gateway/gatewaySettings.ts';
import type {CredentialStore} from '../gateway/oauth/credentialStore.ts';
import {GroupLauncher, type ProcessLauncher} from '../gateway/serverProcess.ts';
import type {Logger} from '../observability/logger.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Random} from '../runtime/random.ts';
import {SupervisedLauncher} from './supervisedLauncher.ts';

export interface GatewayGround {
  readonly settings: Settings;
  readonly folder: string;
  /** Undefined: this coordinator is part of another program. */
  readonly surroundings: PoolSurroundings | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export function makeGateway(ground: GatewayGround, credentials: CredentialStore): Gateway {
  const {settings, surroundings, clock, random} = ground;
  const logger = ground.logger.with({part: 'gateway'});
  return new Gateway({
    settings: {
      ...DEFAULT_GATEWAY,
      maxProcesses: settings.gatewayProcesses,
      maxStarting: settings.gatewayStarts,
      startTimeoutMs: settings.gatewayStartMs,
      callTimeoutMs: settings.gatewayCallMs,
      idleMs: settings.gatewayIdleMs,
      listWaitMs: settings.gatewayListMs,
      healthCheckMs: settings.gatewayHealthMs,
    },
    launcher: launcherOf(ground),
    variables: surroundings?.env ?? {},
    baseEnv: baseEnvironment(surroundings?.env ?? {}),
    credentials,
    clock,
    random,
    logger,
  });
}

function launcherOf({surroundings, folder, clock, random, logger}: GatewayGround): ProcessLauncher {
  if (!surroundings) return new GroupLauncher(clock);
  const stateFolder = path.join(folder, 'servers');
  mkdirSync(stateFolder, {recursive: true, mode: 0o700});
  const {command, args, env} = surroundings;
  return new SupervisedLauncher({
    command: [command, ...args, 'supervise'],
    env,
    stateFolder,
    agentRun: `servers-${random.hex(8)}`,
    agentPid: process.pid,
    clock,
    logger,
  });
}

/** Our own secrets are not for servers; whatever else a person's shell has they find as with any other client. */
function baseEnvironment(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('MCPX_')));
}
