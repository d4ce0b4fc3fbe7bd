/** How a running attempt asks for tasks of others, under its fence: as its processes do at the agent's own door. */
import {createHash} from 'node:crypto';
import * as z from 'zod';
import {snapshotRows} from '../../client/snapshotRows.ts';
import {isProtocolError, ProtocolError} from '../../protocol/errors.ts';
import {DelegatedTask, delegatedTask} from '../../protocol/plan/delegatedTask.ts';
import type {Plan, TaskSpecification} from '../../protocol/plan/plan.ts';
import type {AttemptGrant} from '../../security/principal.ts';
import type {ToolContext} from './hubTool.ts';
import {sessionRows} from './views.ts';

/** The plan that a session's record names. */
export type ReadPlan = (sha256: string) => Promise<Plan>;

/** Numbers from here on stand for keys: smaller ones are given one after the other. */
const KEYED_FROM = 1000;
const KEYED_NUMBERS = 9_000_000;
const MAX_TRIES = 5;

const Taken = z.looseObject({next: z.number().int().positive()});

/** Errors: `invalidParams`, `forbidden`, `staleFence`, `conflict` (other words under this key). */
export async function delegateForAttempt(
  context: ToolContext,
  attempt: AttemptGrant,
  words: Record<string, unknown>,
  key: string | undefined,
  readPlan: ReadPlan,
): Promise<{sessionId: string; taskId: string}> {
  const {sessionId} = attempt;
  const asked = DelegatedTask.safeParse(defined(words));
  if (!asked.success) throw new ProtocolError('invalidParams', z.prettifyError(asked.error));
  const own = await ownTask(context, attempt, readPlan);
  const task = delegatedTask(asked.data, own.spec);
  if (key !== undefined) return {sessionId, taskId: await split(context, attempt, numberFor(key), task)};
  let first = own.next;
  for (let tries = MAX_TRIES; ; tries--) {
    try {
      return {sessionId, taskId: await split(context, attempt, first, task)};
    } catch (error) {
      const free = isProtocolError(error, 'conflict') ? Taken.safeParse(error.data).data?.next : undefined;
      if (free === undefined || tries === 0) throw error;
      first = free;
    }
  }
}

async function split(
  {actor}: ToolContext,
  {attemptId, fence}: AttemptGrant,
  first: number,
  task: TaskSpecification,
): Promise<string> {
  const {taskIds} = await actor.request(
    'mcpx.distribute.task.split',
    {attemptId, fence, split: {kind: 'tasks', first, tasks: [task]}},
    {retry: true},
  );
  const [taskId] = taskIds;
  if (taskId === undefined) throw new ProtocolError('internal', 'the coordinator added no task');
  return taskId;
}

async function ownTask(
  {actor, clock}: ToolContext,
  {sessionId, taskId}: AttemptGrant,
  readPlan: ReadPlan,
): Promise<{readonly spec: TaskSpecification; readonly next: number}> {
  const rows = sessionRows(await snapshotRows(actor.client, {view: 'session', sessionId}, clock));
  const plan = rows.session && (await readPlan(rows.session.plan));
  const spec = plan?.tasks.find(({id}) => id === taskId);
  if (!plan || !spec)
    throw new ProtocolError(
      'notAvailable',
      `task ${taskId} is not one of the plan: it cannot ask for others`,
    );
  const children = plan.tasks.flatMap(({parent}) => (parent?.taskId === taskId ? [parent.index] : []));
  return {spec, next: Math.max(0, ...children) + 1};
}

/** The same for every attempt of the task. */
function numberFor(key: string): number {
  return KEYED_FROM + (createHash('sha256').update(key).digest().readUInt32BE(0) % KEYED_NUMBERS);
}

function defined(words: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined));
}
