/** How a verb reaches a coordinator: the one that `--connect` or the current context names, or this user's own on this machine. */
import {readFile} from 'node:fs/promises';
import {ArtifactClient} from '../../artifacts/artifactClient.ts';
import {connectClient, type McpxClient} from '../../client/mcpxClient.ts';
import {nodeSocket} from '../../client/nodeSocket.ts';
import type {Logger} from '../../observability/logger.ts';
import {DEFAULT_TENANT} from '../../protocol/ids.ts';
import {type Clock, systemClock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {systemRandom} from '../../runtime/random.ts';
import {fetchAuthority} from '../../security/authorityPin.ts';
import {VERSION} from '../../version.ts';
import type {CommandIo} from '../io.ts';
import {openContexts} from './contexts.ts';
import {type Directories, userDirectories} from './directories.ts';
import {findLocalCoordinator} from './localCoordinator.ts';

export {snapshotRows} from '../../client/snapshotRows.ts';

export const CONNECT_TIMEOUT_MS = 15_000;

/** Where a coordinator is, and what opens its door. */
export interface Target {
  readonly url: string;
  /** Of other coordinators of the same cluster, for when that one is gone. */
  readonly others?: readonly string[];
  readonly token: string | undefined;
  /** PEM of the only authority to trust. */
  readonly ca: string | undefined;
}

export interface ConnectOptions {
  /** An address, several of one cluster with commas between them, or the name of a context. */
  readonly connect?: string | undefined;
  readonly token?: string | undefined;
  readonly caPin?: string | undefined;
  /** This user's own, whatever the surroundings name. */
  readonly here?: boolean | undefined;
}

/** The address or context that `--connect`, MCPX_CONNECT or the current context names; undefined: this user's own coordinator. */
export async function namedCoordinator(
  options: ConnectOptions,
  io: CommandIo,
  directories: Directories = userDirectories(io.env),
): Promise<string | undefined> {
  if (options.here) return undefined;
  const named = options.connect ?? io.env['MCPX_CONNECT'];
  return named ?? (await openContexts(directories.contextsFile)).data.current;
}

/** Undefined when nothing is named and no coordinator of this user runs here. */
export async function findTarget(
  options: ConnectOptions,
  io: CommandIo,
  directories: Directories = userDirectories(io.env),
): Promise<Target | undefined> {
  const named = await namedCoordinator(options, io, directories);
  if (named === undefined) {
    const endpoint = await findLocalCoordinator(directories);
    return endpoint && {url: endpoint.url, token: endpoint.token, ca: endpoint.ca};
  }
  const {contexts} = (await openContexts(directories.contextsFile)).data;
  const context = contexts.find(other => other.name === named);
  const urls = addressesIn(context?.url ?? named);
  const [first = ''] = urls;
  if (urls.length === 0) {
    throw new CoordinatorError('config', `"${named}" is neither a ws:// or wss:// address nor a context`, {
      hint: 'mcpx context list shows the names that are known.',
    });
  }
  const token = options.token ?? io.env['MCPX_TOKEN'] ?? context?.token;
  return {
    url: first,
    others: urls.slice(1),
    token,
    ca: await authorityOfAny(urls, options.caPin ?? io.env['MCPX_CA_PIN'] ?? context?.caPin, io),
  };
}

/** Addresses with commas between them; none when one of them is no address. */
export function addressesIn(text: string): readonly string[] {
  const urls = text.split(',').map(part => part.trim());
  return urls.every(url => /^wss?:\/\//.test(url)) ? urls : [];
}

export async function requireTarget(options: ConnectOptions, io: CommandIo): Promise<Target> {
  const target = await findTarget(options, io);
  if (target) return target;
  throw new CoordinatorError('unavailable', 'no coordinator of yours runs on this machine', {
    hint: 'Start one with "mcpx run PLAN" or "mcpx coordinator", or name another machine\'s with --connect.',
  });
}

/** The authority that a pin names, fetched and checked; or the one in the file that MCPX_CA names; else the system's are trusted. */
export async function authorityOf(
  url: string,
  pin: string | undefined,
  io: CommandIo,
): Promise<string | undefined> {
  if (!url.startsWith('wss:')) return undefined;
  if (pin !== undefined) return fetchAuthority(url, pin);
  const file = io.env['MCPX_CA'];
  return file === undefined ? undefined : readFile(file, 'utf8');
}

/** As `authorityOf`, from the first of the coordinators that answers: they have one authority. */
export async function authorityOfAny(
  urls: readonly string[],
  pin: string | undefined,
  io: CommandIo,
): Promise<string | undefined> {
  let fault: unknown;
  for (const url of urls) {
    try {
      return await authorityOf(url, pin, io);
    } catch (error) {
      fault ??= error;
    }
  }
  throw fault;
}

/** A connected client; dispose of it. */
export async function openClient(
  target: Target,
  logger: Logger,
  clock: Clock = systemClock,
): Promise<McpxClient> {
  const client = connectClient({
    urls: [target.url, ...(target.others ?? [])],
    token: () => target.token,
    openSocket: nodeSocket({ca: () => target.ca}),
    clock,
    random: systemRandom,
    logger,
    implementation: {name: 'mcpx', version: VERSION},
  });
  try {
    await client.whenConnected(CONNECT_TIMEOUT_MS);
  } catch (error) {
    client.dispose();
    throw error;
  }
  return client;
}

/** Artifacts come from where `client` is connected, and from another coordinator when it goes there. */
export function artifactClient(
  target: Target,
  logger: Logger,
  clock: Clock = systemClock,
  client?: McpxClient,
): ArtifactClient {
  const {token, ca} = target;
  const endpoint = () => {
    const url = client?.connection.url ?? target.url;
    return {baseUrl: new URL(url.replace(/^ws/, 'http')).origin, tenant: DEFAULT_TENANT, token, ca};
  };
  const artifacts = new ArtifactClient(endpoint, {clock, logger, random: systemRandom});
  // The client's own end takes the listener along.
  client?.onState(state => state.kind === 'connected' && artifacts.follow());
  return artifacts;
}

/** Runs `work` with a connected client. */
export async function withClient<T>(
  options: ConnectOptions,
  io: CommandIo,
  logger: Logger,
  work: (client: McpxClient, target: Target) => Promise<T>,
): Promise<T> {
  const target = await requireTarget(options, io);
  const client = await openClient(target, logger);
  try {
    return await work(client, target);
  } finally {
    client.dispose();
  }
}
