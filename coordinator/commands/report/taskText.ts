/** Single phrases about tasks, attempts and approvals, the same in every report. */

import type {TaskReport} from '../../client/report/sessionReport.ts';
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import type {ApprovalRecord} from '../../protocol/model/facts.ts';
import type {Failure, TaskRecord, TaskState} from '../../protocol/model/task.ts';
import {type Colors, cut, printable} from './terminalText.ts';

const LONGEST_HEADLINE = 240;

type Paint = Exclude<keyof Colors, 'isColorSupported'>;

const ICONS: Readonly<Record<TaskState, readonly [icon: string, paint: Paint]>> = {
  pending: ['·', 'dim'],
  ready: ['○', 'yellow'],
  assigned: ['◔', 'cyan'],
  running: ['●', 'cyan'],
  verifying: ['◕', 'cyan'],
  succeeded: ['✔', 'green'],
  failed: ['✖', 'red'],
  cancelled: ['■', 'yellow'],
  rolledBack: ['↩', 'yellow'],
};

export function stateIcon(state: TaskState, colors: Colors): string {
  const [icon, paint] = ICONS[state];
  return colors[paint](icon);
}

/** Why a task is not running, or how it failed; empty for others. */
export function reason({record, waitsFor}: TaskReport): string {
  if (record.state === 'failed' && record.failure) return failureText(record.failure);
  if (record.rolledBack?.trouble !== undefined) return headline(record.rolledBack.trouble);
  if (record.waitingFor) return `waits: ${headline(record.waitingFor.message)}`;
  if (record.state === 'pending' && waitsFor.length > 0) return `after ${waitsFor.join(', ')}`;
  if (record.state === 'ready') return 'waits for an agent';
  return '';
}

export function failureText({kind, message}: Failure): string {
  return headline(message) || kind;
}

/** The first line of a message that may go on with evidence. */
export function headline(message: string): string {
  return cut(printable(message.trimStart().split('\n', 1)[0] ?? ''), LONGEST_HEADLINE);
}

/** What a person is asked, in one line. */
export function approvalText({request}: ApprovalRecord): string {
  switch (request.kind) {
    case 'permission':
      return `wants ${printable(request.tool)} ${cut(printable(JSON.stringify(request.input)), 200)}`.trim();
    case 'question':
      return `asks: ${printable(request.questions[0]?.question ?? '')}`;
    case 'decision':
      return `needs a decision: ${printable(request.message)}`;
  }
}

/** `mcpx approvals …`, as it answers the request. */
export function approvalCommand({id, request}: ApprovalRecord): string {
  return request.kind === 'question'
    ? `mcpx approvals answer ${id}`
    : `mcpx approvals approve ${id} | deny ${id}`;
}

export function outcomeText(attempt: AttemptRecord): string {
  return attempt.outcome ?? (attempt.unreachableSince === undefined ? attempt.state : 'unreachable');
}

/** The gates of the verdict that counts last. */
export function failedGates(record: TaskRecord): NonNullable<TaskRecord['gates']> {
  return (record.gates ?? []).filter(gate => !gate.passed && !gate.waived);
}
