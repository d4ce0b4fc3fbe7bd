/** Three coordinators and many agents as real processes on hosts of their own, over TLS, and a client beside them. They are kept running: who ends without being meant to is started again, and that is noted. */
import {mkdirSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import path from 'node:path';
import type {ArtifactClient} from '../../../coordinator/artifacts/artifactClient.ts';
import {connectClient, type McpxClient} from '../../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../../coordinator/client/nodeSocket.ts';
import {artifactClient} from '../../../coordinator/commands/local/connect.ts';
import {readEndpoint} from '../../../coordinator/commands/local/endpoint.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {
  type ClusterAuthority,
  createClusterAuthority,
} from '../../../coordinator/security/clusterAuthority.ts';
import {fleetEnvironment} from '../../support/fleet.ts';
import {CLIENTS, type HostNetwork} from '../../support/hostNetwork.ts';
import {disown, endProcessesOf, ownFolder} from '../../support/ownedFolders.ts';
import type {SessionHost} from '../../support/sessionRun.ts';
import {VerbProcess} from '../../support/verbProcess.ts';
import {found, within} from '../../support/waiting.ts';
import {HostModels} from './hostModels.ts';
import {SlowHost} from './slowHost.ts';
import type {Cast} from './wholeFaults.ts';

export const NODES = ['c1', 'c2', 'c3'] as const;
export const AGENT_HOSTS = ['h1', 'h2', 'h3', 'h4'] as const;
/** Agents on it reach the coordinators through a slow link, which begins on a host of its own. */
const SLOW = {host: 'h4', uplink: 'u4'} as const;
export const HOSTS = [...NODES, ...AGENT_HOSTS, SLOW.uplink];

/** Of its temporary folder. */
export const PREFIX = 'mcpx-chaos-';
const PORT = 7600;
const PEER_PORT = 7601;
const SLOTS = 2;
const START_MS = 120_000;
const STAGGER_MS = 400;
const KEEP_MS = 500;
const DAY_SECONDS = 86_400;

/** The host by whose cable that one reaches others. */
export function linkOf(host: string): string {
  return host === SLOW.host ? SLOW.uplink : host;
}

/** A process that is kept running while it is wanted. */
export interface Kept {
  readonly name: string;
  readonly host: string;
  readonly process: VerbProcess;
  /** Faults that keep it down at present. */
  downs: number;
}

export class WholeFleet implements SessionHost {
  /** Temporary; everything of the fleet is in it. One that is kept is nobody's. */
  readonly folder = ownFolder(PREFIX);
  readonly coordinators = new Map<string, Kept>();
  readonly agents = new Map<string, Kept>();
  /** What ended by itself. */
  readonly ends: string[] = [];
  private readonly clients: {dispose(): void}[] = [];
  private keeping: NodeJS.Timeout | undefined;
  private authority: ClusterAuthority | undefined;
  private tokens = {client: '', agent: ''};
  private models: HostModels | undefined;
  slowHost: SlowHost | undefined;

  private constructor(private readonly network: HostNetwork) {
    for (const name of ['logs', 'home', 'agents']) mkdirSync(path.join(this.folder, name));
  }

  /** Resolves when all agents are registered. Close it, whatever happens. */
  static async start(
    network: HostNetwork,
    options: {readonly agents: number; readonly script: string},
  ): Promise<WholeFleet> {
    const fleet = new WholeFleet(network);
    try {
      await fleet.startCoordinators();
      await fleet.startAgents(options.agents, options.script);
      fleet.keeping = setInterval(() => fleet.keep(), KEEP_MS);
      return fleet;
    } catch (error) {
      await fleet.close({keep: true});
      throw new Error(`in ${fleet.folder}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }

  get cast(): Cast {
    return {agents: [...this.agents.keys()], nodes: NODES, hosts: AGENT_HOSTS.map(linkOf), clients: CLIENTS};
  }

  kept(name: string): Kept {
    const kept = this.coordinators.get(name) ?? this.agents.get(name);
    if (!kept) throw new Error(`there is no ${name}`);
    return kept;
  }

  /** A client of whichever coordinators `nodes` names; it ends with the fleet. */
  async connect(nodes: readonly string[] = NODES): Promise<McpxClient> {
    const client = this.client(nodes, this.tokens.client);
    await client.whenConnected(START_MS);
    return client;
  }

  artifacts(): ArtifactClient {
    const [first = '', ...others] = this.urls(NODES);
    const target = {url: first, others, token: this.tokens.client, ca: this.authority?.cert};
    const client = artifactClient(target, silentLogger, systemClock, this.client(NODES, target.token));
    this.clients.push(client);
    return client;
  }

  /** The node whose word it is that it leads, by what `client` is told. */
  async lead(client: McpxClient, timeoutMs: number): Promise<string | undefined> {
    const {lead} = await client.request('mcpx.cluster.info', {}, {timeoutMs});
    for (const node of NODES)
      if ((await readEndpoint(this.dataFolder(node)))?.coordinator === lead) return node;
    return undefined;
  }

  /** Kills all coordinators and starts them again; resolves with a new client. */
  async restart(): Promise<McpxClient> {
    const all = [...this.coordinators.values()];
    for (const each of all) each.downs += 1;
    await Promise.all(all.map(each => each.process.kill()));
    for (const each of all) each.process.start();
    for (const each of all) each.downs -= 1;
    await Promise.all(all.map(each => this.listening(each)));
    return this.connect();
  }

  /** Ends the models; resolves with the requests that they were sent. */
  async requests(): Promise<Awaited<ReturnType<HostModels['stop']>>> {
    return (await this.models?.stop()) ?? [];
  }

  /** Ends everything at once and removes the folder, unless `keep`. */
  async close({keep = false}: {keep?: boolean} = {}): Promise<void> {
    clearInterval(this.keeping);
    for (const client of this.clients) client.dispose();
    await Promise.all(
      [...this.agents.values(), ...this.coordinators.values()].map(each => each.process.kill()),
    );
    await this.models?.stop();
    await this.slowHost?.stop();
    await endProcessesOf(this.folder);
    if (keep) disown(this.folder);
    else await rm(this.folder, {recursive: true, force: true, maxRetries: 5});
  }

  private async startCoordinators(): Promise<void> {
    const {network} = this;
    this.authority = await createClusterAuthority({clock: systemClock});
    writeFileSync(path.join(this.folder, 'ca.pem'), this.authority.cert);
    const peers = NODES.map(node => `${node}=wss://${network.address(node)}:${PEER_PORT}`).join(',');
    for (const node of NODES) {
      const data = this.dataFolder(node);
      const address = network.address(node);
      mkdirSync(data, {mode: 0o700});
      const {cert, key} = this.authority;
      writeFileSync(path.join(data, 'authority.pem'), `${cert}${key}`, {mode: 0o600});
      const args = [
        ...[
          'coordinator',
          '--data',
          data,
          '--tls',
          '--listen',
          `${address}:${PORT}`,
          '--public-name',
          address,
        ],
        ...['--cluster', 'fleet', '--node', node, '--peers', peers],
        // An agent that is taken for broken because of what was done to it comes back within the run.
        ...['--set', 'quarantineMs=20000'],
      ];
      this.coordinators.set(node, this.make(node, node, args, {NODE_OPTIONS: '--trace-warnings'}));
    }
    for (const each of this.coordinators.values()) each.process.start();
    await Promise.all([...this.coordinators.values()].map(each => this.listening(each)));
    const endpoint = await readEndpoint(this.dataFolder(NODES[0]));
    const first = this.client([NODES[0]], endpoint?.token ?? '');
    await first.whenConnected(START_MS);
    const token = async (role: 'agent' | 'client'): Promise<string> =>
      (
        await first.request(
          'mcpx.token.create',
          {role, ttlSeconds: DAY_SECONDS},
          {retry: true, timeoutMs: START_MS},
        )
      ).token;
    this.tokens = {client: await token('client'), agent: await token('agent')};
    first.dispose();
  }

  private async startAgents(count: number, script: string): Promise<void> {
    const {network, folder} = this;
    this.models = await HostModels.start({network, hosts: AGENT_HOSTS, folder, script});
    const targets = NODES.map(node => ({host: network.address(node), port: PORT}));
    this.slowHost = await SlowHost.start(network, SLOW, targets);
    for (let at = 0; at < count; at++) {
      const host = AGENT_HOSTS[at % AGENT_HOSTS.length] ?? AGENT_HOSTS[0];
      const id = `a${at + 1}-${host}`;
      const home = path.join(folder, 'agents', id);
      mkdirSync(path.join(home, 'home'), {recursive: true});
      const args = [
        ...['agent', '--join', this.urls(NODES).join(','), '--id', id, '--state', path.join(home, 'state')],
        ...['--slots', String(SLOTS), '--region', host, '--rehearsal'],
      ];
      const agent = this.make(id, host, args, {
        ...this.models.envOf(host),
        NODE_OPTIONS: '--trace-warnings',
        HOME: path.join(home, 'home'),
        MCPX_HOME: path.join(home, 'mcpx'),
        MCPX_TOKEN: this.tokens.agent,
        MCPX_CA: path.join(folder, 'ca.pem'),
      });
      this.agents.set(id, agent);
      agent.process.start();
      await new Promise(resolve => setTimeout(resolve, STAGGER_MS));
    }
    await this.allOnline();
  }

  /** Resolves when every agent is registered and not away. */
  async allOnline(): Promise<void> {
    const client = await this.connect();
    const online = new Set<string>();
    const joined = new Promise<void>(resolve => {
      const view = client.watch({view: 'agents'}, () => {
        online.clear();
        for (const row of view.rows.values()) if (row.kind === 'agent' && row.online) online.add(row.id);
        if ([...this.agents.keys()].every(id => online.has(id))) resolve();
      });
    });
    await within(joined, START_MS, () => `all agents to join; there are ${[...online].join(', ')}`);
    client.dispose();
  }

  private make(name: string, host: string, args: string[], env: Readonly<Record<string, string>>): Kept {
    const process = new VerbProcess({
      name,
      args: [...args, '--log', 'info'],
      env: fleetEnvironment(this.folder, env),
      logFile: path.join(this.folder, 'logs', `${name}.log`),
      through: this.network.through(host),
    });
    return {name, host, process, downs: 0};
  }

  private client(nodes: readonly string[], token: string): McpxClient {
    const client = connectClient({
      urls: [...this.urls(nodes)],
      token: () => token,
      openSocket: nodeSocket({ca: () => this.authority?.cert}),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      implementation: {name: 'mcpx-test', version: '0'},
      settings: {maxBackoffMs: 1000},
      watchRetryMs: 200,
    });
    this.clients.push(client);
    return client;
  }

  private async listening({name, process: verb}: Kept): Promise<void> {
    const look = async () =>
      (verb.isRunning && (await readEndpoint(this.dataFolder(name)))?.pid === verb.pid) || undefined;
    await found(look, START_MS, () => `${name} to listen:\n${verb.log()}`);
  }

  private keep(): void {
    for (const {name, process: verb, downs} of [...this.coordinators.values(), ...this.agents.values()]) {
      if (downs > 0 || verb.isRunning) continue;
      this.ends.push(name);
      verb.start();
    }
  }

  private dataFolder(node: string): string {
    return path.join(this.folder, node);
  }

  private urls(nodes: readonly string[]): string[] {
    return nodes.map(node => `wss://${this.network.address(node)}:${PORT}`);
  }
}
