/** How days, sessions and groups of tasks look in the tree. Pure. */
import type {ApprovalRow} from '../../../coordinator/client/mirror/fleetMirror.ts';
import type {SessionRecord} from '../../../coordinator/protocol/model/session.ts';
import type {TaskState} from '../../../coordinator/protocol/model/task.ts';
import {sessionNodeId, taskGroupId} from './nodeIds.ts';
import type {NodeIcon, TreeNode} from './treeModel.ts';
import {
  cost,
  dateAndTime,
  dayLabel,
  dollars,
  duration,
  headline,
  joined,
  timeOfDay,
  type Words,
} from './words.ts';

export interface SessionLook {
  readonly session: SessionRecord;
  readonly isInterrupted: boolean;
  /** Its permissions and questions that wait. */
  readonly waiting: readonly ApprovalRow[];
  /** Bytes of the worktrees that agents keep for it. */
  readonly keptBytes: number;
}

export function dayNode(id: string, day: string, count: number, words: Words): TreeNode {
  return {
    id,
    label: dayLabel(day, words),
    description: count === 1 ? words.t('1 session') : words.t('{0} sessions', count),
    icon: {id: 'calendar'},
    expansion: dayLabel(day, words) === words.t('Today') ? 'expanded' : 'collapsed',
  };
}

export function sessionNode(look: SessionLook, words: Words): TreeNode {
  const {session} = look;
  const {id, name, counts} = session;
  return {
    id: sessionNodeId(id),
    label: name,
    description: joined(
      sessionStatus(look, words),
      `${counts.succeeded}/${counts.total}`,
      session.endedAt === undefined ? undefined : duration(session.endedAt - session.createdAt),
      cost(session.spentUsd),
      timeOfDay(session.createdAt, words),
      keptText(look, words),
    ),
    spoken: sessionStatus(look, words) ?? stateLabel('succeeded', words),
    tooltip: sessionTooltip(look, words),
    icon: sessionIcon(look),
    contextValue: `session.${sessionCondition(look)}`,
    target: {kind: 'session', sessionId: id},
    expansion: 'collapsed',
  };
}

function keptText({keptBytes}: SessionLook, {t}: Words): string | undefined {
  return keptBytes > 0 ? t('{0} kept', bytes(keptBytes)) : undefined;
}

/** What of its state matters for what can be done. */
function sessionCondition({session, isInterrupted}: SessionLook): string {
  if (isInterrupted && session.state === 'running') return 'interrupted';
  return session.state;
}

export function sessionStatus(
  {session, isInterrupted, waiting}: SessionLook,
  {t}: Words,
): string | undefined {
  switch (session.state) {
    case 'running':
      if (isInterrupted) return t('interrupted');
      if (waiting.length > 0)
        return waiting.length === 1 ? t('waits for you') : t('waits for you ({0})', waiting.length);
      return session.counts.running > 0 ? t('{0} running', session.counts.running) : t('waiting');
    case 'paused':
      return session.pauseReason === 'budget' ? t('paused: the budget is spent') : t('paused');
    case 'ending':
      return session.endMode === 'rollback' ? t('rolling back') : t('ending');
    case 'failed':
      return session.failure === undefined ? t('failed') : headline(session.failure);
    case 'cancelled':
      return t('cancelled');
    case 'rolledBack':
      return t('rolled back');
    case 'succeeded':
      return undefined;
  }
}

function sessionTooltip({session, isInterrupted, waiting, keptBytes}: SessionLook, words: Words): string[] {
  const {t} = words;
  const {counts, budgetUsd, workspace, speculation} = session;
  const budget =
    budgetUsd === undefined
      ? t('Spent: {0}', dollars(session.spentUsd))
      : t('Spent: {0} of {1}', dollars(session.spentUsd), dollars(budgetUsd));
  return [
    `${session.name} (${session.id})`,
    isInterrupted ? t('Nobody works for it: what ran it is gone. Resume goes on where it stood.') : undefined,
    waiting.length > 0 ? t('Waits for you: {0}', waiting.length) : undefined,
    session.failure,
    t(
      '{0} of {1} tasks done, {2} running, {3} waiting, {4} failed',
      counts.succeeded,
      counts.total,
      counts.running,
      counts.waiting,
      counts.failed,
    ),
    budget,
    speculation &&
      t(
        'Of it for backups of slow attempts: {0} ({1} begun, {2} won)',
        dollars(speculation.spentUsd),
        speculation.begun,
        speculation.won,
      ),
    t('Started: {0}', dateAndTime(session.createdAt, words)),
    session.endedAt === undefined ? undefined : t('Ended: {0}', dateAndTime(session.endedAt, words)),
    t('Agents are chosen by {0}', session.strategy),
    session.rehearsal ? t('A rehearsal: no model is called.') : undefined,
    workspace?.origin === undefined ? undefined : t('From: {0}', workspace.origin),
    session.result === undefined ? undefined : t('Result: {0}', session.result.branch),
    keptBytes > 0 ? t('Worktrees that are kept take {0}.', bytes(keptBytes)) : undefined,
  ].filter(line => line !== undefined);
}

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let amount = count;
  let unit = 0;
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${units[unit]}`;
}

export function sessionIcon({session, isInterrupted, waiting}: SessionLook): NodeIcon {
  switch (session.state) {
    case 'running':
      if (isInterrupted) return {id: 'debug-disconnect', color: 'charts.orange'};
      if (waiting.length > 0) return {id: 'bell-dot', color: 'charts.yellow'};
      return {id: 'sync', color: 'charts.blue'};
    case 'paused':
      return {id: 'debug-pause', color: 'charts.yellow'};
    case 'ending':
      return {id: 'loading', color: 'disabledForeground'};
    case 'succeeded':
      return {id: 'pass', color: 'testing.iconPassed'};
    case 'failed':
      return {id: 'error', color: 'testing.iconFailed'};
    case 'cancelled':
      return {id: 'circle-slash', color: 'disabledForeground'};
    case 'rolledBack':
      return {id: 'discard', color: 'disabledForeground'};
  }
}

export const STATE_ICONS: Readonly<Record<TaskState, NodeIcon>> = {
  pending: {id: 'circle-outline', color: 'disabledForeground'},
  ready: {id: 'circle-large-outline', color: 'charts.blue'},
  assigned: {id: 'circle-large-filled', color: 'charts.blue'},
  running: {id: 'sync', color: 'charts.blue'},
  verifying: {id: 'beaker', color: 'charts.blue'},
  succeeded: {id: 'pass', color: 'testing.iconPassed'},
  failed: {id: 'error', color: 'testing.iconFailed'},
  cancelled: {id: 'circle-slash', color: 'disabledForeground'},
  rolledBack: {id: 'discard', color: 'charts.orange'},
};

/** What a person wants to see first comes first. */
export const GROUP_ORDER: readonly TaskState[] = [
  'failed',
  'verifying',
  'running',
  'assigned',
  'ready',
  'pending',
  'rolledBack',
  'cancelled',
  'succeeded',
];

export function taskGroupNode(sessionId: string, state: TaskState, count: number, words: Words): TreeNode {
  return {
    id: taskGroupId(sessionId, state),
    label: words.t('{0} ({1})', stateLabel(state, words), count),
    icon: STATE_ICONS[state],
    expansion: 'collapsed',
  };
}

export function stateLabel(state: TaskState, {t}: Words): string {
  switch (state) {
    case 'pending':
      return t('pending');
    case 'ready':
      return t('ready');
    case 'assigned':
      return t('assigned');
    case 'running':
      return t('running');
    case 'verifying':
      return t('verifying');
    case 'succeeded':
      return t('succeeded');
    case 'failed':
      return t('failed');
    case 'cancelled':
      return t('cancelled');
    case 'rolledBack':
      return t('rolled back');
  }
}
