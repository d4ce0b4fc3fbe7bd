/** Short words about records for quick picks and messages. */
import * as vscode from 'vscode';
import type {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import type {SessionRecord, SessionState} from '../../coordinator/protocol/model/session.ts';
import type {TaskState} from '../../coordinator/protocol/model/task.ts';

const LONGEST_INPUT = 160;

export function sessionStateText(state: SessionState): string {
  const texts: Readonly<Record<SessionState, string>> = {
    running: vscode.l10n.t('running'),
    paused: vscode.l10n.t('paused'),
    ending: vscode.l10n.t('ending'),
    succeeded: vscode.l10n.t('succeeded'),
    failed: vscode.l10n.t('failed'),
    cancelled: vscode.l10n.t('cancelled'),
    rolledBack: vscode.l10n.t('rolled back'),
  };
  return texts[state];
}

export function taskStateText(state: TaskState): string {
  const texts: Readonly<Record<TaskState, string>> = {
    pending: vscode.l10n.t('pending'),
    ready: vscode.l10n.t('ready'),
    assigned: vscode.l10n.t('assigned'),
    running: vscode.l10n.t('running'),
    verifying: vscode.l10n.t('verifying'),
    succeeded: vscode.l10n.t('succeeded'),
    failed: vscode.l10n.t('failed'),
    cancelled: vscode.l10n.t('cancelled'),
    rolledBack: vscode.l10n.t('rolled back'),
  };
  return texts[state];
}

/** `name`, with its id where names may repeat. */
export function sessionText({name, id}: SessionRecord): string {
  return `${name} (${id})`;
}

/** What is asked, in one line. */
export function approvalText({request}: ApprovalRecord): string {
  if (request.kind === 'question') return request.questions[0]?.question ?? '';
  if (request.kind === 'decision') return request.message;
  const input = JSON.stringify(request.input);
  const shown = input.length > LONGEST_INPUT ? `${input.slice(0, LONGEST_INPUT)}…` : input;
  return `${request.tool} ${shown}`;
}

/** The first line of a message that may go on with evidence. */
export function headline(message: string): string {
  return message.trimStart().split('\n', 1)[0] ?? '';
}

export function dollars(amount: number): string {
  return `$${amount.toFixed(2)}`;
}
