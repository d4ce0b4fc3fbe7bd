/** `mcpx token`: what lets agents and clients on other machines in. */
import type {Command} from 'commander';
import {silentLogger} from '../observability/logger.ts';
import {parseDuration} from '../protocol/plan/duration.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';

interface CreateOptions extends ConnectOptions, JsonOption {
  readonly role: string;
  readonly ttl: string;
  readonly label?: string;
}

export function addTokenCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const token = program.command('token').description('Tokens for agents and clients on other machines.');
  const command = token
    .command('create')
    .description('Makes a token and prints the command that uses it. It is shown once.');
  jsonOption(connectOptions(command))
    .option('--role <role>', 'agent or client', 'agent')
    .option('--ttl <duration>', 'how long it holds', '30d')
    .option('--label <text>', 'what it is for')
    .action(async (options: CreateOptions) => done(await create(options, io)));
}

function create(options: CreateOptions, io: CommandIo): Promise<number> {
  const {role} = options;
  if (role !== 'agent' && role !== 'client')
    throw new CoordinatorError('config', `--role is agent or client, not "${role}"`);
  const ttlMs = parseDuration(options.ttl);
  if (!ttlMs)
    throw new CoordinatorError('config', `--ttl: "${options.ttl}" is not a duration`, {
      hint: 'For example 12h or 30d.',
    });
  return withClient(options, io, silentLogger, async (client, target) => {
    const made = await client.request('mcpx.token.create', {
      role,
      ttlSeconds: Math.ceil(ttlMs / 1000),
      label: options.label,
    });
    const url = made.url ?? target.url;
    const pin = made.caPin === undefined ? '' : ` --ca-pin ${made.caPin}`;
    const command = role === 'agent' ? 'agent --join' : 'context add NAME';
    const text = `Token ${made.id}, until ${new Date(made.expiresAt).toISOString()}. On the other machine:

  MCPX_TOKEN=${made.token} mcpx ${command} ${url}${pin}
`;
    if (options.json) io.stdout(`${JSON.stringify(made)}\n`);
    else io.stdout(text);
    return EXIT.ok;
  });
}
