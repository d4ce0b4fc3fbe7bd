/** `mcpx attempts`: what a person says to a running Claude Code: message, interrupt, model, mode. */
import {Argument, type Command} from 'commander';
import type {McpxClient} from '../client/mcpxClient.ts';
import {silentLogger} from '../observability/logger.ts';
import {AttemptControl} from '../protocol/commands/attempt.ts';
import {parseAttemptId} from '../protocol/ids.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, snapshotRows, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';
import {requireSession} from './sessions/sessionRows.ts';

type Options = ConnectOptions & JsonOption;
type Action = AttemptControl['action'];
type Mode = Extract<Action, {kind: 'permissionMode'}>['mode'];

const MODES: readonly Mode[] = ['ask', 'acceptEdits', 'dontAsk', 'plan', 'bypass'];

export function addAttemptCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const attempts = program
    .command('attempts')
    .description(
      'A running Claude Code, named by its attempt or as SESSION/TASK: message, interrupt, model, mode.',
    );

  const verb = (name: string, description: string): Command =>
    jsonOption(connectOptions(attempts.command(name).description(description)));

  verb('message <attempt> <text...>', 'Says something to it while it works.').action(
    async (name: string, words: string[], options: Options) =>
      done(await control(name, {kind: 'message', text: words.join(' ')}, options, io, 'has the message')),
  );
  verb('interrupt <attempt>', 'Ends what it does just now; it goes on with the next message.').action(
    async (name: string, options: Options) =>
      done(await control(name, {kind: 'interrupt'}, options, io, 'is interrupted')),
  );
  verb('model <attempt> <model>', 'Changes its model from its next answer on.').action(
    async (name: string, model: string, options: Options) =>
      done(await control(name, {kind: 'model', model}, options, io, `goes on with ${model}`)),
  );
  verb('mode <attempt>', 'Changes what it may do without asking.')
    .addArgument(new Argument('<mode>', 'the permission mode').choices(MODES))
    .action(async (name: string, mode: Mode, options: Options) =>
      done(await control(name, {kind: 'permissionMode', mode}, options, io, `is in mode ${mode}`)),
    );
}

function control(
  name: string,
  action: Action,
  options: Options,
  io: CommandIo,
  said: string,
): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const attemptId = await findAttempt(client, name);
    const params = AttemptControl.parse({attemptId, action});
    const {done, message} = await client.request('mcpx.attempt.control', params);
    if (!done)
      throw new CoordinatorError('conflict', `${attemptId}: ${message ?? 'it does not take it now'}`);
    answer(io, options, {attempt: attemptId, action: action.kind}, `${attemptId} ${said}\n`);
    return EXIT.ok;
  });
}

/** An attempt's own id, or `SESSION/TASK` for the one that runs. */
async function findAttempt(client: McpxClient, name: string): Promise<string> {
  if (parseAttemptId(name)) return name;
  const cut = name.lastIndexOf('/');
  if (cut < 1)
    throw new CoordinatorError('config', `"${name}" is neither an attempt nor SESSION/TASK`, {
      hint: 'Such as last/build: mcpx status shows what runs.',
    });
  const session = await requireSession(client, name.slice(0, cut));
  const taskId = name.slice(cut + 1);
  const rows = await snapshotRows(client, {view: 'session', sessionId: session.id});
  const task = rows.flatMap(row => (row.kind === 'task' && row.task.id === taskId ? [row.task] : []))[0];
  if (!task) throw new CoordinatorError('notFound', `session ${session.id} has no task "${taskId}"`);
  if (task.currentAttempt !== undefined) return task.currentAttempt;
  throw new CoordinatorError(
    'notFound',
    `task ${taskId} of ${session.id} is ${task.state}: no attempt of it runs`,
  );
}
