/** The one coordinator of this user on this machine: joined when it runs, started when it does not. */

import {open} from 'node:fs/promises';
import {request} from 'node:http';
import path from 'node:path';
import {type Clock, delay} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {EXIT} from '../io.ts';
import {type Directories, ensurePrivateDirectory} from './directories.ts';
import {type Endpoint, readEndpoint} from './endpoint.ts';
import {childEnvironment, spawnVerb} from './selfCommand.ts';

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 50;
const RESPAWN_MS = 500;
const STOP_TIMEOUT_MS = 15_000;

export interface LocalCoordinator {
  readonly endpoint: Endpoint;
  /** True when this call started it. */
  readonly started: boolean;
}

export interface EnsureOptions {
  readonly signal?: AbortSignal | undefined;
  /** Of one that is started: idle time after which it ends. Default: its settings'. */
  readonly lingerMs?: number | undefined;
  /** Of one that is started: absolute paths of files with MCP servers for behind the hub. */
  readonly servers?: readonly string[] | undefined;
}

/** Joins the coordinator on the data directory, or starts one that outlives us and ends by itself after its linger. */
export async function ensureLocalCoordinator(
  directories: Directories,
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
  {signal, lingerMs, servers = []}: EnsureOptions = {},
): Promise<LocalCoordinator> {
  const running = await findLocalCoordinator(directories);
  if (running) return {endpoint: running, started: false};

  await ensurePrivateDirectory(directories.coordinator);
  await ensurePrivateDirectory(directories.logs);
  const logFile = path.join(directories.logs, 'coordinator.log');
  const until = clock.now() + START_TIMEOUT_MS;
  const more = [
    ...(lingerMs === undefined ? [] : ['--set', `lingerMs=${lingerMs}`]),
    ...servers.map(file => `--servers=${file}`),
  ];
  let child = startDetached(directories, env, logFile, more);
  while (clock.now() < until) {
    signal?.throwIfAborted();
    const endpoint = await findLocalCoordinator(directories);
    // Another process may have won the race for the directory: then ours ends, and theirs is the one.
    if (endpoint) return {endpoint, started: endpoint.pid === child.pid};
    const {ended} = child;
    if (ended?.code === EXIT.usage) break;
    if (ended) {
      // One that is on its way out may still have the directory.
      await delay(clock, RESPAWN_MS, signal);
      child = startDetached(directories, env, logFile, more);
    }
    await delay(clock, POLL_MS, signal);
  }
  throw new CoordinatorError('unavailable', `the coordinator did not start:\n${await logTail(logFile)}`, {
    hint: `Its log is ${logFile}.`,
  });
}

interface StartedCoordinator {
  readonly pid: number | undefined;
  readonly ended: {readonly code: number | null} | undefined;
}

function startDetached(
  directories: Directories,
  env: Readonly<Record<string, string | undefined>>,
  logFile: string,
  more: readonly string[],
): StartedCoordinator {
  const args = ['coordinator', '--data', directories.coordinator, '--linger', ...more];
  const child = spawnVerb(args, {env: childEnvironment(env), logFile, detached: true});
  let ended: StartedCoordinator['ended'];
  child.once('exit', code => {
    ended = {code};
  });
  child.once('error', () => {
    ended = {code: EXIT.usage};
  });
  child.unref();
  return {
    pid: child.pid,
    get ended() {
      return ended;
    },
  };
}

/** The endpoint of the coordinator on the data directory, if it runs and answers. */
export async function findLocalCoordinator(directories: Directories): Promise<Endpoint | undefined> {
  const endpoint = await readEndpoint(directories.coordinator);
  if (!endpoint || !processExists(endpoint.pid)) return undefined;
  return (await answersHealth(endpoint)) ? endpoint : undefined;
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Plain http only: a coordinator of this user listens on loopback; with TLS its liveness is left to the connection. */
function answersHealth(endpoint: Endpoint): Promise<boolean> {
  const url = new URL(endpoint.url);
  if (url.protocol === 'wss:') return Promise.resolve(true);
  return new Promise(resolve => {
    const probe = request({host: url.hostname, port: url.port, path: '/health', timeout: 2000}, response => {
      response.resume();
      resolve(true);
    });
    probe.once('timeout', () => probe.destroy());
    probe.once('error', () => resolve(false));
    probe.once('close', () => resolve(false));
    probe.end();
  });
}

async function logTail(file: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const {size} = await handle.stat();
    const length = Math.min(size, 2048);
    const {buffer} = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8').trimEnd();
  } finally {
    await handle.close();
  }
}

/** Asks the coordinator on the data directory to end, and waits for it. */
export async function stopLocalCoordinator(directories: Directories, clock: Clock): Promise<void> {
  const endpoint = await readEndpoint(directories.coordinator);
  if (!endpoint || !processExists(endpoint.pid)) return;
  process.kill(endpoint.pid, 'SIGTERM');
  const until = clock.now() + STOP_TIMEOUT_MS;
  while (processExists(endpoint.pid) && clock.now() < until) await delay(clock, POLL_MS);
}
