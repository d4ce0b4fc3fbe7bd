/** `mcpx sessions strategy, rebalance`: how the work of a session is shared out, changed while it runs. */
import type {Command} from 'commander';
import {silentLogger} from '../../observability/logger.ts';
import type {LoadBalance} from '../../protocol/commands/balance.ts';
import {answer, type JsonOption, jsonOption} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {type ConnectOptions, withClient} from '../local/connect.ts';
import {connectOptions} from '../local/options.ts';
import {requireSession} from './sessionRows.ts';

type Options = ConnectOptions & JsonOption & {readonly task?: string};

export function addBalanceVerbs(sessions: Command, io: CommandIo, done: (exit: number) => void): void {
  const verb = (name: string, description: string): Command =>
    jsonOption(connectOptions(sessions.command(name).description(description)));

  verb('strategy <session> <name>', 'Chooses agents by another strategy from now on.')
    .option('--task <id>', 'for this task only')
    .action(async (id: string, strategy: string, options: Options) =>
      done(await balance(id, {strategy, taskId: options.task}, options, io)),
    );
  verb(
    'rebalance <session>',
    'Begins attempts anew on free agents where they take far longer than expected, at no cost to their retries.',
  )
    .option('--task <id>', 'this task only')
    .action(async (id: string, options: Options) =>
      done(await balance(id, {rebalance: true, taskId: options.task}, options, io)),
    );
}

function balance(
  id: string,
  change: Omit<Partial<LoadBalance>, 'sessionId'>,
  options: Options,
  io: CommandIo,
): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const {id: sessionId} = await requireSession(client, id);
    const {moved} = await client.request('mcpx.distribute.load.balance', {sessionId, ...change});
    const {strategy, taskId} = change;
    const what = taskId === undefined ? sessionId : `${sessionId}/${taskId}`;
    const goes = moved.length === 0 ? 'every attempt stays where it is' : `begins anew: ${moved.join(', ')}`;
    const text = strategy === undefined ? goes : `is placed by ${strategy} from now on`;
    answer(io, options, {session: sessionId, task: taskId, strategy, moved}, `${what}: ${text}\n`);
    return EXIT.ok;
  });
}
