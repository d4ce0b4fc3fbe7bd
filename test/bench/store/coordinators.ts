/** Our side: one coordinator with its durable store, or a cluster of them; real processes of the built program. */
import {mkdir} from 'node:fs/promises';
import path from 'node:path';
import {connectClient} from '../../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../../coordinator/client/nodeSocket.ts';
import {type Endpoint, readEndpoint} from '../../../coordinator/commands/local/endpoint.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {newId, systemRandom} from '../../../coordinator/runtime/random.ts';
import {freePorts} from '../../support/freePorts.ts';
import {planOf} from '../mcpxSubject.ts';
import {BenchProcess} from '../processes.ts';
import type {ClientOptions} from './clientProcess.ts';

const CONNECT_MS = 30_000;
const CLUSTER_TOKEN = 'the token of the benchmark cluster';

export interface CoordinatorsOptions {
  /** The built command. */
  readonly program: string;
  readonly folder: string;
  readonly nodes: number;
  /** Flags of Node for each coordinator, such as those of a profiler. */
  readonly nodeFlags?: readonly string[];
}

export class Coordinators {
  private constructor(
    private readonly processes: readonly BenchProcess[],
    private readonly endpoints: readonly Endpoint[],
  ) {}

  static async start({program, folder, nodes, nodeFlags = []}: CoordinatorsOptions): Promise<Coordinators> {
    await mkdir(folder, {recursive: true});
    const names = ['a', 'b', 'c', 'd', 'e'].slice(0, nodes);
    const ports = await freePorts(nodes);
    const peers = names.map((name, at) => `${name}=ws://127.0.0.1:${ports[at]}`).join(',');
    const processes: BenchProcess[] = [];
    try {
      for (const name of names) {
        const cluster = nodes === 1 ? [] : ['--cluster', 'bench', '--node', name, '--peers', peers];
        const data = path.join(folder, name);
        processes.push(
          BenchProcess.start(
            process.execPath,
            [...nodeFlags, program, 'coordinator', '--data', data, '--log', 'warn', ...cluster],
            {logFile: `${data}.log`, env: {MCPX_CLUSTER_TOKEN: CLUSTER_TOKEN}},
          ),
        );
      }
      const endpoints = await Promise.all(
        processes.map((one, at) =>
          one.until('the coordinator', () => readEndpoint(path.join(folder, names[at] ?? ''))),
        ),
      );
      return new Coordinators(processes, endpoints);
    } catch (error) {
      await Promise.all(processes.map(one => one.stop()));
      throw error;
    }
  }

  /** How a client reaches the coordinator whose store leads, and a session whose memory it may use. */
  async leader(): Promise<ClientOptions> {
    const endpoint = this.endpoints[await this.leaderAt()];
    if (!endpoint) throw new Error('there is no leader');
    const {url, token} = endpoint;
    return {url, token, sessionId: await startSession(url, token)};
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map(one => one.stop()));
  }

  private async leaderAt(): Promise<number> {
    if (this.endpoints.length === 1) return 0;
    const [{url = '', token = ''} = {}] = this.endpoints;
    const address = new URL('/cluster', url.replace(/^ws/, 'http'));
    const answer = await fetch(address, {headers: {authorization: `Bearer ${token}`}});
    const {leader} = (await answer.json()) as {leader?: string};
    return 'abcde'.indexOf(leader ?? '-');
  }
}

/** Its one task waits for an agent that never comes. */
async function startSession(url: string, token: string): Promise<string> {
  const client = connectClient({
    urls: [url],
    token: () => token,
    openSocket: nodeSocket(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    implementation: {name: 'mcpx-bench', version: '0'},
  });
  try {
    await client.whenConnected(CONNECT_MS);
    const sessionId = newId(systemRandom, 's');
    await client.request('mcpx.orchestrate.session.start', {sessionId, plan: planOf('backlog', 1, 1)});
    return sessionId;
  } finally {
    client.dispose();
  }
}
