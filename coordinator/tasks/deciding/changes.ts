/** The records that a decision writes: old records in, new records out. Pure; transactions are made of them elsewhere. */
import {taskClassOf} from '../../balancing/taskClass.ts';
import type {GateEvidence} from '../../protocol/gate.ts';
import {attemptId} from '../../protocol/ids.ts';
import type {AttemptOutcome, AttemptRecord, BackupOf} from '../../protocol/model/attempt.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import type {Failure, TaskRecord} from '../../protocol/model/task.ts';
import {addUsage, NO_USAGE} from '../../protocol/usage.ts';
import type {AgentNode, AttemptNode, TaskNode} from '../fleet/fleet.ts';
import type {Now} from '../placing/scheduler.ts';
import {withLineage} from '../reuse/inputKey.ts';
import type {Reusable} from '../reuse/reuse.ts';
import {attemptTransition} from './attemptMachine.ts';
import type {Decision, Retry} from './decide.ts';
import {boundedEvidence} from './evidence.ts';
import type {Drop} from './ofTwo.ts';
import {type TaskTransition, taskTransition} from './taskMachine.ts';

/** What becomes of a task and of its current attempt. `ended` is absent when there was none. */
export interface Change {
  readonly task: TaskRecord;
  readonly ended?: AttemptRecord;
}

const NOTHING_AHEAD = {
  currentAttempt: undefined,
  backupAttempt: undefined,
  notBefore: undefined,
  waitingFor: undefined,
} satisfies Partial<TaskRecord>;

/** What a person asked of the next attempt, when there is none. */
export const NOTHING_ASKED = {
  wished: undefined,
  recheck: undefined,
  waived: undefined,
} satisfies Partial<TaskRecord>;

/** Who places it. */
interface Assigner {
  readonly coordinator: string;
  readonly principal: string;
}

/** The task and its new attempt on `agent`; a current attempt that it replaces ends as lost. */
export function assigned(
  task: TaskNode,
  agent: AgentNode,
  placement: AttemptRecord['placement'],
  by: Assigner,
  budgetUsd: number | undefined,
  now: Now,
): Change & {readonly attempt: AttemptRecord} {
  const attempt = newAttempt(task, agent, placement, by, budgetUsd, now);
  const lost = task.attempt && endAttempt(task.attempt, 'lost', now.wall);
  const freed = task.attempt
    ? closing(task, task.attempt, 'requeue', {losses: task.record.losses + 1})
    : task.record;
  const ready = freed.state === 'pending' ? taskTransition(freed, 'release') : freed;
  const record = taskTransition(ready, 'assign', {
    ...NOTHING_AHEAD,
    principal: by.principal,
    attempts: attempt.number,
    currentAttempt: attempt.id,
    readyAt: ready.readyAt ?? (task.readyAt || now.wall),
    startedAt: ready.startedAt ?? now.wall,
    endedAt: undefined,
    failure: undefined,
    cached: undefined,
  });
  return lost ? {task: record, attempt, ended: lost} : {task: record, attempt};
}

/** The task and a second attempt on `agent`, beside its current one, whose record names it. */
export function doubled(
  task: TaskNode,
  current: AttemptNode,
  agent: AgentNode,
  {placement, beside}: {readonly placement: AttemptRecord['placement']; readonly beside: BackupOf},
  by: Assigner,
  budgetUsd: number | undefined,
  now: Now,
): Change & {readonly attempt: AttemptRecord; readonly current: AttemptRecord} {
  const attempt: AttemptRecord = {
    ...newAttempt(task, agent, placement, by, budgetUsd, now),
    backupOf: {
      attemptId: beside.attemptId,
      elapsedMs: Math.max(0, Math.round(beside.elapsedMs)),
      expectedMs: Math.round(beside.expectedMs),
      leftMs: Math.max(0, Math.round(beside.leftMs)),
    },
    backup: true,
  };
  return {
    task: {...task.record, principal: by.principal, attempts: attempt.number, backupAttempt: attempt.id},
    attempt,
    current: {...current.record, rival: attempt.id},
  };
}

/** One of both attempts ends, and the other, in its new state if that differs, is the task's only one. Nothing is spent of retries and losses. */
export function dropped(
  task: TaskNode,
  other: AttemptNode,
  {attempt, outcome, failure}: Drop,
  now: Now,
): Change & {readonly other: AttemptRecord | undefined} {
  const isPromoted = other === task.backup;
  const runs = isPromoted && task.record.state === 'assigned' && other.record.state !== 'assigned';
  const record = runs ? taskTransition(task.record, 'start') : task.record;
  return {
    task: {
      ...record,
      currentAttempt: other.record.id,
      backupAttempt: undefined,
      usage: addUsage(task.record.usage, attempt.record.usage),
    },
    ended: endAttempt(attempt, outcome, now.wall, {failure}),
    other: withoutOther(other.record, isPromoted, outcome),
  };
}

/** What the end of the other one changes in its record, if anything. */
function withoutOther(
  record: AttemptRecord,
  isPromoted: boolean,
  outcome: Drop['outcome'],
): AttemptRecord | undefined {
  if (isPromoted) return record.backup ? {...record, backup: undefined} : undefined;
  // Where the work of its backup did not fail, there may be another.
  return outcome === 'failed' || record.report ? undefined : {...record, rival: undefined};
}

/** The attempt by which the task came to where it is. It has had one. */
export function lastAttemptId({sessionId, id, attempts, lastAttempt}: TaskRecord): string {
  return lastAttempt ?? attemptId(sessionId, id, attempts);
}

export function nextAttemptId({session, spec, record}: TaskNode): string {
  return attemptId(session.id, spec.id, record.attempts + 1);
}

export function started(task: TaskNode, attempt: AttemptNode, now: Now): Change & {attempt: AttemptRecord} {
  return {
    // The other one of two may run already, and it is the current one that says what state the task is in.
    task:
      task.attempt === attempt && task.record.state === 'assigned'
        ? taskTransition(task.record, 'start', {wished: undefined})
        : task.record,
    attempt: attemptTransition(attempt.record, 'start', {
      startedAt: now.wall,
      ...(attempt.worktree && {worktree: attempt.worktree}),
    }),
  };
}

export function verifying(task: TaskNode, attempt: AttemptNode): Change & {attempt: AttemptRecord} {
  return {
    task:
      task.record.state === 'verifying'
        ? task.record
        : taskTransition(task.record, 'verify', {wished: undefined}),
    attempt: attemptTransition(attempt.record, 'verify'),
  };
}

export function accepted(task: TaskNode, attempt: AttemptNode, now: Now): Change {
  const {report} = attempt.record;
  const left = report?.outcome === 'succeeded' ? {...report.result, borrowed: undefined} : undefined;
  const result = withLineage(task, left);
  const gates = evidenceOf(attempt);
  return {
    task: closing(task, attempt, 'succeed', {
      ...NOTHING_AHEAD,
      ...NOTHING_ASKED,
      result,
      gates,
      failure: undefined,
      endedAt: now.wall,
    }),
    ended: endAttempt(attempt, 'succeeded', now.wall, {gates}),
  };
}

/** Without an attempt: what an earlier task left that had the same inputs. */
export function reused(
  task: TaskNode,
  {result, gates, reused}: Reusable,
  principal: string,
  now: Now,
): Change {
  const {record} = task;
  const ready = record.state === 'pending' ? taskTransition(record, 'release') : record;
  return {
    task: taskTransition(ready, 'reuse', {
      ...NOTHING_AHEAD,
      ...NOTHING_ASKED,
      principal,
      result: withLineage(task, result),
      cached: reused,
      gates,
      failure: undefined,
      lastAttempt: undefined,
      readyAt: ready.readyAt ?? now.wall,
      startedAt: ready.startedAt ?? now.wall,
      endedAt: now.wall,
    }),
  };
}

export function retried(task: TaskNode, attempt: AttemptNode, retry: Retry, now: Now): Change {
  const gates = evidenceOf(attempt);
  const {failure, spends, notBefore} = retry;
  return {
    task: closing(task, attempt, 'requeue', {
      ...NOTHING_AHEAD,
      wished: undefined,
      gates: gates ?? task.record.gates,
      retries: task.record.retries + (spends ? 1 : 0),
      notBefore,
      waitingFor: {
        kind: failure.kind === 'rateLimit' ? 'rateLimit' : 'backoff',
        message: `${failure.kind}: ${failure.message}`.slice(0, 2048),
      },
      readyAt: now.wall,
    }),
    ended: endAttempt(attempt, 'failed', now.wall, {gates, failure}),
  };
}

/** Back to ready without a failure: the attempt was cancelled or lost. */
export function requeued(
  task: TaskNode,
  attempt: AttemptNode,
  decision: Extract<Decision, {kind: 'requeue'}>,
  now: Now,
): Change {
  const {outcome, notBefore, waitingFor} = decision;
  return {
    task: closing(task, attempt, 'requeue', {
      ...NOTHING_AHEAD,
      losses: task.record.losses + (outcome === 'lost' ? 1 : 0),
      notBefore,
      waitingFor,
      readyAt: now.wall,
    }),
    ended: endAttempt(attempt, outcome, now.wall),
  };
}

/** The task ends without success, and its attempt with it. */
export function finished(
  task: TaskNode,
  how: 'fail' | 'cancel',
  failure: Failure,
  now: Now,
  more: Pick<Partial<TaskRecord>, 'undo'> = {},
): Change {
  const {attempt} = task;
  const patch = {
    ...more,
    ...NOTHING_AHEAD,
    ...NOTHING_ASKED,
    failure,
    endedAt: now.wall,
  } satisfies Partial<TaskRecord>;
  if (!attempt) return {task: taskTransition(task.record, how, patch)};
  const gates = evidenceOf(attempt);
  const outcome = outcomeOf(how, failure);
  return {
    task: closing(task, attempt, how, {...patch, gates: gates ?? task.record.gates}),
    ended: endAttempt(attempt, outcome, now.wall, {
      gates,
      failure: outcome === 'failed' ? failure : undefined,
    }),
  };
}

/** Ready, but for a person to decide. */
export function parked(task: TaskNode, attempt: AttemptNode, message: string, now: Now): Change {
  return {
    task: closing(task, attempt, 'requeue', {
      ...NOTHING_AHEAD,
      readyAt: now.wall,
      waitingFor: {kind: 'person', message: message.slice(0, 2048)},
    }),
    ended: endAttempt(attempt, 'lost', now.wall),
  };
}

/** Waits for the merge of its inputs; that it conflicted stays in the attempt. */
export function blocked(task: TaskNode, attempt: AttemptNode, failure: Failure, now: Now): Change {
  return {
    task: closing(task, attempt, 'block', NOTHING_AHEAD),
    ended: endAttempt(attempt, 'failed', now.wall, {failure}),
  };
}

/** Waits for the parts that it was divided into. */
export function madeWay(task: TaskNode, attempt: AttemptNode, now: Now): Change {
  return {
    task: closing(task, attempt, 'block', NOTHING_AHEAD),
    ended: endAttempt(attempt, 'cancelled', now.wall),
  };
}

function newAttempt(
  task: TaskNode,
  agent: AgentNode,
  placement: AttemptRecord['placement'],
  {coordinator, principal}: Assigner,
  budgetUsd: number | undefined,
  now: Now,
): AttemptRecord {
  return {
    v: RECORD_VERSION,
    principal,
    id: nextAttemptId(task),
    sessionId: task.session.id,
    taskId: task.spec.id,
    number: task.record.attempts + 1,
    agentId: agent.id,
    agentIncarnation: agent.live?.value.incarnation ?? '',
    coordinator,
    state: 'assigned',
    assignedAt: now.wall,
    placement,
    taskClass: taskClassOf(task.spec),
    recheckOf: task.record.recheck?.attemptId,
    gated: task.spec.gates.length > 0,
    usage: NO_USAGE,
    budgetUsd,
    refused: 0,
  };
}

function closing(
  task: TaskNode,
  attempt: AttemptNode,
  transition: TaskTransition,
  patch: Partial<TaskRecord>,
): TaskRecord {
  return taskTransition(task.record, transition, {
    currentAttempt: undefined,
    backupAttempt: undefined,
    lastAttempt: attempt.record.id,
    waived: undefined,
    ...patch,
    usage: addUsage(task.record.usage, attempt.record.usage),
  });
}

/** Its report stays, so that an agent which never heard of the acceptance is told again. */
function endAttempt(
  attempt: AttemptNode,
  outcome: AttemptOutcome,
  wallNow: number,
  patch: Partial<AttemptRecord> = {},
): AttemptRecord {
  return attemptTransition(attempt.record, 'end', {
    endedAt: attempt.record.endedAt ?? wallNow,
    unreachableSince: undefined,
    ...patch,
    ...(attempt.trimmed === 'report' ? {report: undefined} : {}),
    outcome,
  });
}

function outcomeOf(how: 'fail' | 'cancel', failure: Failure): AttemptOutcome {
  if (how === 'cancel') return 'cancelled';
  return failure.kind === 'losses' ? 'lost' : 'failed';
}

function evidenceOf(attempt: AttemptNode): GateEvidence[] | undefined {
  const verdict = attempt.verification?.verdict;
  return verdict && !attempt.trimmed ? boundedEvidence(verdict.evidence) : undefined;
}
