/** `mcpx agent add|list|remove`: agents that stay on this machine and take any session's tasks. */
import path from 'node:path';
import {type Command, Option} from 'commander';
import {parseRehearsalScript} from '../../agent/rehearsal/script.ts';
import {silentLogger} from '../../observability/logger.ts';
import {parseDuration} from '../../protocol/plan/duration.ts';
import {systemClock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {type ConnectOptions, namedCoordinator, withClient} from '../local/connect.ts';
import {ensurePrivateDirectory, userDirectories} from '../local/directories.ts';
import {endProcess} from '../local/endProcess.ts';
import {ensureLocalCoordinator} from '../local/localCoordinator.ts';
import {connectOptions, count} from '../local/options.ts';
import {readText} from '../local/readText.ts';
import {startKeeper} from '../local/startKeeper.ts';
import {keepAgent} from './keepAgent.ts';
import {type KeptAgent, keptAgents} from './keptAgent.ts';

interface AddOptions extends ConnectOptions, JsonOption {
  readonly name?: string;
  readonly slots: number;
  readonly region?: string;
  readonly rehearsal?: string;
  readonly claude?: string;
  readonly goneAfter: string;
  readonly background: boolean;
  /** By a machine that reaches this one: the address, with the token on stdin. */
  readonly join?: string;
}

const TOKEN_SECONDS = 366 * 86_400;
const END_MS = 20_000;
const JOIN_MS = 60_000;

export function addKeptAgentCommands(agent: Command, io: CommandIo, done: (exit: number) => void): void {
  const add = agent
    .command('add')
    .description(
      "Adds an agent that stays: it takes any session's tasks, is started again when it dies, and ends when its coordinator is gone for long.",
    );
  jsonOption(connectOptions(add))
    .option('--name <name>', 'default: the first free one of here-1, here-2, …')
    .option('--slots <n>', 'attempts at once', count, 2)
    .option('--region <name>', 'where it is, for placement')
    .option('--rehearsal <script>', 'for rehearsals only: it plays this script instead of calling a model')
    .option('--claude <path|off>', 'the claude executable, or off to take no prompts')
    .option('--gone-after <duration>', 'it ends after this time without a coordinator', '1h')
    .option('--background', 'it runs in the background in any case', true)
    .addOption(new Option('--join <url>').hideHelp())
    .action(async (options: AddOptions) => done(await addAgent(options, io)));
  jsonOption(agent.command('list').description('The agents that were added here.')).action(
    async (options: JsonOption) => done(await listAgents(options, io)),
  );
  jsonOption(
    agent
      .command('remove <name>')
      .description('Ends an added agent; what it works on is given back to be done elsewhere.'),
  ).action(async (name: string, options: JsonOption) => done(await removeAgent(name, options, io)));
  agent
    .command('keep <name>', {hidden: true})
    .action(async (name: string) => done(await keepAgent(name, io)));
}

async function addAgent(options: AddOptions, io: CommandIo): Promise<number> {
  const directories = userDirectories(io.env);
  const folders = keptAgents(directories);
  const name = options.name ?? (await freeName(await folders.names()));
  const rehearsal = options.rehearsal === undefined ? undefined : path.resolve(io.cwd, options.rehearsal);
  // A mistake in it shows now.
  if (rehearsal !== undefined) parseRehearsalScript(await readText(rehearsal), rehearsal);
  const running = await folders.keeper(name);
  if (running !== undefined)
    throw new CoordinatorError(
      'conflict',
      `an agent called "${name}" runs here, kept by process ${running}`,
      {
        hint: `Take another --name, or end that one: mcpx agent remove ${name}`,
      },
    );
  await ensurePrivateDirectory(directories.logs);
  const log = path.join(directories.logs, `added-${name}.log`);
  const record: KeptAgent = {
    v: 1,
    name,
    slots: options.slots,
    region: options.region,
    ...(await doorOf(options, name, io)),
    rehearsal,
    claude: options.claude,
    goneAfterMs: durationOf(options.goneAfter),
    log,
  };
  await folders.write(name, record);
  const {pid} = await startKeeper(['agent', 'keep', name], {folders, name, log, patienceMs: JOIN_MS}, io);
  const {slots} = options;
  answer(io, options, {agent: name, pid, log, slots}, `Agent ${name} is there: ${slots} slots, log ${log}\n`);
  return EXIT.ok;
}

/** How the agent gets in; nothing for this user's own coordinator, whose endpoint file it reads at each start. */
async function doorOf(
  options: AddOptions,
  name: string,
  io: CommandIo,
): Promise<Pick<KeptAgent, 'join' | 'token' | 'caPin'>> {
  if (options.join !== undefined) {
    const token = (await readText('-')).trim();
    return {join: options.join, token, caPin: options.caPin};
  }
  const connect = await namedCoordinator(options, io);
  if (connect === undefined) {
    await ensureLocalCoordinator(userDirectories(io.env), io.env, systemClock);
    return {};
  }
  return withClient({...options, connect}, io, silentLogger, async (client, target) => {
    const {token, url, caPin} = await client.request('mcpx.token.create', {
      role: 'agent',
      ttlSeconds: TOKEN_SECONDS,
      label: `agent ${name}`,
    });
    return {join: url ?? target.url, token, caPin};
  });
}

async function freeName(taken: readonly string[]): Promise<string> {
  for (let number = 1; ; number++) if (!taken.includes(`here-${number}`)) return `here-${number}`;
}

function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (ms) return ms;
  throw new CoordinatorError('config', `--gone-after: "${text}" is not a duration`, {
    hint: 'For example 1h.',
  });
}

async function listAgents(options: JsonOption, io: CommandIo): Promise<number> {
  const folders = keptAgents(userDirectories(io.env));
  const agents = [];
  for (const name of await folders.names()) {
    const {slots, region = null, join = null, rehearsal, log} = await folders.require(name);
    const pid = (await folders.keeper(name)) ?? null;
    agents.push({agent: name, pid, slots, region, join, rehearsal: rehearsal !== undefined, log});
  }
  const lines = agents.map(
    ({agent, pid, slots}) => `${agent}  ${slots} slots  ${pid === null ? 'not running' : `kept by ${pid}`}\n`,
  );
  answer(io, options, {agents}, lines.length === 0 ? 'No agents were added here.\n' : lines.join(''));
  return EXIT.ok;
}

async function removeAgent(name: string, options: JsonOption, io: CommandIo): Promise<number> {
  const folders = keptAgents(userDirectories(io.env));
  await folders.require(name);
  const pid = await folders.keeper(name);
  const ended = pid !== undefined;
  if (ended) await endProcess(pid, async () => (await folders.keeper(name)) === undefined, END_MS);
  await folders.remove(name);
  answer(io, options, {agent: name, ended}, `Agent ${name} is gone.\n`);
  return EXIT.ok;
}
