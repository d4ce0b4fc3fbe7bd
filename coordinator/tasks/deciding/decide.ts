/**
 * What is to be done about a task, from what is known of it and nothing else. The same question is asked after every change and after every
 * restart, so no step depends on having seen the event that caused it. Pure.
 */
import type {Failure, TaskRecord} from '../../protocol/model/task.ts';
import {mayBeReused} from '../../protocol/plan/reuse.ts';
import {mayRunTwice} from '../../protocol/plan/speculation.ts';
import {agentOf} from '../fleet/agentPresence.ts';
import {
  type AttemptNode,
  awaitedBy,
  isDoom,
  isFinalTask,
  isKeptOpen,
  type SessionNode,
  type TaskNode,
  taskSpentUsd,
} from '../fleet/fleet.ts';
import {spendsOnModel} from '../queue/readyQueue.ts';
import {backoffMs, FAILURE_HANDLING} from './failurePolicy.ts';
import {type Drop, ofTwo} from './ofTwo.ts';

export type Decision =
  | {readonly kind: 'none'}
  /** Offer it to the scheduler; a task that has an attempt still gets a replacement for it. */
  | {readonly kind: 'queue'}
  /** Ask whether an earlier task with identical inputs left a result. */
  | {readonly kind: 'lookUp'}
  /** Complete it from that result. */
  | {readonly kind: 'reuse'}
  /** Look again at this hub time. */
  | {readonly kind: 'sleep'; readonly until: number}
  | {readonly kind: 'verify'}
  | {readonly kind: 'accept'}
  | {readonly kind: 'retry'; readonly retry: Retry}
  /** Its attempt ends without anybody's fault; the task is ready again. */
  | {
      readonly kind: 'requeue';
      readonly outcome: 'cancelled' | 'lost';
      readonly notBefore?: number;
      readonly waitingFor?: TaskRecord['waitingFor'];
    }
  | {readonly kind: 'mergeInputs'; readonly failure: Failure}
  /** Its task was divided: the attempt makes way for the parts. */
  | {readonly kind: 'makeWay'}
  /** `undo`: it is rolled back then. */
  | {readonly kind: 'fail'; readonly failure: Failure; readonly undo?: true}
  | {readonly kind: 'cancel'; readonly failure: Failure}
  | {readonly kind: 'park'; readonly subject: 'losses' | 'onLost'; readonly message: string}
  /** A person answered: it is ready again, its losses forgotten. */
  | {readonly kind: 'unpark'}
  /** An agent that was given up came back: its losses are not counted. */
  | {readonly kind: 'refund'}
  | Drop;

export interface Retry {
  readonly failure: Failure;
  /** Whether it counts against `retry.max`. */
  readonly spends: boolean;
  /** Hub time in ms. */
  readonly notBefore: number;
  /** The machine was at fault. */
  readonly avoidAgent: boolean;
}

export interface DecisionContext {
  readonly hubNow: number;
  readonly lossGraceMs: number;
  readonly reportGraceMs: number;
  readonly rateLimitWaitMs: number;
  /** In [0, 1). */
  random(): number;
  /** Dollars that nobody was promised; undefined when nothing limits the session. */
  freeUsd(session: SessionNode): number | undefined;
  /** Nothing that costs money may run in this session now. */
  promptsStopped(session: SessionNode): boolean;
  /** A connected agent fits that the task does not avoid and that is not `agentId`. */
  hasOtherAgent(task: TaskNode, agentId: string): boolean;
}

const NONE: Decision = {kind: 'none'};
const STOPPED: Decision = {
  kind: 'requeue',
  outcome: 'cancelled',
  waitingFor: {kind: 'budget', message: 'stopped because the budget is spent'},
};
/** Lets the report of the limit, which pauses the account, come first. */
const SHORT_WAIT_MS = 1000;

export function decide(task: TaskNode, context: DecisionContext): Decision {
  const alone = ofOne(task, context);
  return task.backup ? ofTwo(task, alone, context) : alone;
}

function ofOne(task: TaskNode, context: DecisionContext): Decision {
  if (isFinalTask(task)) return NONE;
  if (task.wanted)
    return task.wanted.kind === 'cancelled' || task.wanted.kind === 'dependency'
      ? {kind: 'cancel', failure: task.wanted}
      : {kind: 'fail', failure: task.wanted};
  const ending = endingOf(task);
  if (ending) return ending;
  if (task.refunds > 0 && task.record.losses > 0) return {kind: 'refund'};
  return task.attempt ? ofAttempt(task, task.attempt, context) : ofWaiting(task, context);
}

function endingOf(task: TaskNode): Decision | undefined {
  const {record} = task.session;
  if (record.state !== 'ending') return undefined;
  if (isUndoing(task)) return undefined;
  if (record.endMode === 'drain' && task.attempt) return undefined;
  return {kind: 'cancel', failure: {kind: 'cancelled', message: 'the session was ended'}};
}

/** It undoes another task while its session is rolled back. */
function isUndoing({record, session}: TaskNode): boolean {
  return record.origin === 'undo' && session.record.endMode === 'rollback';
}

function ofWaiting(task: TaskNode, context: DecisionContext): Decision {
  const {record, session} = task;
  if (record.origin === 'result' && isKeptOpen(session)) return NONE;
  if (task.doomed > 0) return {kind: 'cancel', failure: doomOf(task)};
  if (task.missing > 0) return NONE;
  if (record.waitingFor?.kind === 'person') {
    if (task.answer === 'allow') return {kind: 'unpark'};
    if (task.answer === 'deny')
      return {
        kind: 'fail',
        failure: {kind: 'losses', message: `${record.waitingFor.message}; a person declined`},
      };
    return NONE;
  }
  const {budgetUsd} = task.spec;
  if (budgetUsd !== undefined && !record.recheck && taskSpentUsd(task) >= budgetUsd)
    return {kind: 'fail', failure: {kind: 'budget', message: `its budget of $${budgetUsd} is spent`}};
  if (session.record.state !== 'running' && !isUndoing(task)) return NONE;
  if (record.notBefore !== undefined && record.notBefore > context.hubNow)
    return {kind: 'sleep', until: record.notBefore};
  return ofReuse(task) ?? {kind: 'queue'};
}

/** Undefined when it has to be done. */
function ofReuse({spec, record, session, reuse}: TaskNode): Decision | undefined {
  if (record.recheck || session.record.noCache || !mayBeReused(spec)) return undefined;
  if (!reuse) return {kind: 'lookUp'};
  switch (reuse.kind) {
    case 'asking':
      return NONE;
    case 'found':
      return {kind: 'reuse'};
    case 'missed':
      return undefined;
  }
}

function doomOf(task: TaskNode): Failure {
  const names = awaitedBy(task)
    .filter(id => {
      const state = task.session.tasks.get(id)?.record.state;
      return state !== undefined && isDoom(state);
    })
    .slice(0, 5);
  return {kind: 'dependency', message: `did not succeed: ${names.join(', ')}`};
}

function ofAttempt(task: TaskNode, attempt: AttemptNode, context: DecisionContext): Decision {
  const {report, state} = attempt.record;
  if (task.spec.parts !== undefined && task.missing > 0) return {kind: 'makeWay'};
  if (state === 'reported' && report) {
    if (report.outcome === 'failed') return ofFailure(task, attempt, report.failure, context);
    if (report.outcome === 'cancelled')
      return {kind: 'requeue', outcome: 'cancelled', notBefore: context.hubNow + SHORT_WAIT_MS};
    return task.spec.gates.length > 0 ? {kind: 'verify'} : {kind: 'accept'};
  }
  if (state === 'verifying') {
    const verdict = attempt.verification?.verdict;
    if (verdict?.kind === 'passed') return {kind: 'accept'};
    if (verdict?.kind === 'failed') {
      const failure: Failure = {kind: 'gate', message: verdict.message};
      if (verdict.onFailure === 'retry') return ofFailure(task, attempt, failure, context);
      const isUndone = verdict.onFailure === 'rollback' && task.spec.rollback?.scope !== 'none';
      return isUndone ? {kind: 'fail', failure, undo: true} : {kind: 'fail', failure};
    }
  }
  // What is being verified is finished and paid: its gates cost nothing more.
  const spending = state === 'verifying' ? undefined : ofSpending(task, context);
  if (spending) return spending;
  const moved = ofWish(task, attempt);
  if (moved) return moved;
  if (attempt.rejected === 'refused') return {kind: 'requeue', outcome: 'cancelled'};
  if (attempt.rejected) return ofFailure(task, attempt, attempt.rejected, context);
  // What is judged elsewhere is safe in the store: nobody needs its agent now.
  if (state === 'verifying' && attempt.verification?.standsBy) return NONE;
  const {session} = task;
  const agent = agentOf(attempt);
  const isGone = attempt.verification?.isGone ?? false;
  const isLate = agent === 'reporting' && attempt.reportingMs >= context.reportGraceMs;
  if (agent === 'replaced' || isGone || isLate)
    return ofLoss(task, attempt, 'restarted', {kind: 'requeue', outcome: 'lost'});
  if (agent === 'left') return ofLoss(task, attempt, 'left', {kind: 'requeue', outcome: 'lost'});
  // A paused session creates no replacement, so the attempt stays current.
  if (agent === 'silent' && attempt.silentMs >= context.lossGraceMs && session.record.state !== 'paused')
    return ofLoss(
      task,
      attempt,
      'is silent',
      session.record.state === 'running' ? {kind: 'queue'} : {kind: 'requeue', outcome: 'lost'},
    );
  return state === 'verifying' ? {kind: 'verify'} : NONE;
}

/** An attempt that a person ended so that its task goes elsewhere. One whose work is done is past that. */
function ofWish({record: {wished}}: TaskNode, {record}: AttemptNode): Decision | undefined {
  const isWorking = record.state === 'assigned' || record.state === 'running';
  if (!wished || !isWorking || record.number > wished.after) return undefined;
  const waitingFor =
    wished.on === undefined
      ? undefined
      : ({kind: 'agent', message: `waits for agent ${wished.on}, where a person wants it`} as const);
  return {kind: 'requeue', outcome: 'cancelled', waitingFor};
}

/** An attempt that works on may have spent what there was. */
function ofSpending(task: TaskNode, context: DecisionContext): Decision | undefined {
  const {budgetUsd} = task.spec;
  if (budgetUsd !== undefined && taskSpentUsd(task) > budgetUsd)
    return {kind: 'fail', failure: {kind: 'budget', message: `its budget of $${budgetUsd} is spent`}};
  if (task.attempt?.rejected !== undefined) return undefined;
  if (!spendsOnModel(task) || !context.promptsStopped(task.session)) return undefined;
  return STOPPED;
}

function ofFailure(
  task: TaskNode,
  attempt: AttemptNode,
  failure: Failure,
  context: DecisionContext,
): Decision {
  const {retries, recheck} = task.record;
  const {retry} = task.spec;
  const fail: Decision = {kind: 'fail', failure};
  // A person asked for the gates and nothing else.
  if (recheck) return fail;
  const again: Decision = {
    kind: 'retry',
    retry: {
      failure,
      spends: true,
      notBefore: context.hubNow + backoffMs(retry, retries, context.random()),
      avoidAgent: false,
    },
  };
  switch (FAILURE_HANDLING[failure.kind]) {
    case 'budget':
      return ofAllotment(task, attempt, failure, context) ?? (retries < retry.max ? again : fail);
    case 'retry':
      return retries < retry.max ? again : fail;
    case 'elsewhere':
      if (context.hasOtherAgent(task, attempt.record.agentId))
        return {
          kind: 'retry',
          retry: {failure, spends: false, notBefore: context.hubNow, avoidAgent: true},
        };
      return retries < retry.max ? again : fail;
    case 'later': {
      const isNamed = attempt.agent.record?.instance.metadata.account !== undefined;
      const wait = isNamed ? SHORT_WAIT_MS : context.rateLimitWaitMs;
      return {
        kind: 'retry',
        retry: {failure, spends: false, notBefore: context.hubNow + wait, avoidAgent: false},
      };
    }
    case 'merge':
      if (mayMerge(task, failure)) return {kind: 'mergeInputs', failure};
      // The work was to resolve conflicts and left some: told so, it may do better.
      return failure.conflict === undefined && retries < retry.max ? again : fail;
    default:
      return fail;
  }
}

/** It ran out of what it was allotted. Undefined: more than that is there only at the cost of a retry. */
function ofAllotment(
  task: TaskNode,
  attempt: AttemptNode,
  failure: Failure,
  context: DecisionContext,
): Decision | undefined {
  const {budgetUsd: allotted, usage} = attempt.record;
  const own = task.spec.budgetUsd;
  const wasWhole =
    own !== undefined && allotted !== undefined && task.record.usage.costUsd + allotted > own - 1e-6;
  if (allotted === undefined || wasWhole) return {kind: 'fail', failure};
  if (context.promptsStopped(task.session)) return STOPPED;
  const again: Decision = {
    kind: 'retry',
    retry: {failure, spends: false, notBefore: context.hubNow, avoidAgent: false},
  };
  // Half was kept for a backup: now it may have the rest.
  const before = task.record.usage.costUsd;
  if (own !== undefined && mayRunTwice(task.spec) && allotted > (own - before) / 2 - 1e-6) return again;
  const free = (context.freeUsd(task.session) ?? 0) + Math.max(0, allotted - usage.costUsd);
  if (free < 2 * allotted) return undefined;
  return again;
}

function mayMerge(task: TaskNode, failure: Failure): boolean {
  return (
    task.session.plan.merge.onConflict === 'task' &&
    failure.conflict !== undefined &&
    task.record.origin !== 'merge' &&
    task.mergedBy === undefined
  );
}

function ofLoss(task: TaskNode, attempt: AttemptNode, how: string, rerun: Decision): Decision {
  const {spec, record} = task;
  const message = `agent ${attempt.record.agentId} ${how} while it ran ${spec.id}`;
  // Gates may run twice, whatever may be said of the work.
  const onLost = record.recheck ? 'rerun' : spec.onLost;
  if (onLost === 'fail') return {kind: 'fail', failure: {kind: 'losses', message}};
  if (onLost === 'ask') return {kind: 'park', subject: 'onLost', message: `${message}: run it again?`};
  if (record.losses >= spec.maxLosses)
    return {
      kind: 'park',
      subject: 'losses',
      message: `${message}; it was lost ${record.losses} times before: run it again?`,
    };
  return rerun;
}
