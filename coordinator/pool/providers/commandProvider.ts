/**
 * Agents by any command of a shell: ssh, docker, the CLI of a cloud. One command starts an agent and returns, another ends it; that it works is
 * seen when it joins. What it must know stands in its environment, and for the command line in braces.
 */
import {spawn} from 'node:child_process';
import type {Clock} from '../../runtime/clock.ts';
import {deferred} from '../../runtime/deferred.ts';
import {Emitter, type Event} from '../../runtime/emitter.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {AgentDoor, AgentProvider} from './agentProvider.ts';

export interface CommandProviderOptions {
  /** Such as `docker run -d --rm --name {id} -e MCPX_TOKEN -e MCPX_CA_PIN image mcpx agent --join {url} --id {id} --slots {slots}`. */
  readonly start: string;
  /** Such as `docker rm -f {id}`. It may find nothing to end. Empty: agents end by themselves when they are sent away. */
  readonly stop: string;
  readonly env: Readonly<Record<string, string>>;
  readonly slots: number;
  readonly door: () => Promise<AgentDoor>;
  /** A command that takes longer is ended, in ms. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** Bytes of what a command said that are told when it fails. */
const TAIL = 500;

export class CommandProvider implements AgentProvider {
  readonly name = 'command';
  private readonly exits = new Emitter<string>();
  private readonly running = new Set<() => void>();

  readonly onExit: Event<string> = this.exits.event;

  constructor(private readonly options: CommandProviderOptions) {}

  async start(agentId: string): Promise<void> {
    await this.run(this.options.start, agentId, await this.options.door());
  }

  async stop(agentId: string): Promise<void> {
    if (this.options.stop !== '') await this.run(this.options.stop, agentId, await this.options.door());
  }

  isRunning(): undefined {
    return undefined;
  }

  /** What the commands started goes on: it belongs to the cluster, not to this process. */
  dispose(): void {
    for (const end of this.running) end();
    this.exits.dispose();
  }

  private async run(template: string, agentId: string, {url, token, caPin}: AgentDoor): Promise<void> {
    const {env, slots, timeoutMs, clock} = this.options;
    const known: Readonly<Record<string, string>> = {
      id: agentId,
      url,
      slots: String(slots),
      pin: caPin ?? '',
    };
    const command = template.replace(/\{(id|url|slots|pin)\}/g, (_, name: string) => known[name] ?? '');
    const own = {MCPX_AGENT_ID: agentId, MCPX_JOIN: url, MCPX_TOKEN: token, MCPX_AGENT_SLOTS: String(slots)};
    const child = spawn(command, {
      shell: true,
      env: {...env, ...own, ...(caPin === undefined ? {} : {MCPX_CA_PIN: caPin})},
      stdio: ['ignore', 'ignore', 'pipe'],
      windowsHide: true,
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString()}`.slice(-TAIL);
    });
    const ended = deferred<string | undefined>();
    const end = (): void => void child.kill('SIGKILL');
    const tooLong = clock.schedule(timeoutMs, () => {
      ended.resolve(`it took longer than ${Math.round(timeoutMs / 1000)} s`);
      end();
    });
    this.running.add(end);
    child.once('error', error => ended.resolve(error.message));
    // What it started may hold its output open: the command's own end counts.
    child.once('exit', (code, signal) =>
      ended.resolve(code === 0 ? undefined : `it ended with ${code ?? signal}`),
    );
    const fault = await ended.promise;
    tooLong.dispose();
    this.running.delete(end);
    child.stderr.destroy();
    if (fault !== undefined)
      throw new CoordinatorError(
        'unavailable',
        `the command for agent ${agentId} failed: ${fault}. ${said}`.trim(),
      );
  }
}
