/** `mcpx agent`: the process beside a Claude Code, joined to a coordinator on this or another machine. */
import {readFile} from 'node:fs/promises';
import path from 'node:path';
import {type Command, Option} from 'commander';
import type {Agent, AgentEnd} from '../agent/agent.ts';
import {parseAgentSettings} from '../agent/agentSettings.ts';
import {readSubagents, type Subagent, withSubagents} from '../agent/claudeSetup/subagents.ts';
import {runAgent} from '../agent/runAgent.ts';
import type {Multicast} from '../discovery/multicast.ts';
import {createLogger, type Logger, type LogLevel} from '../observability/logger.ts';
import {AgentCapability, PROFICIENCY_LEVELS} from '../protocol/capability.ts';
import {systemClock} from '../runtime/clock.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../runtime/errors.ts';
import {systemRandom} from '../runtime/random.ts';
import {VERSION} from '../version.ts';
import {addKeptAgentCommands} from './agents/keptAgentVerbs.ts';
import {LinkWatch} from './agents/linkWatch.ts';
import {type CommandIo, EXIT} from './io.ts';
import {addressesIn, authorityOfAny} from './local/connect.ts';
import {ensurePrivateDirectory, userDirectories} from './local/directories.ts';
import {parseListenAddress} from './local/listenAddress.ts';
import {findLocalCoordinator} from './local/localCoordinator.ts';
import {findCoordinators, isToBeFound, openMulticast} from './local/lookAround.ts';
import {count, milliseconds} from './local/options.ts';
import {selfCommand} from './local/selfCommand.ts';

interface Options {
  readonly join?: string[];
  readonly token?: string;
  readonly caPin?: string;
  readonly id?: string;
  readonly state?: string;
  readonly statePool?: string;
  readonly slots: number;
  readonly region?: string;
  readonly capability: string[];
  readonly tag: string[];
  readonly project?: string;
  readonly account?: string;
  readonly secrets?: string;
  readonly set: string[];
  readonly claude?: string;
  readonly listen?: string;
  readonly announce: boolean;
  readonly listenCert?: string;
  readonly listenKey?: string;
  readonly reservedFor?: string;
  readonly mode: 'internal' | 'external';
  readonly rehearsal: boolean;
  readonly untilStdinCloses: boolean;
  readonly goneAfter?: number;
  readonly log: LogLevel;
  readonly logFormat: 'json' | 'text';
}

const MAX_LOCAL_AGENTS = 1024;

export function addAgentCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const agent = program.command('agent');
  addKeptAgentCommands(agent, io, done);
  agent
    .enablePositionalOptions()
    .description(
      'Runs an agent in the foreground: it joins a coordinator and works with the Claude Code of this machine. "agent add" keeps one in the background.',
    )
    .option(
      '--join <url...>',
      "the coordinator's address, or several of one cluster; auto: found on the local network; dns:NAME: by SRV records; default: this user's own",
    )
    .option('--token <token>', 'agent token from "mcpx token create"; better in MCPX_TOKEN')
    .option('--ca-pin <pin>', "sha256:… of the cluster's authority, as the join command has it")
    .option('--id <id>', 'name of the agent; default: one that is made and kept')
    .option('--state <directory>', 'its own folder for worktrees, spool and caches')
    .option('--slots <n>', 'attempts at once', count, 2)
    .option('--region <name>', 'where it is, for placement')
    .option(
      '--capability <capability...>',
      'what it is good at: a domain, maybe a level and specialisations, such as development:expert:typescript,react',
      [],
    )
    .option('--tag <tag...>', 'tags that tasks may require', [])
    .option(
      '--project <directory>',
      'whose .claude/agents are specialisations of the agent; default: the working directory',
    )
    .option('--account <name>', 'agents that spend from one account share its rate limits')
    .option('--secrets <file>', 'JSON object of secrets that tasks may name; the environment is searched too')
    .option('--set <name=value...>', 'a setting of the agent; "mcpx doctor --settings" lists them', [])
    .option('--claude <path|off>', 'the claude executable, or off to take no prompts')
    .addOption(new Option('--state-pool <directory>', 'works in the first free folder of it').hideHelp())
    .option(
      '--listen <host:port>',
      'wait for the coordinator to dial (mcpx coordinator --dial) instead of dialling it',
    )
    .option('--announce', 'with --listen: say on the local network where it listens', false)
    .option('--listen-cert <file>', 'PEM certificate; needed on any address but loopback')
    .option('--listen-key <file>', 'its PEM key')
    .addOption(new Option('--reserved-for <session>').hideHelp())
    .addOption(new Option('--mode <mode>').choices(['internal', 'external']).default('external').hideHelp())
    .addOption(new Option('--rehearsal', 'ANTHROPIC_BASE_URL is a scripted server').default(false).hideHelp())
    .addOption(new Option('--until-stdin-closes').default(false).hideHelp())
    .addOption(new Option('--gone-after <ms>').argParser(milliseconds).hideHelp())
    .addOption(
      new Option('--log <level>', 'least severity that is logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addOption(new Option('--log-format <format>').choices(['json', 'text']).default('text'))
    .action(async (options: Options) => done(await agentVerb(options, io)));
}

async function agentVerb(options: Options, io: CommandIo): Promise<number> {
  const logger = createLogger({
    sink: {write: line => io.stderr(`${line}\n`)},
    level: options.log,
    format: options.logFormat,
    wallNow: systemClock.wallNow,
  });
  const hub = await hubOf(options, io);
  const listen = await listenOf(options, io);
  const subagents = await subagentsOf(options, io, logger);
  const signals = stopSignals(options.untilStdinCloses);
  const watch = new LinkWatch(options.goneAfter, systemClock, () =>
    logger.warn('the coordinator has been gone for long: this agent ends'),
  );
  const stop = AbortSignal.any([signals.stop, watch.gone]);
  const now = AbortSignal.any([signals.now, watch.gone]);
  const run = (stateDirectory: string, agentId: string | undefined): Promise<AgentEnd> =>
    runAgent({
      ...agentOptions(options, subagents, io),
      stop,
      now,
      started: agent => {
        watch.start(agent);
        announcing = options.announce && listen ? announce(agent, io, logger) : undefined;
      },
      stateDirectory,
      agentId,
      hub,
      listen,
      logger,
    });
  let announcing: Multicast | undefined;
  let end: AgentEnd;
  try {
    end =
      options.statePool === undefined
        ? await run(await ownFolder(options, io), options.id)
        : await runInPool(options.statePool, run);
  } finally {
    watch.dispose();
    await announcing?.close();
    // Whoever started us holds it open while they wait for our end.
    if (options.untilStdinCloses) process.stdin.destroy();
  }
  if (end.kind === 'stopped') return EXIT.ok;
  io.stderr(`mcpx: ${describeError(end.error)}\n`);
  return EXIT.replaced;
}

function announce(agent: Agent, io: CommandIo, logger: Logger): Multicast {
  const multicast = openMulticast(io.env, logger);
  multicast.announce({kind: 'agent', id: agent.id, url: agent.endpoint, version: VERSION});
  return multicast;
}

async function listenOf({listen, listenCert, listenKey}: Options, io: CommandIo) {
  if (listen === undefined) return undefined;
  const read = (file: string): Promise<string> => readFile(path.resolve(io.cwd, file), 'utf8');
  const tls =
    listenCert === undefined || listenKey === undefined
      ? undefined
      : {cert: await read(listenCert), key: await read(listenKey)};
  return {...parseListenAddress(listen), tls};
}

async function ownFolder(options: Options, io: CommandIo): Promise<string> {
  const folder = path.resolve(
    io.cwd,
    options.state ?? path.join(userDirectories(io.env).agents, options.id ?? 'own'),
  );
  await ensurePrivateDirectory(folder);
  return folder;
}

/** Caches live in the folders, so runs share them; agents of other runs may have some just now. */
async function runInPool(
  pool: string,
  run: (stateDirectory: string, agentId: string) => Promise<AgentEnd>,
): Promise<AgentEnd> {
  for (let number = 1; ; number++) {
    const folder = path.join(pool, `local-${number}`);
    await ensurePrivateDirectory(folder);
    try {
      return await run(folder, `local-${number}`);
    } catch (error) {
      if (!isCoordinatorError(error, 'conflict') || number >= MAX_LOCAL_AGENTS) throw error;
    }
  }
}

/** Of the project that the agent is for, and of this user: those of the project come first. */
function subagentsOf(options: Options, io: CommandIo, logger: Logger): Promise<Subagent[]> {
  if (options.claude === 'off') return Promise.resolve([]);
  const project = path.resolve(io.cwd, options.project ?? '.', '.claude');
  const own = io.env['CLAUDE_CONFIG_DIR'] ?? path.join(io.env['HOME'] ?? io.cwd, '.claude');
  return readSubagents(
    [...new Set([project, own])].map(folder => path.join(folder, 'agents')),
    logger,
  );
}

function agentOptions(options: Options, subagents: readonly Subagent[], io: CommandIo) {
  const self = selfCommand();
  return {
    mode: options.mode,
    maxConcurrentTasks: options.slots,
    version: VERSION,
    region: options.region,
    capabilities: withSubagents(options.capability.map(parseCapability), subagents),
    specializations: subagents.map(({name}) => name),
    tags: options.tag,
    reservedFor: options.reservedFor,
    account: options.account,
    rehearsal: options.rehearsal,
    env: io.env,
    secretsFile: options.secrets === undefined ? undefined : path.resolve(io.cwd, options.secrets),
    claude: claudeChoice(options.claude, io),
    settings: parseAgentSettings(options.set),
    supervisorCommand: [self.command, ...self.args, 'supervise'] as const,
    pid: process.pid,
    clock: systemClock,
    random: systemRandom,
  };
}

function claudeChoice(named: string | undefined, io: CommandIo): 'off' | {executable: string} | undefined {
  if (named === undefined || named === 'off') return named;
  return {executable: path.resolve(io.cwd, named)};
}

/** The first signal drains: running attempts may finish. The second ends them. */
function stopSignals(untilStdinCloses: boolean): {stop: AbortSignal; now: AbortSignal} {
  const [stop, now] = [new AbortController(), new AbortController()];
  const onSignal = (): void => (stop.signal.aborted ? now : stop).abort();
  if (!untilStdinCloses) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
    return {stop: stop.signal, now: now.signal};
  }
  // A terminal's Ctrl-C reaches us too; whoever started us decides what it means.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => now.abort());
  for (const event of ['end', 'error', 'close'] as const) process.stdin.on(event, () => now.abort());
  process.stdin.resume();
  return {stop: now.signal, now: now.signal};
}

async function hubOf(options: Options, io: CommandIo) {
  const named = options.token ?? io.env['MCPX_TOKEN'];
  if (options.join === undefined || options.join.length === 0) {
    const endpoint = await findLocalCoordinator(userDirectories(io.env));
    if (endpoint)
      return {urls: [endpoint.url], token: () => named ?? endpoint.agentToken, ca: () => endpoint.ca};
    throw new CoordinatorError('config', 'no coordinator of yours runs here, and --join is not given', {
      hint: 'mcpx token create, on the machine of the coordinator, prints the command to run here.',
    });
  }
  const [only = ''] = options.join;
  const pin = options.caPin ?? io.env['MCPX_CA_PIN'];
  const urls = isToBeFound(only)
    ? await findCoordinators(only, pin, io.env)
    : addressesIn(options.join.join(','));
  if (urls.length === 0)
    throw new CoordinatorError(
      'config',
      `--join: "${options.join.join(' ')}" is not a ws:// or wss:// address`,
    );
  const ca = await authorityOfAny(urls, pin, io);
  return {urls, token: () => named, ca: () => ca};
}

export function parseCapability(text: string): AgentCapability {
  const [domain, level, specializations] = text.split(':');
  const parsed = AgentCapability.safeParse({
    domain,
    proficiencyLevel: level === '' ? undefined : level,
    specialization: specializations?.split(',').filter(Boolean),
  });
  if (parsed.success) return parsed.data;
  throw new CoordinatorError('config', `--capability: "${text}" is not DOMAIN[:LEVEL[:SPECIALIZATION,…]]`, {
    hint: `Levels: ${PROFICIENCY_LEVELS.join(' < ')}.`,
  });
}
