/**
 * A coordinator and agents as real processes of the built command, in a folder of their own, with a typed client beside them. It ends exactly
 * what it started, and what that left running. Sessions are sessionRun.ts.
 */
import {mkdirSync, mkdtempSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {ArtifactClient} from '../../coordinator/artifacts/artifactClient.ts';
import {connectClient, type McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import {artifactClient} from '../../coordinator/commands/local/connect.ts';
import {type Endpoint, readEndpoint} from '../../coordinator/commands/local/endpoint.ts';
import type {Settings} from '../../coordinator/config.ts';
import type {Coordinator} from '../../coordinator/coordinatorOptions.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {CuttingProxy} from './cuttingProxy.ts';
import {FLEET_VARIABLE, freeze, processesWith, signal} from './machine.ts';
import {VerbProcess} from './verbProcess.ts';
import {found, within} from './waiting.ts';

const START_TIMEOUT_MS = 30_000;
const LEFTOVERS_TIMEOUT_MS = 10_000;

/** Fleets that are not closed: none outlives this process. */
const open = new Set<Fleet>();
process.once('exit', () => {
  for (const fleet of open) fleet.killNow();
});

/** Variables of whoever runs the tests that would change what is tested. */
const NOT_INHERITED = /^(MCPX_|VSCODE_|CLAUDE|ANTHROPIC_|NODE_OPTIONS$|NODE_V8_COVERAGE$)/;

export interface FleetOptions {
  /** `--set` of the coordinator. */
  readonly settings?: Partial<Record<keyof Settings, number>>;
  /** Laid over the environment of every process, such as that of a rehearsal. */
  readonly env?: Readonly<Record<string, string>>;
  readonly log?: 'debug' | 'info' | 'warn';
  /** Appended to `mcpx coordinator`. */
  readonly coordinatorArgs?: readonly string[];
}

export interface AgentOptions {
  readonly id: string;
  readonly slots?: number;
  /** Behind a proxy of its own, which can cut it off. */
  readonly proxied?: boolean;
  /** Its prompts go to the scripted server that the fleet's environment names. */
  readonly rehearsal?: boolean;
  readonly args?: readonly string[];
}

/** Where a coordinator is, and what opens its doors. */
export type Address = Pick<Endpoint, 'url' | 'token' | 'agentToken' | 'ca'>;

export interface FleetAgent {
  readonly id: string;
  readonly process: VerbProcess;
  readonly stateFolder: string;
  readonly proxy: CuttingProxy | undefined;
}

export class Fleet {
  readonly agents = new Map<string, FleetAgent>();
  readonly coordinator: VerbProcess;
  private readonly clients: {dispose(): void}[] = [];
  private known: Address | undefined;

  private constructor(
    /** Temporary; everything of the fleet is in it. */
    readonly folder: string,
    private readonly options: FleetOptions,
  ) {
    mkdirSync(this.logFolder);
    mkdirSync(path.join(folder, 'home'));
    open.add(this);
    const {settings = {}, coordinatorArgs = []} = options;
    const sets = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    this.coordinator = new VerbProcess({
      name: 'coordinator',
      args: ['coordinator', '--data', this.dataFolder, ...this.logArgs, ...sets, ...coordinatorArgs],
      env: this.environment({}),
      logFile: path.join(this.logFolder, 'coordinator.log'),
    });
  }

  /** Nothing runs yet. Close it, whatever happens. */
  static create(options: FleetOptions = {}): Fleet {
    return new Fleet(mkdtempSync(path.join(tmpdir(), 'mcpx-fleet-')), options);
  }

  /** With a running coordinator. */
  static async start(options: FleetOptions = {}): Promise<Fleet> {
    const fleet = Fleet.create(options);
    try {
      await fleet.startCoordinator();
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  get dataFolder(): string {
    return path.join(this.folder, 'coordinator');
  }

  get logFolder(): string {
    return path.join(this.folder, 'logs');
  }

  /** Of the coordinator that was started last. */
  get endpoint(): Address {
    if (!this.known) throw new Error('the coordinator was never started');
    return this.known;
  }

  /** Starts it, again after its end too, on the same directory; resolves when it listens. */
  async startCoordinator(): Promise<void> {
    const {coordinator} = this;
    coordinator.start();
    const {pid} = coordinator;
    const listening = found(
      async () => {
        if (!coordinator.isRunning) throw new Error(`the coordinator ended at once:\n${coordinator.log()}`);
        const endpoint = await readEndpoint(this.dataFolder);
        return endpoint?.pid === pid ? endpoint : undefined;
      },
      START_TIMEOUT_MS,
      'the endpoint of the coordinator',
    );
    this.known = await listening;
  }

  /** Takes a coordinator that runs in this process instead of one of its own; whoever started it ends it. */
  use({url, clientToken, agentToken, authority}: Coordinator): void {
    this.known = {url, token: clientToken, agentToken, ca: authority};
  }

  /** There must have been a coordinator once. Resolves when the agent's process runs, which is before it has joined. */
  async startAgent(options: AgentOptions): Promise<FleetAgent> {
    const {id, slots = 2, args = []} = options;
    const proxy = options.proxied
      ? await CuttingProxy.open(() => Number(new URL(this.endpoint.url).port))
      : undefined;
    const stateFolder = path.join(this.folder, 'agents', id);
    const url = proxy ? `ws://127.0.0.1:${proxy.port}` : this.endpoint.url;
    const agent: FleetAgent = {
      id,
      stateFolder,
      proxy,
      process: new VerbProcess({
        name: id,
        args: [
          ...['agent', '--join', url, '--id', id, '--state', stateFolder, '--slots', String(slots)],
          ...this.logArgs,
          ...(options.rehearsal ? ['--rehearsal'] : []),
          ...args,
        ],
        env: this.environment({MCPX_TOKEN: this.endpoint.agentToken}),
        logFile: path.join(this.logFolder, `${id}.log`),
      }),
    };
    this.agents.set(id, agent);
    agent.process.start();
    return agent;
  }

  agent(id: string): FleetAgent {
    const agent = this.agents.get(id);
    if (!agent) throw new Error(`there is no agent ${id}`);
    return agent;
  }

  /** A connected client with full rights, or with those of `token`; it comes back after cuts and ends with the fleet. */
  async connect(token = this.endpoint.token): Promise<McpxClient> {
    const client = connectClient({
      urls: [this.endpoint.url],
      token: () => token,
      openSocket: nodeSocket({ca: () => this.endpoint.ca}),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      implementation: {name: 'mcpx-test', version: '0'},
      settings: {maxBackoffMs: 1000},
      watchRetryMs: 200,
    });
    this.clients.push(client);
    await client.whenConnected(START_TIMEOUT_MS);
    return client;
  }

  artifacts(): ArtifactClient {
    const {url, token, ca} = this.endpoint;
    const client = artifactClient({url, token, ca}, silentLogger);
    this.clients.push(client);
    return client;
  }

  /** Resolves with the records of these agents once the processes that were started last have registered. */
  async whenOnline(ids: readonly string[], timeoutMs = START_TIMEOUT_MS): Promise<Map<string, AgentRecord>> {
    const client = await this.connect();
    const online = new Map<string, AgentRecord>();
    let watch: {dispose(): void} | undefined;
    const joined = new Promise<void>(resolve => {
      const view = client.watch({view: 'agents'}, () => {
        online.clear();
        for (const row of view.rows.values())
          if (row.kind === 'agent' && row.online && this.isOfPresent(row.agent))
            online.set(row.id, row.agent);
        if (ids.every(id => online.has(id))) resolve();
      });
      watch = view;
    });
    try {
      await within(joined, timeoutMs, () => {
        const missing = ids.filter(id => !online.has(id));
        return `${missing.join(', ')} to join:\n${missing.map(id => this.agent(id).process.log()).join('\n')}`;
      });
      return online;
    } finally {
      watch?.dispose();
      client.dispose();
    }
  }

  /** Stops every process of the fleet; call the result to continue them. */
  freeze(): () => void {
    return freeze(this.folder);
  }

  /** Agents are asked to end first, then the coordinator; rejects when one does not. */
  async stop(): Promise<void> {
    for (const client of this.clients) client.dispose();
    const running = [...this.agents.values()].filter(({process}) => process.isRunning);
    await Promise.all(running.map(({process}) => process.stop()));
    if (this.coordinator.isRunning) await this.coordinator.stop();
  }

  /** Without waiting for anything; supervisors take the attempts along. */
  killNow(): void {
    for (const verb of this.processes) if (verb.isRunning) process.kill(verb.pid, 'SIGKILL');
  }

  /** Ends everything at once and removes the folder, unless `keep`. Never rejects for what is gone already. */
  async close({keep = false}: {keep?: boolean} = {}): Promise<void> {
    for (const client of this.clients) client.dispose();
    await Promise.all(this.processes.map(verb => verb.kill()));
    await Promise.all([...this.agents.values()].map(agent => agent.proxy?.close()));
    await this.endLeftovers();
    open.delete(this);
    if (!keep) await rm(this.folder, {recursive: true, force: true, maxRetries: 5});
  }

  /** Supervisors end by themselves, and what they watch with them; what is stopped is continued first, so that it can. */
  private async endLeftovers(): Promise<void> {
    const left = () => processesWith(FLEET_VARIABLE, this.folder);
    for (const {pid} of left()) signal(pid, 'SIGCONT');
    const gone = () => (left().length === 0 ? true : undefined);
    await found(gone, LEFTOVERS_TIMEOUT_MS, 'the processes of the fleet to end').catch(() => {
      for (const {pid} of left()) signal(pid, 'SIGKILL');
    });
  }

  private get processes(): VerbProcess[] {
    return [...[...this.agents.values()].map(agent => agent.process), this.coordinator];
  }

  /** The lease of a process that was killed may last a while. */
  private isOfPresent({instance, registeredAt}: AgentRecord): boolean {
    const startedAt = this.agents.get(instance.id)?.process.startedAt ?? 0;
    return instance.status !== 'offline' && registeredAt >= startedAt;
  }

  private get logArgs(): string[] {
    return ['--log', this.options.log ?? 'info'];
  }

  private environment(own: Readonly<Record<string, string>>): Record<string, string> {
    return fleetEnvironment(this.folder, {...this.options.env, ...own});
  }
}

/** Of a process of the fleet in `folder`: that of the tests without what would change it, marked as the fleet's, with `own` laid over it. */
export function fleetEnvironment(
  folder: string,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined && !NOT_INHERITED.test(name)) env[name] = value;
  // A home of their own: what is killed in the middle of a login shell must not leave the locks of a real one behind.
  const homes = {HOME: path.join(folder, 'home'), MCPX_HOME: path.join(folder, 'mcpx')};
  return {...env, ...homes, [FLEET_VARIABLE]: folder, ...own};
}
