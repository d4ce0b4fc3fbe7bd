/** Connects a program to a coordinator: the main of the library. */
import {readFile} from 'node:fs/promises';
import * as z from 'zod';
import {ArtifactClient} from '../../artifacts/artifactClient.ts';
import {type Logger, silentLogger} from '../../observability/logger.ts';
import {DEFAULT_TENANT} from '../../protocol/ids.ts';
import {systemClock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {systemRandom} from '../../runtime/random.ts';
import {VERSION} from '../../version.ts';
import {connectClient} from '../mcpxClient.ts';
import {nodeSocket} from '../nodeSocket.ts';
import {endpointFileUnder, userDataRoot} from '../userData.ts';
import {McpxOrchestrator} from './mcpxOrchestrator.ts';

export interface ConnectOptions {
  /** `ws(s)://host:port`, or several of one cluster. Default: the coordinator of this user on this machine (`mcpx endpoint --start` starts one). */
  readonly url?: string | readonly string[];
  /** Default: MCPX_TOKEN, or what the coordinator on this machine left for its user. */
  readonly token?: string;
  /** PEM of the only authority to trust, as `mcpx endpoint --json` says it. Default: the system's. */
  readonly ca?: string;
  /** Longest wait for the first connection, in ms. Default 15 s. */
  readonly timeoutMs?: number;
  /** Of the git that is run for sessions on a repository. Default: the process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: silent. */
  readonly logger?: Logger;
}

const CONNECT_TIMEOUT_MS = 15_000;

const LocalEndpoint = z.looseObject({url: z.string(), token: z.string(), ca: z.string().optional()});

interface Target {
  readonly urls: readonly string[];
  readonly token: string | undefined;
  readonly ca: string | undefined;
}

/**
 * Resolves once it is connected; a connection that is lost later comes back by itself, at another coordinator of the cluster if need be. Errors:
 * `unavailable`, `unauthorized`, `incompatible`. Close it when it is not needed any more.
 */
export async function connect(options: ConnectOptions = {}): Promise<McpxOrchestrator> {
  const {env = process.env, logger = silentLogger, timeoutMs = CONNECT_TIMEOUT_MS} = options;
  const {urls, token, ca} = await targetOf(options, env);
  const client = connectClient({
    urls,
    token: () => token,
    openSocket: nodeSocket({ca: () => ca}),
    clock: systemClock,
    random: systemRandom,
    logger,
    implementation: {name: 'mcpx-client', version: VERSION},
  });
  try {
    await client.whenConnected(timeoutMs);
  } catch (error) {
    client.dispose();
    throw error;
  }
  // From the coordinator to which it is connected now.
  const endpoint = () => ({
    baseUrl: new URL(client.connection.url.replace(/^ws/, 'http')).origin,
    tenant: DEFAULT_TENANT,
    token,
    ca,
  });
  const parts = {clock: systemClock, random: systemRandom};
  const artifacts = new ArtifactClient(endpoint, {...parts, logger});
  return new McpxOrchestrator({...parts, client, artifacts, env});
}

async function targetOf(
  {url, token, ca}: ConnectOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Target> {
  if (url !== undefined) return {urls: [url].flat(), token: token ?? env['MCPX_TOKEN'], ca};
  const file = endpointFileUnder(userDataRoot(env));
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new CoordinatorError('unavailable', 'no coordinator of yours runs on this machine', {
      hint: 'Start one with "mcpx endpoint --start", or say which one with "url".',
    });
  const endpoint = LocalEndpoint.parse(JSON.parse(text));
  return {urls: [endpoint.url], token: token ?? endpoint.token, ca: ca ?? endpoint.ca};
}
