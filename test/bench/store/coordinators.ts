/** Our side: one coordinator with its durable store, or a cluster of them; real processes of the built program. */
import {mkdir} from 'node:fs/promises';
import path from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {type Endpoint, readEndpoint, removeEndpoint} from '../../../coordinator/commands/local/endpoint.ts';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {newId, systemRandom} from '../../../coordinator/runtime/random.ts';
import {freePorts} from '../../support/freePorts.ts';
import {planOf} from '../mcpxSubject.ts';
import {BenchProcess} from '../processes.ts';
import type {ClientOptions} from './clientProcess.ts';
import {connect} from './connect.ts';

const CONNECT_MS = 30_000;
const START_TRIES = 100;
const START_PAUSE_MS = 200;
const CLUSTER_TOKEN = 'the token of the benchmark cluster';

export interface CoordinatorsOptions {
  /** The built command. */
  readonly program: string;
  readonly folder: string;
  readonly nodes: number;
  /** Flags of Node for each coordinator, such as those of a profiler. */
  readonly nodeFlags?: readonly string[];
}

const NAMES = ['a', 'b', 'c', 'd', 'e'];

export class Coordinators {
  private readonly processes = new Map<number, BenchProcess>();
  private sessionId: string | undefined;

  private constructor(
    private readonly options: CoordinatorsOptions,
    private readonly peers: string,
  ) {}

  static async start(options: CoordinatorsOptions): Promise<Coordinators> {
    const {folder, nodes} = options;
    await mkdir(folder, {recursive: true});
    const ports = await freePorts(nodes);
    const peers = ports.map((port, at) => `${NAMES[at]}=ws://127.0.0.1:${port}`).join(',');
    const coordinators = new Coordinators(options, peers);
    try {
      for (let at = 0; at < nodes; at++) coordinators.run(at);
      for (let at = 0; at < nodes; at++) await coordinators.endpoint(at);
      return coordinators;
    } catch (error) {
      await coordinators.stop();
      throw error;
    }
  }

  /** Starts a coordinator on what it has on disk. */
  run(at: number): void {
    const {program, nodes, nodeFlags = []} = this.options;
    const cluster = ['--cluster', 'bench', '--node', NAMES[at] ?? '', '--peers', this.peers];
    const data = this.data(at);
    const args = ['coordinator', '--data', data, '--log', 'warn', ...(nodes === 1 ? [] : cluster)];
    const coordinator = BenchProcess.start(process.execPath, [...nodeFlags, program, ...args], {
      logFile: `${data}.log`,
      env: {MCPX_CLUSTER_TOKEN: CLUSTER_TOKEN},
    });
    this.processes.set(at, coordinator);
  }

  /** As a power cut does. */
  async kill(at: number): Promise<void> {
    await this.processes.get(at)?.kill();
    await removeEndpoint(this.data(at));
  }

  /** Which of them has the store that leads. */
  async leaderAt(): Promise<number> {
    if (this.options.nodes === 1) return 0;
    const {url, token} = await this.endpoint(0);
    const address = new URL('/cluster', url.replace(/^ws/, 'http'));
    for (;;) {
      const answer = await fetch(address, {headers: {authorization: `Bearer ${token}`}});
      const {leader} = (await answer.json()) as {leader?: string};
      if (leader !== undefined) return NAMES.indexOf(leader);
    }
  }

  /** How a client reaches a coordinator, by default the one whose store leads, and a session whose memory it may use. */
  async clientOptions(at?: number): Promise<ClientOptions> {
    const {url, token} = await this.endpoint(at ?? (await this.leaderAt()));
    this.sessionId ??= await this.startSession();
    return {url, token, sessionId: this.sessionId};
  }

  async stop(): Promise<void> {
    await Promise.all([...this.processes.values()].map(one => one.stop()));
  }

  private async startSession(): Promise<string> {
    const sessionId = newId(systemRandom, 's');
    for (let tries = 0; tries < START_TRIES; tries++) {
      const endpoint = await this.endpoint(tries % this.options.nodes);
      if (await startSession(endpoint, sessionId)) return sessionId;
      await pause(START_PAUSE_MS);
    }
    throw new Error('no coordinator leads');
  }

  private async endpoint(at: number): Promise<Endpoint> {
    const coordinator = this.processes.get(at);
    if (!coordinator) throw new Error(`coordinator ${at} was never started`);
    return coordinator.until('the coordinator', () => readEndpoint(this.data(at)));
  }

  private data(at: number): string {
    return path.join(this.options.folder, NAMES[at] ?? '');
  }
}

/** Its one task waits for an agent that never comes. False: this coordinator does not lead. */
async function startSession({url, token}: Endpoint, sessionId: string): Promise<boolean> {
  const client = connect(url, token);
  try {
    await client.whenConnected(CONNECT_MS);
    await client.request('mcpx.orchestrate.session.start', {sessionId, plan: planOf('backlog', 1, 1)});
    return true;
  } catch (error) {
    if (isProtocolError(error, 'unavailable')) return false;
    throw error;
  } finally {
    client.dispose();
  }
}
