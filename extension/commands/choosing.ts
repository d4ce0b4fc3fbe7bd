/**
 * What a command is about: the target that it was called with, or else one that the person picks of those that fit. A given target is not judged
 * here: the coordinator says why it refuses.
 */
import * as vscode from 'vscode';
import type {AgentRow} from '../../coordinator/client/mirror/fleetMirror.ts';
import {parseAttemptId} from '../../coordinator/protocol/ids.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {Services} from '../services.ts';
import {type Target, targetOf} from '../target.ts';
import {type Offer, pickOne} from './asking.ts';
import {sessionRows, until, wholeFleet} from './rows.ts';
import {approvalText, dollars, sessionStateText, taskStateText} from './words.ts';

const LATE_MS = 2000;

interface Question<T> {
  readonly title: string;
  readonly fits: (value: T) => boolean;
  /** Said when nothing fits. */
  readonly none: string;
}

export async function chooseSession(
  services: Services,
  argument: unknown,
  {title, fits, none}: Question<SessionRecord>,
): Promise<SessionRecord> {
  const mirror = await wholeFleet(services);
  const sessionId = sessionIdOf(targetOf(argument));
  if (sessionId !== undefined) {
    const found = mirror.session(sessionId)?.session;
    if (!found) throw new CoordinatorError('notFound', vscode.l10n.t('there is no session {0}', sessionId));
    return found;
  }
  const offers = mirror.sessions.map(({session}) => session).filter(fits);
  return pickOne(offers.map(sessionOffer), {title, none});
}

export async function chooseTask(
  services: Services,
  argument: unknown,
  question: Question<TaskRecord> & {readonly sessionFits?: (session: SessionRecord) => boolean},
): Promise<TaskRecord> {
  const target = targetOf(argument);
  const given = taskIdOf(target);
  if (given) {
    const {tasks} = await sessionRows(services, given.sessionId);
    const found = tasks.find(({id}) => id === given.taskId);
    if (found) return found;
    throw new CoordinatorError('notFound', vscode.l10n.t('there is no task {0}', given.taskId));
  }
  const {title, fits, none, sessionFits = () => true} = question;
  const {id} = await chooseSession(services, argument, {title, fits: sessionFits, none});
  const {tasks} = await sessionRows(services, id);
  return pickOne(tasks.filter(fits).map(taskOffer), {title, none});
}

/** Of a task, its running attempt, else its last. */
export async function chooseAttempt(
  services: Services,
  argument: unknown,
  question: Question<AttemptRecord> & {readonly sessionFits?: (session: SessionRecord) => boolean},
): Promise<AttemptRecord> {
  const {title, fits, none, sessionFits = () => true} = question;
  const target = await attemptTarget(services, targetOf(argument));
  const sessionId =
    sessionIdOf(target) ?? (await chooseSession(services, undefined, {title, fits: sessionFits, none})).id;
  const {attempts} = await sessionRows(services, sessionId);
  if (target?.kind === 'attempt') {
    const found = attempts.find(({id}) => id === target.attemptId);
    if (found) return found;
    throw new CoordinatorError('notFound', vscode.l10n.t('there is no attempt {0}', target.attemptId));
  }
  const ofTask = target?.kind === 'task' ? attempts.filter(({taskId}) => taskId === target.taskId) : attempts;
  const fitting = ofTask.filter(fits).sort((a, b) => b.assignedAt - a.assignedAt);
  const [latest] = fitting;
  return latest && target?.kind === 'task' ? latest : pickOne(fitting.map(attemptOffer), {title, none});
}

export async function chooseAgent(
  services: Services,
  argument: unknown,
  {title, fits, none}: Question<AgentRow>,
): Promise<AgentRow> {
  const mirror = await wholeFleet(services);
  const target = targetOf(argument);
  if (target?.kind === 'agent') {
    const found = mirror.agent(target.agentId);
    if (found) return found;
    throw new CoordinatorError('notFound', vscode.l10n.t('there is no agent {0}', target.agentId));
  }
  return pickOne(mirror.agents.filter(fits).map(agentOffer), {title, none});
}

/** Only what still waits. */
export async function chooseApproval(
  services: Services,
  argument: unknown,
  {title, fits, none}: Question<ApprovalRecord>,
): Promise<ApprovalRecord> {
  const mirror = await wholeFleet(services);
  const target = targetOf(argument);
  if (target?.kind === 'approval') {
    const look = () => mirror.approval(target.sessionId, target.approvalId)?.approval;
    // Whoever named it may have heard of it a moment before this mirror.
    if (!look())
      await until(services.clock, mirror.onChange, () => look() !== undefined, LATE_MS).catch(
        () => undefined,
      );
    const found = look();
    if (found) return found;
    throw new CoordinatorError('notFound', vscode.l10n.t('this does not wait any more'), {
      hint: vscode.l10n.t('It was answered, or its attempt has ended.'),
    });
  }
  const waiting = mirror.waiting.map(({approval}) => approval).filter(fits);
  return pickOne(waiting.map(approvalOffer), {title, none});
}

async function attemptTarget(services: Services, target: Target | undefined): Promise<Target | undefined> {
  if (target?.kind !== 'approval') return target;
  const {attemptId} = await chooseApproval(services, target, {title: '', fits: () => true, none: ''});
  return attemptId === undefined ? target : {kind: 'attempt', attemptId};
}

function sessionIdOf(target: Target | undefined): string | undefined {
  if (!target || target.kind === 'agent' || target.kind === 'server' || target.kind === 'offer')
    return undefined;
  return target.kind === 'attempt' ? parseAttemptId(target.attemptId)?.sessionId : target.sessionId;
}

function taskIdOf(target: Target | undefined): {sessionId: string; taskId: string} | undefined {
  if (target?.kind === 'task') return target;
  return target?.kind === 'attempt' ? parseAttemptId(target.attemptId) : undefined;
}

function sessionOffer(session: SessionRecord): Offer<SessionRecord> {
  const {counts, spentUsd} = session;
  return {
    label: session.name,
    description: `${sessionStateText(session.state)} · ${counts.succeeded}/${counts.total} · ${dollars(spentUsd)}`,
    detail: session.id,
    value: session,
  };
}

function taskOffer(task: TaskRecord): Offer<TaskRecord> {
  return {label: task.id, description: taskStateText(task.state), detail: task.failure?.message, value: task};
}

function attemptOffer(attempt: AttemptRecord): Offer<AttemptRecord> {
  return {
    label: vscode.l10n.t('{0}, attempt {1}', attempt.taskId, attempt.number),
    description: `${attempt.agentId} · ${attempt.outcome ?? attempt.state}`,
    value: attempt,
  };
}

export function agentOffer(row: AgentRow): Offer<AgentRow> {
  const {instance} = row.agent;
  const {hostname, region} = instance.metadata;
  return {
    label: instance.id,
    description: [instance.status, hostname, region].filter(text => text !== '').join(' · '),
    detail: row.agent.quarantine?.reason ?? row.agent.trouble,
    value: row,
  };
}

function approvalOffer(approval: ApprovalRecord): Offer<ApprovalRecord> {
  return {
    label: approvalText(approval),
    description: `${approval.sessionId} / ${approval.taskId}`,
    value: approval,
  };
}
