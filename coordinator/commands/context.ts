/** `mcpx context`: names for the coordinators that a person uses, so that `--connect NAME` is enough. */
import type {Command} from 'commander';
import {CoordinatorError} from '../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {addressesIn} from './local/connect.ts';
import {openContexts} from './local/contexts.ts';
import {userDirectories} from './local/directories.ts';

interface AddOptions extends JsonOption {
  readonly token?: string;
  readonly caPin?: string;
}

export function addContextCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const context = program.command('context').description('Names for coordinators on other machines.');
  const verb = (name: string, description: string): Command =>
    jsonOption(context.command(name).description(description));

  verb('list', 'The names that are known; * marks the one that is used without --connect.').action(
    async (options: JsonOption) => done(await list(options, io)),
  );
  verb('add <name> <url>', 'Adds or replaces a name. The token is read from MCPX_TOKEN or --token.')
    .option('--token <token>', 'a client token of that coordinator')
    .option('--ca-pin <pin>', 'sha256:… of its authority, as mcpx token create prints it')
    .action(async (name: string, url: string, options: AddOptions) =>
      done(await add(name, url, options, io)),
    );
  verb('use [name]', 'Uses a name where --connect is not given; without a name, this machine again.').action(
    async (name: string | undefined, options: JsonOption) => done(await use(name, options, io)),
  );
  verb('remove <name>', 'Forgets a name and its token.').action(async (name: string, options: JsonOption) =>
    done(await remove(name, options, io)),
  );
}

const open = (io: CommandIo) => openContexts(userDirectories(io.env).contextsFile);

/** Tokens are not shown. */
async function list(options: JsonOption, io: CommandIo): Promise<number> {
  const {data} = await open(io);
  const contexts = data.contexts.map(({name, url, token, caPin = null}) => ({
    name,
    url,
    caPin,
    hasToken: token !== undefined,
  }));
  const text = contexts
    .map(({name, url}) => `${name === data.current ? '*' : ' '} ${name}  ${url}\n`)
    .join('');
  answer(
    io,
    options,
    {current: data.current ?? null, contexts},
    text === '' ? 'No contexts. Add one: mcpx context add NAME wss://HOST:PORT\n' : text,
  );
  return EXIT.ok;
}

async function add(name: string, url: string, options: AddOptions, io: CommandIo): Promise<number> {
  if (addressesIn(url).length === 0)
    throw new CoordinatorError('config', `"${url}" is not a ws:// or wss:// address`);
  const contexts = await open(io);
  const {caPin} = options;
  const token = options.token ?? io.env['MCPX_TOKEN'];
  await contexts.update(data => {
    data.contexts = [...data.contexts.filter(other => other.name !== name), {name, url, token, caPin}];
  });
  answer(
    io,
    options,
    {name, url, caPin: caPin ?? null, hasToken: token !== undefined},
    `${name} is ${url}\n`,
  );
  return EXIT.ok;
}

async function use(name: string | undefined, options: JsonOption, io: CommandIo): Promise<number> {
  const contexts = await open(io);
  if (name !== undefined && !contexts.data.contexts.some(other => other.name === name)) {
    throw new CoordinatorError('config', `there is no context "${name}"`, {
      hint: 'mcpx context list shows those that are known.',
    });
  }
  await contexts.update(data => {
    data.current = name;
  });
  const text = name === undefined ? "This machine's own coordinator is used.\n" : `${name} is used.\n`;
  answer(io, options, {current: name ?? null}, text);
  return EXIT.ok;
}

async function remove(name: string, options: JsonOption, io: CommandIo): Promise<number> {
  const contexts = await open(io);
  const removed = contexts.data.contexts.some(other => other.name === name);
  await contexts.update(data => {
    data.contexts = data.contexts.filter(other => other.name !== name);
    if (data.current === name) data.current = undefined;
  });
  answer(io, options, {name, removed, current: contexts.data.current ?? null}, '');
  return EXIT.ok;
}
