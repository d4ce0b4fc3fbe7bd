/** A session as its rows tell it, put in order for people: every other file here draws from this. Pure. */
import type {Row} from '../../protocol/commands/watch.ts';
import type {AgentRecord} from '../../protocol/model/agent.ts';
import type {AttemptRecord, RefusalRecord} from '../../protocol/model/attempt.ts';
import type {ApprovalRecord} from '../../protocol/model/facts.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import type {TaskRecord, TaskState} from '../../protocol/model/task.ts';
import {RESULT_TASK_ID} from '../../protocol/model/task.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import {attemptThatCounts} from './attemptThatCounts.ts';

export interface TaskReport {
  readonly record: TaskRecord;
  readonly title: string | undefined;
  /** What it waits for in the plan, by id; unfinished ones only. */
  readonly waitsFor: readonly string[];
  /** By number. */
  readonly attempts: readonly AttemptRecord[];
  /** The one that stands for the task. */
  readonly latest: AttemptRecord | undefined;
}

export interface SessionReport {
  readonly session: SessionRecord;
  /** In plan order; a merge that was added stands before the task that it is for, the merge of the result last. */
  readonly tasks: readonly TaskReport[];
  /** Those that wait for a person, oldest first. */
  readonly approvals: readonly ApprovalRecord[];
  /** Oldest first. */
  readonly refusals: readonly RefusalRecord[];
  readonly agents: readonly {readonly record: AgentRecord; readonly online: boolean}[];
}

/** Undefined while the session's own row is not there. Rows of other sessions are passed over. */
export function readSession(rows: Iterable<Row>, sessionId: string, plan?: Plan): SessionReport | undefined {
  let session: SessionRecord | undefined;
  const tasks: TaskRecord[] = [];
  const attempts = new Map<string, AttemptRecord[]>();
  /** By id: more than one view shows them. */
  const approvals = new Map<string, ApprovalRecord>();
  const refusals: RefusalRecord[] = [];
  const agents: {record: AgentRecord; online: boolean}[] = [];
  for (const row of rows) {
    if (row.kind === 'session' && row.session.id === sessionId) session = row.session;
    else if (row.kind === 'task' && row.task.sessionId === sessionId) tasks.push(row.task);
    else if (row.kind === 'attempt' && row.attempt.sessionId === sessionId) {
      const ofTask = attempts.get(row.attempt.taskId) ?? [];
      ofTask.push(row.attempt);
      attempts.set(row.attempt.taskId, ofTask);
    } else if (row.kind === 'approval' && row.approval.sessionId === sessionId) {
      if (row.approval.state.kind === 'waiting') approvals.set(row.approval.id, row.approval);
    } else if (row.kind === 'refusal' && row.refusal.attemptId.startsWith(`${sessionId}.`)) {
      refusals.push(row.refusal);
    } else if (row.kind === 'agent') agents.push({record: row.agent, online: row.online});
  }
  if (!session) return undefined;
  for (const ofTask of attempts.values()) ofTask.sort((a, b) => a.number - b.number);
  return {
    session,
    tasks: taskReports(tasks, attempts, plan),
    approvals: [...approvals.values()].sort((a, b) => a.askedAt - b.askedAt),
    refusals: refusals.sort((a, b) => a.at - b.at),
    agents: agents.sort((a, b) => compareText(a.record.instance.id, b.record.instance.id)),
  };
}

function taskReports(
  records: readonly TaskRecord[],
  attempts: ReadonlyMap<string, readonly AttemptRecord[]>,
  plan: Plan | undefined,
): TaskReport[] {
  const order = new Map(plan?.tasks.map((task, index) => [task.id, index]));
  const specifications = new Map(plan?.tasks.map(task => [task.id, task]));
  const succeeded = new Set(records.filter(({state}) => state === 'succeeded').map(({id}) => id));
  const byId = new Map(records.map(record => [record.id, record]));
  const parents = new Map(records.map(({id, parentTaskId = ''}) => [id, byId.get(parentTaskId)]));
  const rank = (record: TaskRecord): number => {
    if (record.id === RESULT_TASK_ID) return Number.POSITIVE_INFINITY;
    const parent = order.has(record.id) ? undefined : parents.get(record.id);
    // A part that came while it ran stands before what it is a part of.
    if (parent) return rank(parent) - PART_STEP;
    if (record.about) return (order.get(record.about.taskId) ?? order.size) + 0.25;
    if (record.mergeFor === undefined) return order.get(record.id) ?? order.size;
    return record.mergeFor === RESULT_TASK_ID ? order.size + 0.5 : (order.get(record.mergeFor) ?? 0) - 0.5;
  };
  return [...records]
    .sort((a, b) => (rank(a) === rank(b) ? compareText(a.id, b.id) : rank(a) - rank(b)))
    .map(record => {
      const ofTask = attempts.get(record.id) ?? [];
      const dependsOn = specifications.get(record.id)?.dependsOn ?? [];
      return {
        record,
        title: specifications.get(record.id)?.title ?? addedTitle(record),
        waitsFor: dependsOn.filter(id => !succeeded.has(id)),
        attempts: ofTask,
        latest: attemptThatCounts(record, ofTask),
      };
    });
}

/** Deeper than tasks are divided. */
const PART_STEP = 1 / 1024;

function addedTitle({id, mergeFor, parentTaskId, about, origin}: TaskRecord): string | undefined {
  if (parentTaskId !== undefined) return `part of ${parentTaskId}`;
  if (about !== undefined) return `${origin === 'undo' ? 'undoing' : 'review'} of ${about.taskId}`;
  if (mergeFor !== undefined) return `merge of the inputs of ${mergeFor}`;
  return id === RESULT_TASK_ID ? 'merge of the results' : undefined;
}

const ACTIVE: ReadonlySet<TaskState> = new Set(['assigned', 'running', 'verifying']);

export function isActive(state: TaskState): boolean {
  return ACTIVE.has(state);
}

/** Milliseconds of the task's latest attempt: so far, or altogether when it has ended. Undefined before one began. */
export function elapsedMs({latest}: TaskReport, wallNow: number): number | undefined {
  if (!latest) return undefined;
  return Math.max(0, (latest.endedAt ?? wallNow) - (latest.startedAt ?? latest.assignedAt));
}

/** From the first attempt's start to the task's end. */
export function taskDurationMs({record, attempts}: TaskReport): number | undefined {
  const [first] = attempts;
  const began = first?.startedAt ?? first?.assignedAt ?? record.startedAt;
  const ended = record.endedAt ?? attempts.at(-1)?.endedAt;
  return began === undefined || ended === undefined ? undefined : Math.max(0, ended - began);
}

/** From the session's start to its end, or to now. */
export function makespanMs({session}: SessionReport, wallNow: number): number {
  return Math.max(0, (session.endedAt ?? wallNow) - session.createdAt);
}

/** Without locale, so that every machine prints the same. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
