/** Tools for one task or several: give it to somebody, wait for it, read what it left, steer it. */
import * as z from 'zod';
import {snapshotRows} from '../../client/snapshotRows.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {AgentId, SessionId, TaskId, USER_TASK_ID} from '../../protocol/ids.ts';
import {FINAL_SESSION_STATES} from '../../protocol/model/session.ts';
import {FINAL_TASK_STATES, MAX_NOTE_CHARS, type TaskRecord, TaskState} from '../../protocol/model/task.ts';
import type {TranscriptEvent} from '../../protocol/transcript.ts';
import {newId} from '../../runtime/random.ts';
import {type Actor, sessionOf} from './actor.ts';
import {delegateForAttempt, type ReadPlan} from './attemptDelegation.ts';
import {type HubTool, hubTool, type ToolContext} from './hubTool.ts';
import {idFor, key, onWorkspace, planFrom, sessionIdFor, tasksOf, work, workspace} from './planInput.ts';
import {requireSession} from './sessionTools.ts';
import {clip, type SessionRows, sessionRows, TaskInfo, taskInfo, taskLine} from './views.ts';
import {lookUntil, waitSeconds} from './waiting.ts';

const handles = {sessionId: SessionId.optional(), taskId: TaskId};

const taskDelegate = (readPlan: ReadPlan): HubTool =>
  hubTool({
    name: 'task_delegate',
    title: 'Delegate a task',
    description:
      'Gives one task to the fleet: to any agent that fits, or to the one that you name. With "sessionId" it joins that session, which must be open; otherwise it gets a session of its own. Returns at once with its handles: task_wait tells when it has ended, task_result what it left. Its result is a commit in the session, not a change in your checkout.',
    scope: 'both',
    input: z.object({
      key,
      sessionId: SessionId.optional().describe('An open session to add it to.'),
      taskId: z.string().regex(USER_TASK_ID).optional().describe('What others call it. Default: made up.'),
      ...work,
      agentId: AgentId.optional().describe('Only this agent may do it. Default: any that fits.'),
      dependsOn: z
        .array(TaskId)
        .max(1000)
        .optional()
        .describe('Tasks of the session that must have succeeded first.'),
      workspace,
      rehearsal: z.boolean().default(false).describe('For a session of its own: no model is called.'),
    }),
    output: z.object({sessionId: z.string(), taskId: z.string()}),
    async run({more = {}, ...input}, context) {
      const {actor, random} = context;
      const {title, prompt, run, agentId, dependsOn} = input;
      if ((prompt === undefined) === (run === undefined))
        throw new ProtocolError('invalidParams', 'prompt, run: a task has one of both');
      const words = {...more, title, prompt, run, ...onlyOn(agentId, more)};
      if (actor.attempt) {
        refuseForAttempt(input);
        return delegateForAttempt(context, actor.attempt, words, input.key, readPlan);
      }
      const taskId =
        input.taskId ??
        (input.key === undefined ? newId(random, 't') : idFor('t', actor.principal, ['task', input.key]));
      const task = {...words, id: taskId, dependsOn};
      const {sessionId} = input;
      if (sessionId === undefined) return startOne(context, input, task);
      if (input.workspace)
        throw new ProtocolError('invalidParams', 'workspace: the session that it joins has its own');
      const rows = await rowsOf(context, sessionId);
      const tasks = tasksOf([task], [...rows.tasks.keys()]);
      await actor.request('mcpx.session.control', {sessionId, action: {kind: 'addTasks', tasks}});
      return {sessionId, taskId};
    },
    say: ({sessionId, taskId}) => `Task ${taskId} of session ${sessionId} is given to the fleet.`,
  });

async function startOne(
  context: ToolContext,
  input: {key?: string; title?: string; workspace?: z.output<typeof workspace>; rehearsal: boolean},
  task: Record<string, unknown> & {readonly id: string},
): Promise<{sessionId: string; taskId: string}> {
  const {actor, random} = context;
  const known = input.workspace && (await requireSession(context, input.workspace.sessionId));
  const made = planFrom({name: input.title ?? 'delegated', tasks: [task]});
  const {plan, source} = onWorkspace(made, known, input.workspace?.at ?? 'start');
  const sessionId = sessionIdFor(actor.principal, input.key, random);
  const request = {sessionId, plan, workspace: source, rehearsal: input.rehearsal};
  await actor.request('mcpx.orchestrate.session.start', request, {retry: true});
  return {sessionId, taskId: task.id};
}

function onlyOn(agentId: string | undefined, more: Record<string, unknown>): Record<string, unknown> {
  if (agentId === undefined) return {};
  const others = Array.isArray(more['affinity']) ? more['affinity'] : [];
  return {affinity: [...others, {kind: 'agent', with: [agentId], strength: 'require'}]};
}

function refuseForAttempt(input: {taskId?: unknown; dependsOn?: unknown; workspace?: unknown}): void {
  for (const name of ['taskId', 'dependsOn', 'workspace'] as const)
    if (input[name] !== undefined)
      throw new ProtocolError(
        'invalidParams',
        `${name}: what an attempt asks for has its id from the coordinator, and begins with what the attempt's own task began with`,
      );
}

const taskWait = hubTool({
  name: 'task_wait',
  title: 'Wait for tasks',
  description:
    'Waits until all of these tasks have ended, or with "any" the first of them. That one failed is an answer. At the time limit it answers with how things are ("done": false): call it again to go on, at any coordinator of the cluster.',
  scope: 'both',
  readOnly: true,
  input: z.object({
    sessionId: SessionId.optional(),
    taskIds: z.array(TaskId).min(1).max(200),
    any: z.boolean().default(false),
    waitSeconds,
  }),
  output: z.object({done: z.boolean(), tasks: z.array(TaskInfo)}),
  async run({sessionId: named, taskIds, any, waitSeconds: seconds}, context) {
    const sessionId = sessionOf(context.actor, named);
    const looked = await lookUntil(context, {view: 'session', sessionId}, seconds, all => {
      const rows = sessionRows(all);
      const tasks = taskIds.map(id => taskInfo(existing(rows, sessionId, id), rows.attemptsOf(id)));
      const ended = tasks.filter(({state}) => FINAL_TASK_STATES.has(state)).length;
      const done = any ? ended > 0 : ended === tasks.length;
      return {done, value: {done, tasks}, message: `${ended} of ${tasks.length} tasks have ended`};
    });
    return looked.value;
  },
  say: ({done, tasks}) =>
    [...(done ? [] : ['Still at work; call task_wait again to go on.']), ...tasks.map(taskLine)].join('\n'),
});

const Output = z.object({
  kind: z.enum(['said', 'tool', 'output', 'notice']),
  text: z.string(),
});

const taskResult = hubTool({
  name: 'task_result',
  title: 'What a task left',
  description:
    'The result of a task: its summary, structured value and commit, which files it changed, its gates, why it failed, and the end of what its last attempt said and printed.',
  scope: 'both',
  readOnly: true,
  input: z.object({
    ...handles,
    events: z
      .number()
      .int()
      .min(0)
      .max(200)
      .default(20)
      .describe('So many events of the end of the transcript.'),
  }),
  output: z.object({
    task: TaskInfo,
    changed: z
      .object({paths: z.array(z.string()), truncated: z.boolean()})
      .optional()
      .describe('Paths against where the attempt began, as its agent saw them last.'),
    gates: z.array(z.object({gate: z.string(), passed: z.boolean(), output: z.string()})),
    transcript: z.array(Output),
    /** How a person gets the commit. */
    fetch: z.string().optional(),
  }),
  async run({sessionId: named, taskId, events}, context) {
    const sessionId = sessionOf(context.actor, named);
    const rows = await rowsOf(context, sessionId);
    const record = existing(rows, sessionId, taskId);
    const attempts = rows.attemptsOf(taskId);
    const task = taskInfo(record, attempts, 8192);
    const attempt = attempts.find(({id}) => id === task.attemptId);
    const transcript = attempt && events > 0 ? await lastEvents(context.actor, attempt.id, events) : [];
    return {
      task,
      changed: attempt?.paths && {paths: attempt.paths.names, truncated: attempt.paths.truncated},
      gates: (record.gates ?? []).map(({gate, passed, output}) => ({
        gate,
        passed,
        output: clip(output, 2000),
      })),
      transcript: transcript.flatMap(told),
      fetch: task.commit === undefined ? undefined : `mcpx sessions fetch ${sessionId}`,
    };
  },
  say: ({task, changed, transcript}) =>
    [
      taskLine(task),
      ...(changed ? [`Changed: ${changed.paths.join(', ') || 'nothing'}`] : []),
      ...(task.commit === undefined ? [] : [`Commit ${task.commit}`]),
      ...transcript.slice(-5).map(({kind, text}) => `${kind}: ${clip(text, 400)}`),
    ].join('\n'),
});

async function lastEvents({client}: Actor, attemptId: string, count: number): Promise<TranscriptEvent[]> {
  const read = (fromSeq: number, limit: number) =>
    client.request('mcpx.transcript.read', {attemptId, fromSeq, limit}, {retry: true});
  const {lastSeq} = await read(1, 1);
  return lastSeq === 0 ? [] : (await read(Math.max(1, lastSeq - count + 1), count)).events;
}

function told(event: TranscriptEvent): z.output<typeof Output>[] {
  switch (event.kind) {
    case 'text':
      return [{kind: 'said', text: clip(event.text, 4000)}];
    case 'toolCall':
      return [{kind: 'tool', text: clip(`${event.name} ${JSON.stringify(event.input)}`, 600)}];
    case 'toolResult':
      return [{kind: 'output', text: clip(event.text, 2000)}];
    case 'output':
      return [{kind: 'output', text: clip(event.text, 4000)}];
    case 'notice':
      return [{kind: 'notice', text: event.text}];
    case 'gap':
      return [{kind: 'notice', text: `${event.dropped} events were not kept`}];
    default:
      return [];
  }
}

const taskCancel = hubTool({
  name: 'task_cancel',
  title: 'Cancel a task',
  description:
    'Cancels a task, and with it what depends on it. What its attempt has done counts for nothing. For a whole session: session_end.',
  scope: 'client',
  destructive: true,
  idempotent: true,
  input: z.object({sessionId: SessionId, taskId: TaskId}),
  output: z.object({sessionId: z.string(), taskId: z.string(), state: TaskState}),
  run: (input, context) => steer(input, {kind: 'cancelTask', taskId: input.taskId}, context),
  say: ({taskId, state}) => `${taskId}: ${state}`,
});

const taskRetry = hubTool({
  name: 'task_retry',
  title: 'Retry a task',
  description:
    'A fresh start of a task that failed, was cancelled or waits for a person, with what was held back by it. "note" goes into its prompt from now on.',
  scope: 'client',
  input: z.object({
    sessionId: SessionId,
    taskId: TaskId,
    note: z.string().trim().min(1).max(MAX_NOTE_CHARS).optional(),
  }),
  output: z.object({sessionId: z.string(), taskId: z.string(), state: TaskState}),
  run: (input, context) => steer(input, {kind: 'retryTask', taskId: input.taskId, note: input.note}, context),
  say: ({taskId, state}) => `${taskId}: ${state}`,
});

type Steering = {kind: 'cancelTask'; taskId: string} | {kind: 'retryTask'; taskId: string; note?: string};

async function steer(
  {sessionId, taskId}: {sessionId: string; taskId: string},
  action: Steering,
  context: ToolContext,
): Promise<{sessionId: string; taskId: string; state: TaskRecord['state']}> {
  const before = existing(await rowsOf(context, sessionId), sessionId, taskId);
  if (action.kind === 'cancelTask' && FINAL_TASK_STATES.has(before.state))
    return {sessionId, taskId, state: before.state};
  await context.actor.request('mcpx.session.control', {sessionId, action});
  const after = existing(await rowsOf(context, sessionId), sessionId, taskId);
  return {sessionId, taskId, state: after.state};
}

const taskMessage = hubTool({
  name: 'task_message',
  title: 'Tell a running task something',
  description:
    'Sends a message to the Claude Code that works on a task, as a person would type it into its conversation. For words that should wait until the other side looks for them: mailbox_send.',
  scope: 'client',
  input: z.object({sessionId: SessionId, taskId: TaskId, text: z.string().min(1).max(65_536)}),
  output: z.object({attemptId: z.string(), taken: z.boolean(), message: z.string().optional()}),
  async run({sessionId, taskId, text}, context) {
    const rows = await rowsOf(context, sessionId);
    const {currentAttempt: attemptId, state} = existing(rows, sessionId, taskId);
    if (attemptId === undefined)
      throw new ProtocolError('conflict', `task ${taskId} is ${state}: no attempt of it runs`);
    const action = {kind: 'message', text} as const;
    const {done, message} = await context.actor.request('mcpx.attempt.control', {attemptId, action});
    return {attemptId, taken: done, message};
  },
  say: ({attemptId, taken, message}) =>
    taken
      ? `${attemptId} has it.`
      : `${attemptId} did not take it${message === undefined ? '.' : `: ${message}`}`,
});

async function rowsOf({actor, clock}: ToolContext, sessionId: string): Promise<SessionRows> {
  const rows = sessionRows(await snapshotRows(actor.client, {view: 'session', sessionId}, clock));
  if (!rows.session) throw new ProtocolError('notFound', `there is no session ${sessionId}`);
  return rows;
}

function existing({session, tasks}: SessionRows, sessionId: string, taskId: string): TaskRecord {
  const found = tasks.get(taskId);
  if (found) return found;
  if (!session) throw new ProtocolError('notFound', `there is no session ${sessionId}`);
  const ended = FINAL_SESSION_STATES.has(session.state) ? `, which is ${session.state}` : '';
  throw new ProtocolError('notFound', `session ${sessionId}${ended} has no task ${taskId}`);
}

export function taskTools(readPlan: ReadPlan): readonly HubTool[] {
  return [taskDelegate(readPlan), taskWait, taskResult, taskCancel, taskRetry, taskMessage];
}
