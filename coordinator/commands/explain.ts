/** `mcpx explain`: why each attempt of a task ran where it did, and why one began beside another; of a plan, where its tasks would go. */
import type {Command} from 'commander';
import {cachedText} from '../client/report/cachedText.ts';
import {distributionText} from '../client/report/distributionText.ts';
import {placementsOf} from '../client/report/placements.ts';
import {silentLogger} from '../observability/logger.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, snapshotRows, withClient} from './local/connect.ts';
import {connectOptions} from './local/options.ts';
import {readPlan} from './plan.ts';
import {planError} from './run/planSource.ts';
import {requireSession} from './sessions/sessionRows.ts';

type Options = ConnectOptions & JsonOption & {readonly session: string; readonly plan?: string};

export function addExplainCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  jsonOption(
    connectOptions(
      program
        .command('explain [task]')
        .description(
          'Why the attempts of a task ran where they did; with --plan, where the tasks of a plan would go. Nothing is started.',
        ),
    ),
  )
    .option('--session <id>', 'the session of the task', 'last')
    .option('--plan <file>', 'a plan that is not started; with a task, only that one')
    .action(async (taskId: string | undefined, options: Options) =>
      done(
        await (options.plan === undefined
          ? explain(taskId, options, io)
          : forecast(taskId, options.plan, options, io)),
      ),
    );
}

/** By the agents that are connected now. */
async function forecast(
  taskId: string | undefined,
  file: string,
  options: Options,
  io: CommandIo,
): Promise<number> {
  const read = await readPlan(file, io);
  if (read.kind !== 'plan') {
    if (options.json) io.stdout(`${JSON.stringify(planError({read, name: file}))}\n`);
    return EXIT.usage;
  }
  const {plan} = read;
  if (taskId !== undefined && !plan.tasks.some(({id}) => id === taskId))
    throw new CoordinatorError('notFound', `${file} has no task "${taskId}"`);
  return withClient(options, io, silentLogger, async client => {
    const whole = await client.request('mcpx.distribute.plan', {plan}, {retry: true});
    const isMeant = (one: {readonly taskId: string}): boolean =>
      taskId === undefined || one.taskId === taskId;
    const found = {
      ...whole,
      assignments: whole.assignments.filter(isMeant),
      unplaced: whole.unplaced.filter(isMeant),
    };
    answer(
      io,
      options,
      found,
      distributionText(found)
        .map(line => `${line}\n`)
        .join(''),
    );
    return EXIT.ok;
  });
}

function explain(taskId: string | undefined, options: Options, io: CommandIo): Promise<number> {
  if (taskId === undefined) throw new CoordinatorError('config', 'name a task, or a plan with --plan');
  return withClient(options, io, silentLogger, async client => {
    const session = await requireSession(client, options.session);
    const rows = await snapshotRows(client, {view: 'session', sessionId: session.id});
    const found = placementsOf(rows, taskId);
    if (!found) throw new CoordinatorError('notFound', `session ${session.id} has no task "${taskId}"`);
    const {task, placements} = found;
    const decisions = placements.map(({attempt: {id, agentId, placement, backupOf}, text}) => ({
      attempt: id,
      agent: agentId,
      decision: placement,
      backupOf,
      text,
    }));
    const waits = task.waitingFor === undefined ? [] : [`${taskId} waits: ${task.waitingFor.message}\n`];
    const reused = task.cached ? [`${taskId} was not done: its result is ${cachedText(task.cached)}.\n`] : [];
    const parts = decisions.map(
      ({attempt, text}) => `${attempt}\n${text.map(line => `  ${line}\n`).join('')}`,
    );
    const none = parts.length + waits.length + reused.length === 0 ? [`${taskId} was not placed yet.\n`] : [];
    const {waitingFor, cached} = task;
    const result = {session: session.id, task: taskId, waitingFor, cached, decisions};
    answer(io, options, result, [...reused, ...parts, ...waits, ...none].join(''));
    return EXIT.ok;
  });
}
