/** `mcpx sessions retry, reassign, rerun-gates, waive`: what a person does to one task of a session. */
import type {Command} from 'commander';
import {silentLogger} from '../../observability/logger.ts';
import type {SessionControl} from '../../protocol/commands/session.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import {FINAL_SESSION_STATES} from '../../protocol/model/session.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {type ConnectOptions, withClient} from '../local/connect.ts';
import {connectOptions} from '../local/options.ts';
import {requireSession} from './sessionRows.ts';

export function addTaskVerbs(sessions: Command, io: CommandIo, done: (exit: number) => void): void {
  connectOptions(
    sessions
      .command('retry <session> <task>')
      .description('Gives a failed, cancelled or waiting task a fresh start, with what it held back.'),
  )
    .option('--note <text>', 'for Claude Code, from the next attempt on')
    .action(async (id: string, taskId: string, options: ConnectOptions & {note?: string}) =>
      done(await control(id, {kind: 'retryTask', taskId, note: options.note}, options, io, 'starts afresh')),
    );

  connectOptions(
    sessions
      .command('reassign <session> <task>')
      .description('Ends its attempt, at no cost to its retries, and runs it on another agent.'),
  )
    .option('--agent <id>', 'the agent that is to get it, for which it waits; default: any other')
    .action(async (id: string, taskId: string, options: ConnectOptions & {agent?: string}) => {
      const {agent: agentId} = options;
      const where = agentId === undefined ? 'another agent' : `agent ${agentId}`;
      done(await control(id, {kind: 'reassignTask', taskId, agentId}, options, io, `goes to ${where}`));
    });

  connectOptions(
    sessions
      .command('rerun-gates <session> <task>')
      .description('Runs the gates of a task that failed by them once more, in its kept worktree.'),
  ).action(async (id: string, taskId: string, options: ConnectOptions) =>
    done(await control(id, {kind: 'rerunGates', taskId}, options, io, 'its gates run again')),
  );

  connectOptions(
    sessions
      .command('waive <session> <task>')
      .description('Takes its result although a gate failed or does not end; who did so and why is kept.'),
  )
    .requiredOption('--reason <text>', 'why the result is good enough')
    .option('--gate <name>', 'this gate only; default: all that have not passed')
    .action(async (id: string, taskId: string, options: ConnectOptions & {reason: string; gate?: string}) => {
      const {reason, gate} = options;
      done(await control(id, {kind: 'waiveGate', taskId, gate, reason}, options, io, 'the gate is waived'));
    });
}

function control(
  id: string,
  action: SessionControl['action'] & {readonly taskId: string},
  options: ConnectOptions,
  io: CommandIo,
  done: string,
): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const before = await requireSession(client, id);
    const {session} = await client.request('mcpx.session.control', {sessionId: before.id, action});
    io.stdout(`${session.id}/${action.taskId}: ${done}\n`);
    if (runsAgain(before, session)) io.stderr(`The session runs again: mcpx sessions show ${session.id}\n`);
    return EXIT.ok;
  });
}

function runsAgain(before: SessionRecord, after: SessionRecord): boolean {
  return FINAL_SESSION_STATES.has(before.state) && !FINAL_SESSION_STATES.has(after.state);
}
