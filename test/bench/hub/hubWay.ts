/** The way through the hub: a coordinator of the built program, and the echo server behind it, started by its command. */
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {connectClient, type McpxClient} from '../../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../../coordinator/client/nodeSocket.ts';
import {type Endpoint, readEndpoint} from '../../../coordinator/commands/local/endpoint.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {BenchProcess} from '../processes.ts';
import {type Ground, type Way, wayOf} from './subjects.ts';

const CONNECT_MS = 20_000;
const PROBE = fileURLToPath(new URL('../memoryProbe.mjs', import.meta.url));

export interface Coordinator {
  readonly process: BenchProcess;
  readonly endpoint: Endpoint;
  readonly client: McpxClient;
  stop(): Promise<void>;
}

export async function startCoordinator(
  {scratch}: Ground,
  program: string,
  name: string,
  nodeFlags: readonly string[] = [],
): Promise<Coordinator> {
  const data = path.join(scratch, name);
  const process_ = BenchProcess.start(
    process.execPath,
    [
      ...['--expose-gc', '--import', PROBE, ...nodeFlags],
      ...[program, 'coordinator', '--data', data, '--log', 'warn'],
      ...['--set', 'maxConnectionsPerToken=12000'],
    ],
    {logFile: path.join(scratch, `${name}.log`), ipc: true},
  );
  const endpoint = await process_.until('the coordinator', () => readEndpoint(data));
  const client = connectClient({
    urls: [endpoint.url],
    token: () => endpoint.token,
    openSocket: nodeSocket(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    implementation: {name: 'mcpx-bench', version: '0'},
  });
  await client.whenConnected(CONNECT_MS);
  return {
    process: process_,
    endpoint,
    client,
    async stop() {
      client.dispose();
      await process_.stop();
    },
  };
}

export async function startHub(
  ground: Ground & {readonly program: string},
  tools: number,
  nodeFlags: readonly string[] = [],
): Promise<Way> {
  const coordinator = await startCoordinator(ground, ground.program, `hub-${tools}`, nodeFlags);
  const {client, endpoint} = coordinator;
  await client.request('mcpx.server.register', {
    definition: {
      name: 'echo',
      endpoint: {type: 'stdio', command: process.execPath, args: [ground.echo, 'stdio', String(tools)]},
      shared: true,
    },
  });
  const {origin} = new URL(endpoint.url.replace(/^ws/, 'http'));
  const headers = {authorization: `Bearer ${endpoint.token}`};
  return {...wayOf('the hub', `${origin}/mcp`, coordinator.process, headers), stop: () => coordinator.stop()};
}
