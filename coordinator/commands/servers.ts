/** `mcpx servers`: the MCP servers behind the hub: which there are and what they offer, adding, importing and removing them. */
import path from 'node:path';
import {type Command, InvalidArgumentError} from 'commander';
import type {McpxClient} from '../client/mcpxClient.ts';
import {expandEndpoint} from '../discovery/servers/expandVariables.ts';
import {folderOf, readServers} from '../handlers/serverFiles.ts';
import {silentLogger} from '../observability/logger.ts';
import type {MCPList, MCPServerInfo} from '../protocol/commands/server.ts';
import {isProtocolError} from '../protocol/errors.ts';
import {ServerDefinition} from '../protocol/model/server.ts';
import {counted} from '../runtime/counted.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, findTarget, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';
import {printable} from './report/terminalText.ts';
import {addLoginVerbs, revocationText} from './servers/loginVerbs.ts';

type Options = ConnectOptions & JsonOption;

interface AddOptions extends Options {
  readonly env: string[];
  readonly header: string[];
  readonly oauth: string[];
  readonly url?: string;
  readonly sse: boolean;
  readonly cwd?: string;
  readonly shared: boolean;
  readonly prefix?: string | false;
  readonly check: boolean;
  readonly replace: boolean;
}

interface ImportOptions extends Options {
  readonly check: boolean;
  readonly replace: boolean;
  readonly expand: boolean;
}

export function addServerCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const servers = program
    .command('servers')
    .description(
      'MCP servers behind the hub: their tools, prompts and resources are offered to all MCP clients of the hub, as SERVER__NAME.',
    )
    .addHelpText('after', EXAMPLES);
  const verb = (usage: string, description: string): Command =>
    jsonOption(connectOptions(servers.command(usage).description(description)));
  verb('list', 'Which there are, and how they are.').action(async (options: Options) =>
    done(await list(options, io)),
  );
  verb('tools [name]', 'What they offer: tools, prompts and resources, as the hub calls them.').action(
    async (name: string | undefined, options: Options) => done(await tools(name, options, io)),
  );
  verb('add <name> [command...]', 'Adds a server: a command after --, or an address by --url.')
    .option('--url <url>', 'of a server that speaks Streamable HTTP')
    .option('--sse', 'the address speaks its predecessor, HTTP with an event stream', false)
    .option(
      '--env <name=value...>',
      'variables of its process, whose references to others are filled in where it runs',
      [],
    )
    .option('--header <name=value...>', 'headers of requests to its address', [])
    .option(
      '--oauth <name=value...>',
      'how the hub gets in: grant, clientId, clientSecret, issuer, scope, clientMetadataUrl, …; default: by mcpx servers login',
      [],
    )
    .option('--cwd <folder>', 'where its process runs')
    .option('--shared', 'one process for all clients: it keeps no state of any of them', false)
    .option('--prefix <text>', 'before the names of what it offers; default: its name')
    .option('--no-prefix', 'names stay as they are')
    .option('--no-check', 'do not connect to it first')
    .option('--replace', 'in the place of one of this name', false)
    .action(async (name: string, command: string[], options: AddOptions) =>
      done(await add(name, command, options, io)),
    );
  verb(
    'import <file>',
    'Adds the servers of a file: .mcp.json of Claude Code, mcp.json of VS Code, server.json of the MCP registry.',
  )
    .option(
      '--expand',
      'fill in references to variables now, from this environment; default: where the servers run',
      false,
    )
    .option('--no-check', 'do not connect to them first')
    .option('--replace', 'in the place of those of these names', false)
    .action(async (file: string, options: ImportOptions) => done(await importFile(file, options, io)));
  addLoginVerbs(verb, io, done);
  verb('remove <name>', 'Takes a server away.').action(async (name: string, options: Options) =>
    done(await remove(name, options, io)),
  );
  verb('refresh [name]', 'Connects anew and reads again what is offered; without a name, of all.').action(
    async (name: string | undefined, options: Options) => done(await refresh(name, options, io)),
  );
}

const EXAMPLES = `
Examples:
  mcpx servers add files -- npx -y @modelcontextprotocol/server-filesystem /data
  mcpx servers add weather --url https://weather.example.org/mcp --header 'Authorization=Bearer \${WEATHER_TOKEN}'
  mcpx servers import .mcp.json

The verbs need a coordinator that runs. Where none does, a file of servers comes with it: mcpx coordinator,
mcpx run or mcpx lead, each with --servers .mcp.json`;

function list(options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const result = await client.request('mcpx.server.list', {});
    const text = result.servers.map(serverLine).join('');
    answer(io, options, result, text === '' ? 'There are no MCP servers behind the hub.\n' : text);
    return EXIT.ok;
  });
}

function serverLine({
  name,
  definition,
  state,
  era,
  lastError,
  capabilities,
  failedLists,
  login,
  ...counts
}: MCPServerInfo): string {
  const {endpoint, replicas} = definition;
  const place = endpoint.type === 'stdio' ? [endpoint.command, ...endpoint.args].join(' ') : endpoint.url;
  const more = replicas.length === 0 ? '' : `  and ${replicas.length} replicas`;
  const toolCount = capabilities.filter(({kind}) => kind === 'tool').length;
  const facts = [
    state === 'needsLogin' ? 'needs a login' : state,
    ...(era ? [era === 'legacy' ? 'protocol 2025' : 'protocol 2026'] : []),
    counted(toolCount, 'tool'),
    ...(login ? ['logged in'] : []),
    ...(counts.processes > 0 ? [counted(counts.processes, 'process', 'processes')] : []),
  ];
  const fault = lastError === undefined ? '' : `      ${printable(lastError)}\n`;
  return `${name}  ${facts.join(', ')}  ${printable(place)}${more}\n${fault}${listFaults({failedLists})}`;
}

/** What else it offers can be used. */
function listFaults({failedLists = []}: Pick<MCPServerInfo, 'failedLists'>): string {
  return failedLists
    .map(({list, reason}) => `      it does not list its ${LIST_WORDS[list]}: ${printable(reason)}\n`)
    .join('');
}

const LIST_WORDS: Readonly<Record<MCPList, string>> = {
  tools: 'tools',
  resources: 'resources',
  resourceTemplates: 'templates of resources',
  prompts: 'prompts',
};

function tools(name: string | undefined, options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const result = await client.request('mcpx.server.list', {name});
    const text = result.servers.flatMap(({capabilities}) =>
      capabilities.map(({kind, name: own, shown, description}) => {
        const [first = ''] = (description ?? '').split('\n');
        return `${kind.padEnd(16)}  ${printable(shown ?? own)}  ${printable(first)}\n`;
      }),
    );
    answer(io, options, result, text.join(''));
    return EXIT.ok;
  });
}

async function add(
  name: string,
  [command, ...args]: string[],
  options: AddOptions,
  io: CommandIo,
): Promise<number> {
  const {url, sse, env, header, oauth, cwd, shared, prefix} = options;
  if ((url === undefined) === (command === undefined))
    throw new CoordinatorError('config', 'name either a command, after --, or an address, by --url', {
      hint: 'For example: mcpx servers add files -- npx -y @modelcontextprotocol/server-filesystem /data',
    });
  if (url === undefined && oauth.length > 0)
    throw new CoordinatorError('config', '--oauth is for an address', {
      hint: 'A process is told what it needs by --env.',
    });
  const folder =
    cwd === undefined && !(await isHere(options, io)) ? undefined : path.resolve(io.cwd, cwd ?? '.');
  const endpoint =
    url === undefined
      ? {type: 'stdio', command, args, env: pairs(env, '--env'), ...(folder !== undefined && {cwd: folder})}
      : {type: sse ? 'sse' : 'http', url, headers: pairs(header, '--header'), ...withOAuth(oauth)};
  const definition = ServerDefinition.safeParse({
    ...{name, endpoint},
    ...(shared && {shared}),
    ...(prefix !== undefined && {prefix}),
  });
  if (!definition.success) {
    const [issue] = definition.error.issues;
    throw new CoordinatorError('config', `${issue?.path.join('.')}: ${issue?.message}`);
  }
  const {check, replace} = options;
  return withClient(options, io, silentLogger, async client => {
    const {server} = await client.request(
      'mcpx.server.register',
      {definition: definition.data, check, replace},
      {timeoutMs: REGISTER_MS},
    );
    answer(io, options, {server}, registeredText(server));
    return EXIT.ok;
  });
}

/** A server may have to be downloaded before it answers. */
const REGISTER_MS = 180_000;
/** An authorization server may be asked to end a login. */
const REMOVE_MS = 60_000;

async function importFile(file: string, options: ImportOptions, io: CommandIo): Promise<number> {
  const full = path.resolve(io.cwd, file);
  const {servers, refused} = await readServers(
    full,
    (await isHere(options, io)) ? folderOf(full) : undefined,
  );
  return withClient(options, io, silentLogger, async client => {
    const refusals = [...refused];
    const registered: MCPServerInfo[] = [];
    await Promise.all(
      servers.map(async definition => {
        const outcome = await register(client, definition, options, io);
        if (typeof outcome === 'string') refusals.push({server: definition.name, reason: outcome});
        else registered.push(outcome);
      }),
    );
    const text = [
      ...registered.map(registeredText),
      ...refusals.map(({server, reason}) => `${printable(server)} is refused: ${printable(reason)}\n`),
    ];
    answer(io, options, {registered, refused: refusals}, text.join(''));
    return refusals.length === 0 ? EXIT.ok : EXIT.failed;
  });
}

async function register(
  client: McpxClient,
  definition: ServerDefinition,
  {check, replace, expand}: ImportOptions,
  io: CommandIo,
): Promise<MCPServerInfo | string> {
  try {
    const filled = expand
      ? {
          ...definition,
          endpoint: expandEndpoint(definition.endpoint, io.env),
          replicas: definition.replicas.map(replica => expandEndpoint(replica, io.env)),
        }
      : definition;
    const {server} = await client.request(
      'mcpx.server.register',
      {definition: filled, check, replace},
      {timeoutMs: REGISTER_MS},
    );
    return server;
  } catch (error) {
    if (isProtocolError(error)) return error.message;
    if (error instanceof CoordinatorError && error.code === 'config')
      return `${error.message}. ${error.hint ?? ''}`;
    throw error;
  }
}

function remove(name: string, options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const {revocation} = await client.request('mcpx.server.remove', {name}, {timeoutMs: REMOVE_MS});
    const login = revocation ? ` Nor is the hub logged in there. ${revocationText(revocation)}` : '';
    answer(
      io,
      options,
      {name, ...(revocation && {revocation})},
      `${name} is no longer behind the hub.${login}\n`,
    );
    return EXIT.ok;
  });
}

function refresh(name: string | undefined, options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    await client.request('mcpx.server.refresh', {name});
    answer(io, options, {name}, `${name ?? 'All'} ${name ? 'is' : 'are'} read again.\n`);
    return EXIT.ok;
  });
}

/** Whether our folders are the coordinator's too. */
async function isHere(options: Options, io: CommandIo): Promise<boolean> {
  const target = await findTarget(options, io);
  const host = target && new URL(target.url.split(',')[0] ?? '').hostname;
  return host === undefined || ['127.0.0.1', 'localhost', '[::1]'].includes(host);
}

function registeredText(server: MCPServerInfo): string {
  return `${server.name} is behind the hub${offers(server)}.\n${listFaults(server)}${loginHint(server)}`;
}

function offers({capabilities}: MCPServerInfo): string {
  const count = capabilities.filter(({kind}) => kind === 'tool').length;
  return capabilities.length === 0 ? '' : `, with ${count} tools`;
}

function withOAuth(texts: readonly string[]): {oauth?: Record<string, string>} {
  return texts.length === 0 ? {} : {oauth: pairs(texts, '--oauth')};
}

/** It was reached, and let nobody in. */
function loginHint({name, state}: MCPServerInfo): string {
  return state === 'needsLogin' ? `Somebody has to log in: mcpx servers login ${name}\n` : '';
}

function pairs(texts: readonly string[], option: string): Record<string, string> {
  return Object.fromEntries(
    texts.map(text => {
      const at = text.indexOf('=');
      if (at <= 0) throw new InvalidArgumentError(`${option}: "${text}" is not NAME=VALUE`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
