/** Tools that start sessions, follow them and end them. */
import {createHash} from 'node:crypto';
import * as z from 'zod';
import {snapshotRows} from '../../client/snapshotRows.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {SessionId} from '../../protocol/ids.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../protocol/model/session.ts';
import {sessionOf} from './actor.ts';
import {type HubTool, hubTool, type ToolContext} from './hubTool.ts';
import {key, onWorkspace, planFrom, sessionIdFor, work, workspace} from './planInput.ts';
import {
  SessionInfo,
  type SessionRows,
  sessionInfo,
  sessionLine,
  sessionRows,
  TaskInfo,
  taskInfos,
  taskLine,
} from './views.ts';
import {lookUntil, waitSeconds} from './waiting.ts';

const START_TIMEOUT_MS = 120_000;
const MAX_TASKS_TOLD = 200;

const Task = z
  .looseObject({
    id: z.string().describe('Letters, digits, "_" and "-".'),
    title: work.title,
    prompt: work.prompt,
    run: work.run,
    dependsOn: z
      .array(z.string())
      .optional()
      .describe('Tasks that must have succeeded: this one begins with the merge of their results.'),
  })
  .describe('A task as in a plan file; every key of one may stand here.');

const sessionStart = hubTool({
  name: 'session_start',
  title: 'Start a session',
  description:
    'Starts a session: the tasks of a plan, placed on agents as they become ready, their results merged at the end. Give either the text of a plan file or tasks. With "open" tasks may be added (task_delegate) until session_end. Returns at once: follow it with session_wait.',
  scope: 'client',
  input: z.object({
    key,
    plan: z.string().max(262_144).optional().describe('Text of a plan file (*.mcpx.yaml or JSON).'),
    name: z.string().min(1).max(256).optional().describe('Without "plan": what it is called.'),
    tasks: z.array(Task).max(1000).optional().describe('Without "plan".'),
    budgetUsd: z.number().positive().optional().describe('Without "plan": it stops spending there.'),
    workspace,
    open: z.boolean().optional().describe('Default: when there are no tasks.'),
    keep: z.boolean().default(false).describe('Keeps the worktrees of its attempts.'),
    rehearsal: z
      .boolean()
      .default(false)
      .describe('No model is called: agents that rehearse play their script.'),
  }),
  output: z.object({session: SessionInfo, created: z.boolean()}),
  async run({key: named, workspace: place, open, keep, rehearsal, ...words}, context) {
    const {actor, random} = context;
    const made = planFrom(words);
    const known = place && (await requireSession(context, place.sessionId));
    const {plan, source} = onWorkspace(made, known, place?.at ?? 'start');
    const {session, created} = await actor.request(
      'mcpx.orchestrate.session.start',
      {
        sessionId: sessionIdFor(actor.principal, named, random),
        plan,
        workspace: source,
        keep,
        rehearsal,
        open: open ?? plan.tasks.length === 0,
      },
      {retry: true, timeoutMs: START_TIMEOUT_MS},
    );
    return {session: sessionInfo(session), created};
  },
  say: ({session, created}) => `${created ? 'Started' : 'It was started before:'} ${sessionLine(session)}`,
});

const sessionsList = hubTool({
  name: 'sessions_list',
  title: 'Sessions',
  description: 'Lists sessions, the newest first.',
  scope: 'client',
  readOnly: true,
  input: z.object({
    unfinished: z.boolean().default(false).describe('Only those that have not ended.'),
    limit: z.number().int().min(1).max(200).default(30),
  }),
  output: z.object({sessions: z.array(SessionInfo), more: z.number()}),
  async run({unfinished, limit}, {actor, clock}) {
    const rows = await snapshotRows(actor.client, {view: 'sessions'}, clock);
    const all = rows
      .flatMap(row => (row.kind === 'session' ? [row.session] : []))
      .filter(({state}) => !unfinished || !FINAL_SESSION_STATES.has(state))
      .sort((a, b) => b.createdAt - a.createdAt);
    return {sessions: all.slice(0, limit).map(sessionInfo), more: Math.max(0, all.length - limit)};
  },
  say: ({sessions, more}) =>
    sessions.length === 0
      ? 'There are no sessions.'
      : [...sessions.map(sessionLine), ...(more > 0 ? [`and ${more} more`] : [])].join('\n'),
});

const SessionState = z.object({
  session: SessionInfo,
  tasks: z.array(TaskInfo),
  moreTasks: z.number().describe('Tasks that are not in the list.'),
  seen: z.string().describe('Stands for these states: give it to session_wait to hear of the next change.'),
});

const sessionGet = hubTool({
  name: 'session_get',
  title: 'A session and its tasks',
  description: 'Says how a session and each of its tasks are now.',
  scope: 'both',
  readOnly: true,
  input: z.object({sessionId: SessionId.optional()}),
  output: SessionState,
  async run({sessionId: named}, context) {
    const sessionId = sessionOf(context.actor, named);
    const rows = sessionRows(
      await snapshotRows(context.actor.client, {view: 'session', sessionId}, context.clock),
    );
    return stateOf(rows, existing(rows, sessionId));
  },
  say: sayState,
});

const sessionWait = hubTool({
  name: 'session_wait',
  title: 'Wait for a session',
  description:
    'Waits until the session has ended, or, with "seen", until something in it has changed. At the time limit it answers with how things are ("done": false): call it again to go on, at any coordinator of the cluster.',
  scope: 'client',
  readOnly: true,
  input: z.object({
    sessionId: SessionId,
    seen: z.string().max(64).optional().describe('That of an earlier answer.'),
    waitSeconds,
  }),
  output: SessionState.extend({done: z.boolean().describe('The session has ended.')}),
  async run({sessionId, seen, waitSeconds: seconds}, context) {
    const looked = await lookUntil(context, {view: 'session', sessionId}, seconds, all => {
      const rows = sessionRows(all);
      const session = existing(rows, sessionId);
      const ended = FINAL_SESSION_STATES.has(session.state);
      const state = stateOf(rows, session);
      return {
        done: ended || (seen !== undefined && seen !== state.seen),
        value: {...state, done: ended},
        message: sessionLine(state.session),
      };
    });
    return looked.value;
  },
  say: sayState,
});

const sessionEnd = hubTool({
  name: 'session_end',
  title: 'End a session',
  description:
    'finish: no more tasks are added, those that are there come to their end and the results are merged. drain: what runs comes to its end, nothing new begins. cancel: what runs is stopped. rollback: cancel, then what was done is undone. Returns at once; session_wait says when it has ended.',
  scope: 'client',
  destructive: true,
  idempotent: true,
  input: z.object({
    sessionId: SessionId,
    mode: z.enum(['finish', 'drain', 'cancel', 'rollback']),
    reason: z.string().max(4096).optional(),
  }),
  output: z.object({session: SessionInfo}),
  async run({sessionId, mode, reason}, context) {
    const {actor} = context;
    const before = await requireSession(context, sessionId);
    if (FINAL_SESSION_STATES.has(before.state) && mode !== 'rollback') return {session: sessionInfo(before)};
    const {session} =
      mode === 'finish'
        ? await actor.request('mcpx.session.control', {sessionId, action: {kind: 'close'}})
        : await actor.request('mcpx.orchestrate.session.end', {sessionId, mode, reason});
    return {session: sessionInfo(session)};
  },
  say: ({session}) => sessionLine(session),
});

/** Rejects with `notFound`. */
export async function requireSession(
  {actor, clock}: Pick<ToolContext, 'actor' | 'clock'>,
  sessionId: string,
): Promise<SessionRecord> {
  const rows = await snapshotRows(actor.client, {view: 'session', sessionId}, clock);
  return existing(sessionRows(rows), sessionId);
}

function existing({session}: SessionRows, sessionId: string): SessionRecord {
  if (session) return session;
  throw new ProtocolError('notFound', `there is no session ${sessionId}`);
}

function stateOf(rows: SessionRows, session: SessionRecord): z.output<typeof SessionState> {
  const tasks = taskInfos(rows);
  const states = tasks.map(({taskId, state, attempts, waitingFor}) => [taskId, state, attempts, waitingFor]);
  const digest = createHash('sha256').update(JSON.stringify([session.state, states]));
  return {
    session: sessionInfo(session),
    tasks: tasks.slice(0, MAX_TASKS_TOLD),
    moreTasks: Math.max(0, tasks.length - MAX_TASKS_TOLD),
    seen: digest.digest('hex').slice(0, 16),
  };
}

function sayState({session, tasks, moreTasks}: z.output<typeof SessionState>): string {
  return [
    sessionLine(session),
    ...(session.failure === undefined ? [] : [session.failure]),
    ...tasks.map(taskLine),
    ...(moreTasks > 0 ? [`and ${moreTasks} more tasks`] : []),
  ].join('\n');
}

export const SESSION_TOOLS: readonly HubTool[] = [
  sessionStart,
  sessionsList,
  sessionGet,
  sessionWait,
  sessionEnd,
];
