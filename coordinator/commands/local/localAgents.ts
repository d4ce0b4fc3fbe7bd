/** The agents that a run starts on this machine: each in its own process, restarted when it dies, gone when we are. */
import type {ChildProcess} from 'node:child_process';
import {mkdir, readdir, rm, stat} from 'node:fs/promises';
import path from 'node:path';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import {certificatePin} from '../../security/certificates.ts';
import type {Directories} from './directories.ts';
import type {Endpoint} from './endpoint.ts';
import {childEnvironment, spawnVerb} from './selfCommand.ts';

const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 15_000;
/** An agent that ran this long died of something new. */
const HEALTHY_AFTER_MS = 30_000;
const KEEP_LOGS_MS = 14 * 86_400_000;

export interface LocalAgentsOptions {
  readonly endpoint: Endpoint;
  readonly sessionId: string;
  readonly count: number;
  readonly slots: number;
  readonly directories: Directories;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Set for a rehearsal: where the scripted model server listens, and what Claude Code needs to use it. */
  readonly rehearsalEnv?: Readonly<Record<string, string>> | undefined;
  /** They work on while our terminal's foreground is stopped. */
  readonly ownGroup?: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface LocalAgent {
  readonly index: number;
  child: ChildProcess | undefined;
  startedAt: number;
  backoffMs: number;
  restart: Disposable | undefined;
}

export class LocalAgents {
  private readonly agents: LocalAgent[] = [];
  private stopping = false;

  constructor(private readonly options: LocalAgentsOptions) {}

  get count(): number {
    return this.agents.length;
  }

  get pids(): number[] {
    return this.agents.flatMap(agent => agent.child?.pid ?? []);
  }

  async start(): Promise<void> {
    await mkdir(this.options.directories.agents, {recursive: true, mode: 0o700});
    await mkdir(this.options.directories.logs, {recursive: true, mode: 0o700});
    await dropOldLogs(this.options.directories.logs, this.options.clock.wallNow() - KEEP_LOGS_MS);
    for (let index = 1; index <= this.options.count; index++) {
      const agent: LocalAgent = {
        index,
        child: undefined,
        startedAt: 0,
        backoffMs: FIRST_BACKOFF_MS,
        restart: undefined,
      };
      this.agents.push(agent);
      this.spawn(agent);
    }
  }

  /** Asks each to finish (SIGTERM), and kills those that have not ended after the grace. */
  async stop(graceMs: number): Promise<void> {
    this.stopping = true;
    await Promise.all(
      this.agents.map(
        agent =>
          new Promise<void>(resolve => {
            agent.restart?.dispose();
            const {child} = agent;
            if (!child || child.exitCode !== null || child.signalCode !== null) {
              resolve();
              return;
            }
            const force = this.options.clock.schedule(graceMs, () => child.kill('SIGKILL'));
            child.once('exit', () => {
              force.dispose();
              resolve();
            });
            child.kill('SIGTERM');
          }),
      ),
    );
  }

  /** Kills them at once; their supervisors take the attempts' processes along. */
  kill(): void {
    this.stopping = true;
    for (const agent of this.agents) agent.child?.kill('SIGKILL');
  }

  private spawn(agent: LocalAgent): void {
    const {options} = this;
    const name = `${options.sessionId}-${agent.index}`;
    const args = [
      'agent',
      '--join',
      options.endpoint.url,
      '--state-pool',
      options.directories.agents,
      '--slots',
      String(options.slots),
    ];
    args.push('--reserved-for', options.sessionId, '--mode', 'internal', '--until-stdin-closes');
    if (options.rehearsalEnv) args.push('--rehearsal');
    const env = childEnvironment(options.env, {
      MCPX_TOKEN: options.endpoint.agentToken,
      ...(options.endpoint.ca === undefined ? {} : {MCPX_CA_PIN: certificatePin(options.endpoint.ca)}),
      ...options.rehearsalEnv,
    });
    const logFile = path.join(options.directories.logs, `agent-${name}.log`);
    agent.startedAt = options.clock.now();
    const child = spawnVerb(args, {env, logFile, detached: false, ownGroup: options.ownGroup ?? false});
    agent.child = child;
    child.once('error', error =>
      options.logger.warn('a local agent could not be started', {agent: name, error}),
    );
    child.once('exit', (code, signal) => {
      if (this.stopping) return;
      if (options.clock.now() - agent.startedAt > HEALTHY_AFTER_MS) agent.backoffMs = FIRST_BACKOFF_MS;
      options.logger.warn('a local agent ended and is started again', {
        agent: name,
        code,
        signal,
        log: logFile,
      });
      agent.restart = options.clock.schedule(agent.backoffMs, () => this.spawn(agent));
      agent.backoffMs = Math.min(agent.backoffMs * 2, LONGEST_BACKOFF_MS);
    });
  }
}

/** Every run leaves a log for each of its agents, and one of its own when it was in the background. */
async function dropOldLogs(folder: string, before: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^(?:agent|run)-/.test(name)) continue;
    const file = path.join(folder, name);
    const {mtimeMs} = await stat(file);
    if (mtimeMs < before) await rm(file, {force: true});
  }
}
