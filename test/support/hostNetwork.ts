/**
 * Hosts with a network each, joined by a bridge in the network that this process is in, so that it is the fourth. Whoever calls has a network of
 * its own (enclosure.ts): everything here ends with it. Each host is held by a process that ends when this one does.
 *
 * One direction between two is cut by a wrong hardware address for the other: what is sent goes nowhere, silently, as in a broken switch.
 */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {readlinkSync} from 'node:fs';
import {found} from './waiting.ts';

const NETWORK = '10.77.0';
const BRIDGE = 'bridge0';
const HOST_DEVICE = 'eth0';
const NOWHERE = '02:00:00:00:ff:ff';
const START_MS = 10_000;

/** The clients' own place in the network. */
export const CLIENTS = 'clients';

interface Place {
  readonly name: string;
  readonly number: number;
  /** Holds its network; the clients' is ours. */
  readonly holder: ChildProcess | undefined;
}

export class HostNetwork {
  private readonly places: Place[] = [{name: CLIENTS, number: 100, holder: undefined}];

  private constructor() {}

  static async create(hosts: readonly string[]): Promise<HostNetwork> {
    const network = new HostNetwork();
    try {
      ip([
        'link set lo up',
        `link add ${BRIDGE} address ${hardware(100)} type bridge forward_delay 0`,
        `address add ${NETWORK}.100/24 dev ${BRIDGE}`,
        `link set ${BRIDGE} up`,
      ]);
      for (const [at, host] of hosts.entries()) await network.join(host, at + 1);
      network.mend();
      return network;
    } catch (error) {
      network.end();
      throw error;
    }
  }

  get hosts(): readonly string[] {
    return this.places.filter(({holder}) => holder).map(({name}) => name);
  }

  address(name: string): string {
    return `${NETWORK}.${this.place(name).number}`;
  }

  /** What a command line begins with to run there. The process is the command itself, and ends with this one. */
  through(host: string): readonly string[] {
    return [
      ...['nsenter', `--net=/proc/${this.place(host).holder?.pid}/ns/net`, '--'],
      ...['setpriv', '--pdeathsig', 'KILL', '--'],
    ];
  }

  /** Nothing that `from` sends reaches `to` any more. */
  cut(from: string, to: string): void {
    this.direct(from, to, NOWHERE);
  }

  /** What `from` sends reaches `to` again. */
  restore(from: string, to: string): void {
    this.direct(from, to, hardware(this.place(to).number));
  }

  cutBoth(one: string, other: string): void {
    this.cut(one, other);
    this.cut(other, one);
  }

  /** Takes a host's cable out at the bridge. */
  unplug(host: string): void {
    ip([`link set ${port(this.place(host))} down`]);
  }

  plug(host: string): void {
    ip([`link set ${port(this.place(host))} up`]);
  }

  /** Everybody reaches everybody. */
  mend(): void {
    ip(this.hosts.map(host => `link set ${port(this.place(host))} up`));
    for (const from of this.places)
      for (const to of this.places) if (from !== to) this.direct(from.name, to.name, hardware(to.number));
  }

  end(): void {
    for (const {holder} of this.places) holder?.kill('SIGKILL');
  }

  private async join(name: string, number: number): Promise<void> {
    const holder = spawn('unshare', ['--net', 'cat'], {stdio: ['pipe', 'ignore', 'inherit']});
    const place = {name, number, holder};
    this.places.push(place);
    const ours = readlinkSync('/proc/self/ns/net');
    await found(() => (networkOf(holder.pid) ?? ours) !== ours || undefined, START_MS, 'a network');
    const device = `name ${HOST_DEVICE} address ${hardware(number)} netns ${holder.pid}`;
    ip([
      `link add ${port(place)} type veth peer ${device}`,
      `link set ${port(place)} master ${BRIDGE}`,
      `link set ${port(place)} up`,
    ]);
    ip(
      [
        'link set lo up',
        `address add ${NETWORK}.${number}/24 dev ${HOST_DEVICE}`,
        `link set ${HOST_DEVICE} up`,
      ],
      this.through(name),
    );
  }

  private direct(from: string, to: string, address: string): void {
    const device = from === CLIENTS ? BRIDGE : HOST_DEVICE;
    const line = `neighbour replace ${this.address(to)} lladdr ${address} dev ${device} nud permanent`;
    ip([line], from === CLIENTS ? [] : this.through(from));
  }

  private place(name: string): Place {
    const place = this.places.find(other => other.name === name);
    assert.ok(place, name);
    return place;
  }
}

function port({number}: Place): string {
  return `port${number}`;
}

function hardware(number: number): string {
  return `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`;
}

function networkOf(pid: number | undefined): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

function ip(lines: readonly string[], through: readonly string[] = []): void {
  const [program = '', ...args] = [...through, 'ip', '-batch', '-'];
  const {status, stderr, error} = spawnSync(program, args, {
    input: lines.map(line => `${line}\n`).join(''),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`ip ${lines.join('; ')}: ${error?.message ?? stderr.trim()}`);
}
