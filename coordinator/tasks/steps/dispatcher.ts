/** Says to agents what the store already says: assignments until they are confirmed, cancellations and releases as well as may be. */
import type {TaskAssign} from '../../protocol/commands/attempt.ts';
import type {ParamsInput, Result} from '../../protocol/commands/table.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import type {AttemptRecord, WorktreePlace} from '../../protocol/model/attempt.ts';
import type {Failure} from '../../protocol/model/task.ts';
import {assert} from '../../runtime/assert.ts';
import {delay} from '../../runtime/clock.ts';
import {describeError} from '../../runtime/errors.ts';
import {agentOf} from '../fleet/agentPresence.ts';
import {type AttemptNode, needsOf, type SessionNode, type TaskNode} from '../fleet/fleet.ts';
import {assignedWorkspace, type ResultSources, resultOf} from '../results/bundles.ts';
import {nowOf, type Term} from '../term/term.ts';

export type RefusalReason = 'draining' | 'noSlot' | 'stopped';

export interface DeliveryOutcome {
  accepted(attempt: AttemptNode, worktree: WorktreePlace | undefined): void;
  refused(attempt: AttemptNode, reason: RefusalReason, message: string): void;
  /** The agent got it and can make nothing of it. */
  undeliverable(attempt: AttemptNode, failure: Failure): void;
}

export class Dispatcher {
  constructor(
    private readonly term: Term,
    private readonly outcome: DeliveryOutcome,
  ) {}

  /** Sends the assignment until the agent confirms it, the attempt ends or the term does. */
  assign(attempt: AttemptNode): void {
    this.deliver(attempt).catch((error: unknown) =>
      this.term.faulted('an assignment', error, attempt.task.session),
    );
  }

  /** The attempt is over in the store, and its task's record says what that means. `record` is the attempt's last state. */
  ended(attempt: AttemptNode, record: AttemptRecord): void {
    const agent = agentOf(attempt);
    if (agent !== 'online' && agent !== 'reporting') return;
    const byReport = record.report !== undefined;
    const message = record.failure?.message ?? `the attempt was ${record.outcome ?? 'ended'}`;
    const {session, spec, record: task} = attempt.task;
    const keep = session.record.keep || task.state === 'failed';
    if (!byReport)
      this.tell(attempt, 'mcpx.attempt.cancel', {attemptId: record.id, reason: message.slice(0, 1024)});
    if (spec.work.kind !== 'noop') this.tell(attempt, 'mcpx.attempt.release', {attemptId: record.id, keep});
  }

  private async deliver(attempt: AttemptNode): Promise<void> {
    const {settings, clock, signal, logger} = this.term;
    const agentId = attempt.record.agentId;
    let send = attempt.task.spec.work.kind === 'merge' ? this.merge : this.assignTo;
    while (!attempt.talk.isOver && !signal.aborted) {
      try {
        const answer = await send(attempt);
        if (attempt.talk.isOver) return;
        if (answer.kind === 'refused') this.outcome.refused(attempt, answer.reason, answer.message);
        else this.outcome.accepted(attempt, answer.worktree);
        return;
      } catch (error) {
        if (attempt.talk.isOver || signal.aborted) return;
        // An agent of an earlier version knows merges as assignments only.
        if (send === this.merge && isUnknown(error)) {
          send = this.assignTo;
          continue;
        }
        if (!isPassing(error)) {
          logger.warn('an agent could not take an attempt', {attempt: attempt.record.id, error});
          const message = `agent ${agentId} could not take it: ${describeError(error)}`.slice(0, 8192);
          this.outcome.undeliverable(attempt, {kind: 'internal', message});
          return;
        }
        logger.debug('an assignment is sent again', {attempt: attempt.record.id, error});
        await delay(clock, settings.resendMs, attempt.talk.signal).catch(() => undefined);
      }
    }
  }

  private readonly assignTo = (attempt: AttemptNode): Promise<Result<'mcpx.orchestrate.task.assign'>> =>
    this.term.channel.send(attempt.record.agentId, 'mcpx.orchestrate.task.assign', this.assignment(attempt), {
      signal: () => attempt.talk.signal,
    });

  private readonly merge = (attempt: AttemptNode): Promise<Result<'mcpx.distribute.result.merge'>> => {
    const {task, ...assignment} = this.assignment(attempt);
    const {work} = task;
    assert(work.kind === 'merge', `task ${task.id} is no merge`);
    return this.term.channel.send(
      attempt.record.agentId,
      'mcpx.distribute.result.merge',
      {...assignment, task: {...task, work}},
      {signal: () => attempt.talk.signal},
    );
  };

  private assignment(attempt: AttemptNode): TaskAssign {
    const {task, record, fence} = attempt;
    const {session, spec} = task;
    const assign: TaskAssign = {
      attemptId: record.id,
      fence: {store: this.term.incarnation, attempt: record.id, revision: fence},
      sessionId: session.id,
      sessionName: session.record.name,
      taskId: spec.id,
      number: record.number,
      taskKey: `${session.id}.${spec.id}`,
      task: spec,
      workspace: assignedWorkspace(session.plan, session.record.workspace, sourcesOf(session, task), spec.id),
      previous: task.previous,
      note: task.record.note?.text,
      recheck: recheckOf(attempt),
      budgetUsd: record.budgetUsd,
      keep: session.record.keep,
      rehearsal: session.record.rehearsal,
      backup: record.backup,
    };
    return assign;
  }

  /** A message that need not arrive: an agent that misses it learns the same when it registers again. */
  private tell<M extends 'mcpx.attempt.cancel' | 'mcpx.attempt.release'>(
    attempt: AttemptNode,
    method: M,
    params: ParamsInput<M>,
  ): void {
    const {channel, logger, signal} = this.term;
    channel.send(attempt.record.agentId, method, params, {signal}).catch((error: unknown) => {
      if (!signal.aborted) logger.debug('an agent was not told', {method, attempt: attempt.record.id, error});
    });
  }
}

function recheckOf({record: {recheckOf: attemptId}, task}: AttemptNode): TaskAssign['recheck'] {
  if (attemptId === undefined) return undefined;
  const {recheckedResult: result} = task;
  assert(result, `task ${task.key} has lost the result that is to be checked`);
  return {attemptId, result};
}

/** The flow of commits in a session, as its records say; to a task that is about what an attempt left, that is there already. */
export function sourcesOf(
  session: SessionNode,
  {spec, subject}: Partial<Pick<TaskNode, 'spec' | 'subject'>> = {},
): ResultSources {
  return taskId => {
    const task = session.tasks.get(taskId);
    if (subject && taskId === spec?.id) return {needs: [subject.taskId], result: undefined};
    if (task && taskId === subject?.taskId) return {needs: needsOf(task), result: subject.result};
    return task && {needs: needsOf(task), result: resultOf(task.record)};
  };
}

function isUnknown(error: unknown): boolean {
  return isProtocolError(error, 'methodNotFound') || isProtocolError(error, 'notAvailable');
}

/** Faults of the way to the agent, which say nothing about the message. */
export function isPassing(error: unknown): boolean {
  return (
    isProtocolError(error, 'timeout') ||
    isProtocolError(error, 'agentDisconnected') ||
    isProtocolError(error, 'overloaded') ||
    isProtocolError(error, 'unavailable') ||
    isProtocolError(error, 'rateLimited')
  );
}

/** An agent without a slot has one soon; one that drains or was stopped says so in its record, before long. */
const LONGER: Readonly<Record<RefusalReason, number>> = {noSlot: 1, draining: 10, stopped: 10};

/** Holds an agent back from new assignments for a while, after it refused one. */
export function coolDown(attempt: AttemptNode, term: Term, reason: RefusalReason): void {
  attempt.agent.coolUntil = nowOf(term).hub + term.settings.refusedPauseMs * LONGER[reason];
}
