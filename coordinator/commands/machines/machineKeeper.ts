/** Keeps a machine at work: its tunnel open, opened again with backoff, and an agent at the other end that comes in through it. */
import type {Logger} from '../../observability/logger.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import {readErrorCode} from '../answer.ts';
import {type Machine, readTunnelState, writeTunnelState} from './machineRecord.ts';
import type {RemoteMachine} from './remoteMachine.ts';
import {Tunnel} from './tunnel.ts';

const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
/** A port that is refused this often in a row is not coming back. */
const PORT_TRIES = 8;
/** Longer than any night: the attempts of an agent that waits are still its own. */
const AGENT_GONE_AFTER = '24h';

export interface MachineKeeperParts {
  readonly machine: Machine;
  /** Where its state is kept. */
  readonly folder: string;
  readonly remote: RemoteMachine;
  /** Called when the agent over there has joined, the first time. */
  readonly joined: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class MachineKeeper {
  private readonly stopping = new AbortController();
  private tunnel: Tunnel | undefined;
  private refusals = 0;
  private everJoined = false;

  constructor(private readonly parts: MachineKeeperParts) {}

  /** Resolves when it is told to stop; rejects when it never came to work. */
  async run(): Promise<void> {
    const {clock, logger, machine} = this.parts;
    let backoffMs = FIRST_BACKOFF_MS;
    while (!this.stopping.signal.aborted) {
      try {
        await this.once();
        backoffMs = FIRST_BACKOFF_MS;
      } catch (error) {
        if (!this.everJoined) throw error;
        logger.warn('the machine is not reached', {machine: machine.name, error: describeError(error)});
      }
      if (this.stopping.signal.aborted) return;
      logger.warn('the tunnel is closed and is opened again', {machine: machine.name, inMs: backoffMs});
      await delay(clock, backoffMs, this.stopping.signal).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
    }
  }

  stop(): void {
    this.stopping.abort();
    this.tunnel?.close();
  }

  /** From opening to closing. */
  private async once(): Promise<void> {
    const {machine, folder, remote, logger, joined} = this.parts;
    const {port: before} = await readTunnelState(folder);
    const wanted = this.refusals >= PORT_TRIES ? undefined : before;
    const tunnel = new Tunnel(remote.ssh, wanted ?? 0, targetOf(machine.url));
    this.tunnel = tunnel;
    if (this.stopping.signal.aborted) tunnel.close();
    try {
      const port = await tunnel.open;
      this.refusals = 0;
      await writeTunnelState(folder, {open: true, port});
      logger.info('the tunnel is open', {machine: machine.name, port});
      await this.ensureAgent(port, before !== undefined && before !== port);
      if (!this.everJoined) joined();
      this.everJoined = true;
      await tunnel.closed;
    } finally {
      tunnel.close();
      await tunnel.closed;
      if (tunnel.portRefused) this.refusals += 1;
      const {port} = await readTunnelState(folder);
      await writeTunnelState(folder, {open: false, port});
    }
  }

  /** One that is there already comes back by itself, unless the port is another one. */
  private async ensureAgent(port: number, moved: boolean): Promise<void> {
    const {machine, remote} = this.parts;
    const {name, slots, region, claude, caPin, token, folder} = machine;
    if (moved) await remote.mcpx(folder, ['agent', 'remove', name, '--json']);
    const url = new URL(machine.url);
    url.host = `127.0.0.1:${port}`;
    const args = ['agent', 'add', '--json', '--name', name, '--slots', String(slots), '--join', url.href];
    args.push('--gone-after', AGENT_GONE_AFTER);
    if (region !== undefined) args.push('--region', region);
    if (claude !== undefined) args.push('--claude', claude);
    if (caPin !== undefined) args.push('--ca-pin', caPin);
    const {code, stdout, stderr} = await remote.mcpx(folder, args, `${token}\n`);
    if (code === 0 || readErrorCode(stdout) === 'conflict') return;
    throw new CoordinatorError(
      'unavailable',
      `the agent did not start on ${machine.destination}:\n${stderr.trim()}`,
    );
  }
}

/** Where a URL leads, with the port of its scheme. */
function targetOf(address: string): {host: string; port: number} {
  const {hostname, port, protocol} = new URL(address);
  return {host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'wss:' ? 443 : 80)};
}
