/** `mcpx endpoint`: where a coordinator is and what opens its door, for programs that talk to it themselves. */
import type {Command} from 'commander';
import {silentLogger} from '../observability/logger.ts';
import {systemClock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {VERSION} from '../version.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {openClient, requireTarget} from './local/connect.ts';
import {type Directories, userDirectories} from './local/directories.ts';
import type {Endpoint} from './local/endpoint.ts';
import {ensureLocalCoordinator, findLocalCoordinator} from './local/localCoordinator.ts';
import {milliseconds} from './local/options.ts';
import {endWhenIdle} from './local/skew.ts';

interface Options extends JsonOption {
  readonly start: boolean;
  readonly context?: string;
  readonly linger?: number;
}

/** The answer: every key is always there. */
interface EndpointAnswer {
  readonly url: string;
  /** Of the same cluster, as the context has them. */
  readonly others: readonly string[];
  readonly token: string | null;
  /** PEM of the only authority to trust; null: loopback, or the system's. */
  readonly ca: string | null;
  readonly coordinator: string;
  readonly version: string;
  /** Null on another machine. */
  readonly pid: number | null;
  /** True when this call started it. */
  readonly started: boolean;
  /** It is of another version than this program. */
  readonly skew: boolean;
  /** For a person: what became of one with another version. */
  readonly notice: string | null;
}

export function addEndpointCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  jsonOption(
    program
      .command('endpoint')
      .description(
        'Says where a coordinator is; with --json also the token and authority that open its door.',
      )
      .option('--start', 'start one on this machine when there is none; it ends by itself when idle', false)
      .option('--context <name>', "a context; default: this user's own coordinator on this machine")
      .option('--linger <ms>', 'with --start: idle time after which it ends; 0: never', milliseconds),
  ).action(async (options: Options) => done(await endpointVerb(options, io)));
}

async function endpointVerb(options: Options, io: CommandIo): Promise<number> {
  if (options.context !== undefined && options.start)
    throw new CoordinatorError('config', '--start is for this machine: it does not go with --context');
  const found =
    options.context === undefined ? await ofThisUser(options, io) : await ofContext(options.context, io);
  const {url, coordinator, version, pid, notice} = found;
  const text = `Coordinator ${coordinator} at ${url}, mcpx ${version}${pid === null ? '' : `, pid ${pid}`}\n`;
  answer(io, options, found, notice === null ? text : `${text}${notice}\n`);
  return EXIT.ok;
}

async function ofContext(name: string, io: CommandIo): Promise<EndpointAnswer> {
  const target = await requireTarget({connect: name}, io);
  const client = await openClient(target, silentLogger);
  try {
    const {coordinator, version} = await client.request('mcpx.cluster.info', {});
    const {token = null, ca = null} = target;
    const {url} = client.connection;
    const others = [target.url, ...(target.others ?? [])].filter(other => other !== url);
    const skew = version !== VERSION;
    const notice = skew ? `It is mcpx ${version}; this program is ${VERSION}.` : null;
    return {url, others, token, ca, coordinator, version, pid: null, started: false, skew, notice};
  } finally {
    client.dispose();
  }
}

async function ofThisUser({start, linger}: Options, io: CommandIo): Promise<EndpointAnswer> {
  const directories = userDirectories(io.env);
  const found = await findLocalCoordinator(directories);
  if (!start) {
    if (found) return describe(found, false, found.version === VERSION ? null : skewNotice(found));
    throw new CoordinatorError('unavailable', 'no coordinator of yours runs on this machine', {
      hint: 'mcpx endpoint --start starts one.',
    });
  }
  const notice = found && found.version !== VERSION ? await replaceOrKeep(found, directories) : null;
  const {endpoint, started} = await ensureLocalCoordinator(directories, io.env, systemClock, {
    lingerMs: linger,
  });
  return describe(endpoint, started, notice);
}

async function replaceOrKeep(found: Endpoint, directories: Directories): Promise<string> {
  const end = await endWhenIdle(found, directories, systemClock);
  return end.kind === 'ended'
    ? `The idle coordinator of mcpx ${found.version} was replaced by one of ${VERSION}.`
    : `${skewNotice(found)} It is kept: ${end.reason}.`;
}

function skewNotice({pid, version}: Endpoint): string {
  return `The coordinator that runs (pid ${pid}) is mcpx ${version}; this program is ${VERSION}.`;
}

function describe(endpoint: Endpoint, started: boolean, notice: string | null): EndpointAnswer {
  const {url, token, ca = null, coordinator, version, pid} = endpoint;
  return {url, others: [], token, ca, coordinator, version, pid, started, skew: version !== VERSION, notice};
}
