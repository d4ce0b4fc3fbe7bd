/** `mcpx rollback`: undoes what the tasks of a session did, all of them or those behind a synchronisation point, and waits until it is done. */
import type {Command} from 'commander';
import {silentLogger} from '../observability/logger.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../protocol/model/session.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';
import {requireSession} from './sessions/sessionRows.ts';

interface RollbackOptions extends ConnectOptions, JsonOption {
  readonly to?: string;
  readonly reason?: string;
}

export function addRollbackCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const command = program
    .command('rollback <session>')
    .description(
      'Stops a session and undoes what its tasks did, the last first; the repository that you work in is not touched.',
    );
  jsonOption(connectOptions(command))
    .option('--to <point>', 'only what is behind this synchronisation point')
    .option('--reason <text>', 'kept with the session')
    .action(async (id: string, options: RollbackOptions) => done(await rollBack(id, options, io)));
}

function rollBack(id: string, options: RollbackOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const {id: sessionId} = await requireSession(client, id);
    const {session: begun} = await client.request('mcpx.orchestrate.session.end', {
      sessionId,
      mode: 'rollback',
      reason: options.reason,
      syncPoint: options.to,
    });
    const session = FINAL_SESSION_STATES.has(begun.state) ? begun : await untilEnded(client, sessionId);
    const {state, failure} = session;
    answer(
      io,
      options,
      {session: session.id, state, message: failure},
      `${session.id}: ${state === 'rolledBack' ? (failure ?? 'rolled back') : state}\n`,
    );
    return state === 'rolledBack' ? EXIT.ok : EXIT.failed;
  });
}

type Client = Parameters<Parameters<typeof withClient>[3]>[0];

function untilEnded(client: Client, sessionId: string): Promise<SessionRecord> {
  return new Promise(resolve => {
    const watch = client.watch({view: 'session', sessionId}, () => {
      for (const row of watch.rows.values()) {
        if (row.kind !== 'session') continue;
        const {session} = row;
        // An earlier end may still be shown.
        if (session.rollback === undefined || !FINAL_SESSION_STATES.has(session.state)) continue;
        watch.dispose();
        resolve(session);
      }
    });
  });
}
