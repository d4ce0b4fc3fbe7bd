/** `mcpx sessions retry, reassign, rerun-gates, waive, add-tasks`: what a person does to single tasks of a session. */
import type {Command} from 'commander';
import {silentLogger} from '../../observability/logger.ts';
import {MAX_ADDED_TASKS, type SessionControl} from '../../protocol/commands/session.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../protocol/model/session.ts';
import type {PlanFile} from '../../protocol/plan/schema.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {type ConnectOptions, withClient} from '../local/connect.ts';
import {connectOptions} from '../local/options.ts';
import {loadPlan} from '../plan.ts';
import {planOf} from './sessionPlan.ts';
import {requireSession} from './sessionRows.ts';

type Options = ConnectOptions & JsonOption;

export function addTaskVerbs(sessions: Command, io: CommandIo, done: (exit: number) => void): void {
  const verb = (name: string, description: string): Command =>
    jsonOption(connectOptions(sessions.command(name).description(description)));

  verb(
    'retry <session> <task>',
    'Gives a failed, cancelled or waiting task a fresh start, with what it held back.',
  )
    .option('--note <text>', 'for Claude Code, from the next attempt on')
    .action(async (id: string, taskId: string, options: Options & {note?: string}) =>
      done(await control(id, {kind: 'retryTask', taskId, note: options.note}, options, io, 'starts afresh')),
    );

  verb(
    'reassign <session> <task>',
    'Ends its attempt, at no cost to its retries, and runs it on another agent.',
  )
    .option('--agent <id>', 'the agent that is to get it, for which it waits; default: any other')
    .action(async (id: string, taskId: string, options: Options & {agent?: string}) => {
      const {agent: agentId} = options;
      const where = agentId === undefined ? 'another agent' : `agent ${agentId}`;
      done(await control(id, {kind: 'reassignTask', taskId, agentId}, options, io, `goes to ${where}`));
    });

  verb(
    'rerun-gates <session> <task>',
    'Runs the gates of a task that failed by them once more, in its kept worktree.',
  ).action(async (id: string, taskId: string, options: Options) =>
    done(await control(id, {kind: 'rerunGates', taskId}, options, io, 'its gates run again')),
  );

  verb(
    'waive <session> <task>',
    'Takes its result although a gate failed or does not end; who did so and why is kept.',
  )
    .requiredOption('--reason <text>', 'why the result is good enough')
    .option('--gate <name>', 'this gate only; default: all that have not passed')
    .action(async (id: string, taskId: string, options: Options & {reason: string; gate?: string}) => {
      const {reason, gate} = options;
      done(await control(id, {kind: 'waiveGate', taskId, gate, reason}, options, io, 'the gate is waived'));
    });

  verb(
    'add-tasks <session> <file>',
    'Adds the tasks of a plan file to a session that runs; they may depend on tasks that it has.',
  ).action(async (id: string, file: string, options: Options) => done(await addTasks(id, file, options, io)));
}

/** What a plan says beside its tasks is the session's already. */
const OF_THE_SESSION = [
  'workspace',
  'agents',
  'mode',
  'strategy',
  'budgetUsd',
  'gates',
  'merge',
] as const satisfies readonly (keyof PlanFile)[];

function addTasks(id: string, file: string, options: Options, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async (client, target) => {
    const session = await requireSession(client, id);
    const plan = await planOf(session, target);
    if (!plan)
      throw new CoordinatorError('notFound', `the coordinator has the plan of ${session.id} no more`);
    const loaded = await loadPlan(file, io, plan);
    if (!loaded) throw new CoordinatorError('config', `${file} has mistakes: nothing was added`);
    const key = OF_THE_SESSION.find(name => loaded.file[name] !== undefined);
    if (key !== undefined)
      throw new CoordinatorError(
        'config',
        `"${key}" is the session's and cannot be changed by adding tasks`,
        {
          hint: `Take it out of ${file}: name, defaults, env, secrets and tasks are what is looked at. Nothing was added.`,
        },
      );
    const {tasks} = loaded.plan;
    if (tasks.length > MAX_ADDED_TASKS)
      throw new CoordinatorError('limit', `at most ${MAX_ADDED_TASKS} tasks are added at once`);
    await client.request(
      'mcpx.session.control',
      {sessionId: session.id, action: {kind: 'addTasks', tasks}},
      {retry: true},
    );
    const added = tasks.length === 1 ? '1 task' : `${tasks.length} tasks`;
    answer(
      io,
      options,
      {session: session.id, added: tasks.map(task => task.id)},
      `${session.id}: ${added} added\n`,
    );
    return EXIT.ok;
  });
}

function control(
  id: string,
  action: SessionControl['action'] & {readonly taskId: string},
  options: Options,
  io: CommandIo,
  done: string,
): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const before = await requireSession(client, id);
    const {session} = await client.request('mcpx.session.control', {sessionId: before.id, action});
    const {taskId: task, kind} = action;
    answer(
      io,
      options,
      {session: session.id, task, action: kind, state: session.state},
      `${session.id}/${task}: ${done}\n`,
    );
    if (runsAgain(before, session)) io.stderr(`The session runs again: mcpx sessions show ${session.id}\n`);
    return EXIT.ok;
  });
}

function runsAgain(before: SessionRecord, after: SessionRecord): boolean {
  return FINAL_SESSION_STATES.has(before.state) && !FINAL_SESSION_STATES.has(after.state);
}
