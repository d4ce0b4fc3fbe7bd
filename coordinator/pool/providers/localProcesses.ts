/** Agents as processes of this machine, each in a folder of its own; they end when the coordinator does, however it ends. */
import {type ChildProcess, spawn} from 'node:child_process';
import {closeSync, mkdirSync, openSync} from 'node:fs';
import path from 'node:path';
import type {Clock} from '../../runtime/clock.ts';
import {deferred} from '../../runtime/deferred.ts';
import {Emitter} from '../../runtime/emitter.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {AgentDoor, AgentProvider} from './agentProvider.ts';

export interface LocalProcessesOptions {
  /** This very program. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Worktrees, caches and logs are below it. */
  readonly folder: string;
  readonly slots: number;
  /** Added to the command line of each. */
  readonly agentArgs: readonly string[];
  readonly door: () => Promise<AgentDoor>;
  readonly clock: Clock;
}

const STOP_MS = 10_000;

export class LocalProcesses implements AgentProvider {
  readonly name = 'localProcesses';
  private readonly children = new Map<string, ChildProcess>();
  private readonly exits = new Emitter<string>();

  readonly onExit = this.exits.event;

  constructor(private readonly options: LocalProcessesOptions) {}

  async start(agentId: string): Promise<void> {
    const {command, args, env, folder, slots, agentArgs} = this.options;
    const {url, token, caPin} = await this.options.door();
    mkdirSync(path.join(folder, agentId), {recursive: true, mode: 0o700});
    const own = ['agent', '--join', url, '--id', agentId, '--state', path.join(folder, agentId)];
    own.push('--slots', String(slots), '--mode', 'internal', '--until-stdin-closes', ...agentArgs);
    const log = openSync(path.join(folder, `${agentId}.log`), 'a', 0o600);
    try {
      const child = spawn(command, [...args, ...own], {
        env: {...env, MCPX_TOKEN: token, ...(caPin === undefined ? {} : {MCPX_CA_PIN: caPin})},
        stdio: ['pipe', log, log],
        windowsHide: true,
      });
      await begun(child, agentId);
      this.children.set(agentId, child);
      child.once('exit', () => {
        if (this.children.get(agentId) !== child) return;
        this.children.delete(agentId);
        this.exits.emit(agentId);
      });
    } finally {
      closeSync(log);
    }
  }

  async stop(agentId: string): Promise<void> {
    const child = this.children.get(agentId);
    this.children.delete(agentId);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = deferred<void>();
    child.once('exit', () => ended.resolve());
    child.kill('SIGTERM');
    const force = this.options.clock.schedule(STOP_MS, () => child.kill('SIGKILL'));
    await ended.promise;
    force.dispose();
  }

  isRunning(agentId: string): boolean {
    return this.children.has(agentId);
  }

  /** Their supervisors take the attempts' processes along. */
  dispose(): void {
    const children = [...this.children.values()];
    this.children.clear();
    this.exits.dispose();
    for (const child of children) child.kill('SIGTERM');
  }
}

async function begun(child: ChildProcess, agentId: string): Promise<void> {
  const spawned = deferred<void>();
  child.once('spawn', () => spawned.resolve());
  child.once('error', cause =>
    spawned.reject(new CoordinatorError('unavailable', `the agent ${agentId} could not be started`, {cause})),
  );
  // Its end is told by its exit.
  child.stdin?.on('error', () => undefined);
  await spawned.promise;
}
