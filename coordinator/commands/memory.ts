/** `mcpx memory`: one key of a session's shared memory, read and written by a person. */
import type {Command} from 'commander';
import {silentLogger} from '../observability/logger.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {JsonValue} from '../runtime/json.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';

interface MemoryOptions extends ConnectOptions {
  readonly session?: string;
  readonly ifVersion?: string;
}

export function addMemoryCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const memory = program.command('memory').description("A session's shared memory: get and put one key.");
  connectOptions(
    memory.command('get <key>').description('Prints the value as JSON; exit code 1 when there is none.'),
  )
    .option('--session <id>', 'the session whose memory it is')
    .action(async (key: string, options: MemoryOptions) =>
      done(
        await withClient(options, io, silentLogger, async client => {
          const {record} = await client.request('mcpx.memory.get', {sessionId: sessionOf(options), key});
          if (record) io.stdout(`${JSON.stringify(record.value)}\n`);
          return record ? EXIT.ok : EXIT.failed;
        }),
      ),
    );
  connectOptions(
    memory.command('put <key> <value>').description('Writes a value: JSON, or text when it is not JSON.'),
  )
    .option('--session <id>', 'the session whose memory it is')
    .option('--if-version <n>', 'only when the key has this version; 0: only when it is new')
    .action(async (key: string, text: string, options: MemoryOptions) =>
      done(
        await withClient(options, io, silentLogger, async client => {
          const put = await client.request('mcpx.memory.put', {
            sessionId: sessionOf(options),
            key,
            value: jsonOrText(text),
            ifVersion: options.ifVersion === undefined ? undefined : Number(options.ifVersion),
          });
          io.stdout(`version ${put.version}\n`);
          return EXIT.ok;
        }),
      ),
    );
}

function sessionOf(options: MemoryOptions): string {
  const {session} = options;
  if (session === undefined)
    throw new CoordinatorError('config', 'say which session with --session', {
      hint: 'mcpx sessions list shows them.',
    });
  return session;
}

function jsonOrText(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text;
  }
}
