/** `mcpx coordinator`: the headless coordinator in the foreground. */

import {readFile} from 'node:fs/promises';
import path from 'node:path';
import {type Command, Option} from 'commander';
import {loadSettings} from '../config.ts';
import {startCoordinator} from '../coordinator.ts';
import {createLogger, type LogLevel} from '../observability/logger.ts';
import {systemClock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {systemRandom} from '../runtime/random.ts';
import {parseEtcdAddress} from '../store/etcd/etcdAddress.ts';
import {VERSION} from '../version.ts';
import {addCoordinatorStopCommand} from './coordinatorStop.ts';
import {type CommandIo, EXIT} from './io.ts';
import {clusterOf} from './local/clusterOptions.ts';
import {ensurePrivateDirectory, userDirectories} from './local/directories.ts';
import {removeEndpoint, writeEndpoint} from './local/endpoint.ts';
import {watchForLinger} from './local/linger.ts';
import {parseListenAddress} from './local/listenAddress.ts';
import {childEnvironment, selfCommand} from './local/selfCommand.ts';

interface Options {
  readonly data?: string;
  readonly listen: string;
  readonly publicName: string[];
  readonly tls: boolean;
  readonly dial: string[];
  readonly dialCa?: string;
  readonly announce: boolean;
  readonly store?: string;
  readonly storeCa?: string;
  readonly storeCert?: string;
  readonly storeKey?: string;
  readonly cluster?: string;
  readonly node?: string;
  readonly peers?: string;
  readonly join: boolean;
  readonly peerListen?: string;
  readonly strategyModule: string[];
  readonly set: string[];
  readonly servers: string[];
  readonly linger: boolean;
  readonly log: LogLevel;
  readonly logFormat: 'json' | 'text';
}

const STOP_GRACE_MS = 10_000;

export function addCoordinatorCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const coordinator = program.command('coordinator');
  addCoordinatorStopCommand(coordinator, io, done);
  coordinator
    .description('Runs a coordinator in the foreground, for agents and clients on this and other machines.')
    .option('--data <directory>', "where everything is kept; default: this user's data directory")
    .option(
      '--listen <host:port>',
      'address to listen on; port 0 takes a free one and keeps it',
      '127.0.0.1:0',
    )
    .option('--public-name <name...>', 'host names and addresses by which other machines reach it', [])
    .option('--tls', "TLS by the cluster's own authority; needed on any address but loopback", false)
    .option(
      '--dial <url...>',
      'agents that listen (mcpx agent --listen); MCPX_DIAL_TOKEN is the agent token that they hold',
      [],
    )
    .option('--dial-ca <file>', 'PEM of the authority behind those addresses')
    .option('--announce', 'say on the local network where it is, and hear where agents listen', false)
    .option(
      '--store <address>',
      'keep the facts in an etcd, etcd://HOST:PORT[,HOST:PORT...][/PREFIX] or etcds:// for TLS; MCPX_STORE_USER and MCPX_STORE_PASSWORD enter it',
    )
    .option('--store-ca <file>', "PEM of the authority behind the etcd; default: the system's")
    .option('--store-cert <file>', 'PEM of the certificate that the etcd wants to see')
    .option('--store-key <file>', 'PEM of its key')
    .option('--cluster <name>', 'keep the facts together with other coordinators; needs --node and --peers')
    .option('--node <id>', 'which of the peers this one is')
    .option('--peers <id=url,...>', 'the members and where they reach each other, such as a=wss://host1:7700')
    .option('--join', 'enter a cluster that is there: one of its members must say mcpx cluster add', false)
    .option(
      '--peer-listen <host:port>',
      "address for the other members; default: this node's own of the peers",
    )
    .option(
      '--strategy-module <file...>',
      'an ES module with strategies of your own, {name, optimize(candidates, task)}, which plans may name; every coordinator that may lead needs it',
      [],
    )
    .option(
      '--servers <file...>',
      'MCP servers to put behind the hub: .mcp.json of Claude Code, mcp.json of VS Code, server.json of the MCP registry; read again when it changes',
      [],
    )
    .option('--set <name=value...>', 'a setting; mcpx doctor --settings lists them', [])
    .addOption(
      new Option('--linger', 'end when no client and no unfinished session is left')
        .default(false)
        .hideHelp(),
    )
    .addOption(
      new Option('--log <level>', 'least severity that is logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addOption(new Option('--log-format <format>').choices(['json', 'text']).default('text'))
    .action(async (options: Options) => done(await runCoordinator(options, io)));
}

async function runCoordinator(options: Options, io: CommandIo): Promise<number> {
  const directory = path.resolve(io.cwd, options.data ?? userDirectories(io.env).coordinator);
  await ensurePrivateDirectory(directory);
  const sets = options.announce ? [...options.set, 'multicast=on'] : options.set;
  const settings = await loadSettings(path.join(directory, 'settings.json'), io.env['MCPX_SET'], sets);
  const logger = createLogger({
    sink: {write: line => io.stderr(`${line}\n`)},
    level: options.log,
    format: options.logFormat,
    wallNow: systemClock.wallNow,
  });
  const coordinator = await startCoordinator({
    directory,
    address: parseListenAddress(options.listen),
    tls: options.tls,
    publicNames: options.publicName,
    dial: await dialOf(options, io),
    etcd: await etcdOf(options, io),
    cluster: clusterOf(options, io.env['MCPX_CLUSTER_TOKEN']),
    pool: {...selfCommand(), env: childEnvironment(io.env)},
    strategyModules: strategyModulesOf(options, settings.strategyModule, directory, io.cwd),
    serverFiles: options.servers.map(file => path.resolve(io.cwd, file)),
    settings,
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort(signal));
  await writeEndpoint(directory, {
    pid: process.pid,
    url: coordinator.url,
    token: coordinator.clientToken,
    agentToken: coordinator.agentToken,
    ca: coordinator.authority,
    coordinator: coordinator.id,
    version: VERSION,
    startedAt: systemClock.wallNow(),
  });
  logger.info('the coordinator is ready', {
    url: coordinator.url,
    data: directory,
    coordinator: coordinator.id,
  });
  if (options.linger) watchForLinger(coordinator, settings.lingerMs, systemClock, () => stop.abort('idle'));
  await new Promise<void>(resolve => {
    stop.signal.addEventListener('abort', () => resolve(), {once: true});
    coordinator.onFailed(error => {
      logger.error('the coordinator cannot go on', {error});
      resolve();
    });
  });
  logger.info('the coordinator is stopping', {reason: String(stop.signal.reason ?? 'failure')});
  await removeEndpoint(directory);
  await coordinator.stop(STOP_GRACE_MS);
  return stop.signal.aborted ? EXIT.ok : EXIT.failed;
}

/** Those of the command line start where it was given, that of the setting beside the data. */
function strategyModulesOf(
  {strategyModule}: Options,
  setting: string,
  directory: string,
  cwd: string,
): string[] {
  const own = setting === '' ? [] : [path.resolve(directory, setting)];
  return [...new Set([...own, ...strategyModule.map(file => path.resolve(cwd, file))])];
}

async function etcdOf({store, storeCa, storeCert, storeKey, cluster}: Options, io: CommandIo) {
  if (store !== undefined && cluster !== undefined)
    throw new CoordinatorError('config', '--store and --cluster exclude each other', {
      hint: 'Coordinators that are given the same --store work together without --cluster.',
    });
  const files = [storeCa, storeCert, storeKey];
  if (store === undefined) {
    if (files.every(file => file === undefined)) return undefined;
    throw new CoordinatorError('config', '--store-ca, --store-cert and --store-key come with --store');
  }
  const address = parseEtcdAddress(store, {
    name: io.env['MCPX_STORE_USER'],
    password: io.env['MCPX_STORE_PASSWORD'],
  });
  if (!address.tls && files.some(file => file !== undefined))
    throw new CoordinatorError('config', 'certificates are for an etcd with TLS', {
      hint: 'Write its address with etcds://.',
    });
  if ((storeCert === undefined) !== (storeKey === undefined))
    throw new CoordinatorError('config', '--store-cert and --store-key come together');
  const [authority, certificate, key] = await Promise.all(
    files.map(file => (file === undefined ? undefined : readPem(path.resolve(io.cwd, file)))),
  );
  return {address, tls: {authority, certificate, key}};
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CoordinatorError('config', `cannot read ${file}`, {cause});
  }
}

async function dialOf({dial, dialCa}: Options, io: CommandIo) {
  const token = io.env['MCPX_DIAL_TOKEN'] ?? '';
  for (const url of dial)
    if (!/^wss?:\/\//.test(url))
      throw new CoordinatorError('config', `--dial: "${url}" is not a ws:// or wss:// address`);
  if (dial.length > 0 && token === '')
    throw new CoordinatorError('config', '--dial needs the token that the agents want to see', {
      hint: 'Set MCPX_DIAL_TOKEN to it.',
    });
  return {
    urls: dial,
    token,
    ca: dialCa === undefined ? undefined : await readFile(path.resolve(io.cwd, dialCa), 'utf8'),
  };
}
