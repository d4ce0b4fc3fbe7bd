/** Keeps one added agent alive: started, started again when it dies, until it is told to end or its coordinator has been gone for long. */
import type {ChildProcess} from 'node:child_process';
import path from 'node:path';
import type {Logger} from '../../observability/logger.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import {EXIT} from '../io.ts';
import type {Directories} from '../local/directories.ts';
import {childEnvironment, spawnVerb} from '../local/selfCommand.ts';
import type {KeptAgent} from './keptAgent.ts';

const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
/** An agent that ran this long died of something new. */
const HEALTHY_AFTER_MS = 30_000;
const STOP_MS = 15_000;

export interface KeeperParts {
  readonly agent: KeptAgent;
  readonly directories: Directories;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly rehearsalEnv: Readonly<Record<string, string>> | undefined;
  /** Called when it is joined, after each start. */
  readonly joined: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class AgentKeeper {
  private readonly stopping = new AbortController();
  private child: ChildProcess | undefined;

  constructor(private readonly parts: KeeperParts) {}

  /** Resolves with its end. */
  async run(): Promise<void> {
    const {agent, clock, logger} = this.parts;
    let backoffMs = FIRST_BACKOFF_MS;
    let lastWell = clock.now();
    while (!this.stopping.signal.aborted) {
      const started = clock.now();
      const code = await this.once();
      if (code === EXIT.ok || code === EXIT.replaced) return;
      if (clock.now() - started > HEALTHY_AFTER_MS) [backoffMs, lastWell] = [FIRST_BACKOFF_MS, clock.now()];
      if (clock.now() - lastWell > agent.goneAfterMs) {
        logger.warn('there has been no coordinator for long: the agent is not started again');
        return;
      }
      logger.warn('the agent ended and is started again', {agent: agent.name, code, inMs: backoffMs});
      await delay(clock, backoffMs, this.stopping.signal).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
    }
  }

  /** Its attempts are given back. */
  stop(): void {
    this.stopping.abort();
    const {child} = this;
    if (!child) return;
    child.kill('SIGTERM');
    const force = this.parts.clock.schedule(STOP_MS, () => child.kill('SIGKILL'));
    child.once('exit', () => force.dispose());
  }

  /** Starts it and resolves with its exit code; undefined when a signal ended it. */
  private once(): Promise<number | undefined> {
    const {agent, directories, env, rehearsalEnv, joined} = this.parts;
    const {MCPX_TOKEN: _, ...inherited} = env;
    const child = spawnVerb(argumentsOf(agent, directories), {
      env: childEnvironment(inherited, {
        ...(agent.token === undefined ? {} : {MCPX_TOKEN: agent.token}),
        ...(agent.caPin === undefined ? {} : {MCPX_CA_PIN: agent.caPin}),
        ...rehearsalEnv,
      }),
      logFile: agent.log,
      detached: false,
      tells: true,
    });
    this.child = child;
    child.once('message', joined);
    return new Promise(resolve => {
      child.once('error', () => resolve(EXIT.failed));
      child.once('exit', code => resolve(code ?? undefined));
    });
  }
}

function argumentsOf(agent: KeptAgent, directories: Directories): string[] {
  const {name, slots, join, region, claude, rehearsal, goneAfterMs} = agent;
  const args = ['agent', '--id', name, '--state', path.join(directories.agents, `added-${name}`)];
  args.push('--slots', String(slots), '--gone-after', String(goneAfterMs), '--until-stdin-closes');
  if (join !== undefined) args.push('--join', join);
  if (region !== undefined) args.push('--region', region);
  if (claude !== undefined) args.push('--claude', claude);
  if (rehearsal !== undefined) args.push('--rehearsal');
  return args;
}
