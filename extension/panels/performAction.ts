/** What a person does in a page, done as the command of that name, with the same questions; what the page has asked itself is sent at once. */
import * as vscode from 'vscode';
import type {PageAction, ToPage} from '../../webview/messages.ts';
import type {CoordinatorLink} from '../connection/coordinatorLink.ts';
import {commandId} from '../contributions.ts';
import type {Target} from '../target.ts';

export type ActionOutcome = Extract<ToPage, {kind: 'answered'}>['outcome'];

const DONE: ActionOutcome = {kind: 'done'};

/** Rejects as the command or the request does. */
export async function performAction(
  link: CoordinatorLink,
  action: Exclude<PageAction, {kind: 'accept-draft'}>,
): Promise<ActionOutcome> {
  switch (action.kind) {
    case 'message':
      await link.requireClient().request('mcpx.attempt.control', {
        attemptId: action.attemptId,
        action: {kind: 'message', text: action.text},
      });
      return DONE;
    case 'approvalAnswer': {
      const {sessionId, approvalId, answer} = action;
      await link.requireClient().request('mcpx.approval.answer', {sessionId, approvalId, answer});
      return DONE;
    }
    case 'filesAt': {
      const target: Target = {kind: 'session', sessionId: action.sessionId};
      await vscode.commands.executeCommand(commandId('showDiff'), target, {revision: action.revision});
      return DONE;
    }
    default:
      await vscode.commands.executeCommand(commandId(action.command), targetOfAction(action));
      return DONE;
  }
}

function targetOfAction(
  action: Extract<PageAction, {kind: 'session' | 'task' | 'attempt' | 'approval'}>,
): Target {
  switch (action.kind) {
    case 'session':
      return {kind: 'session', sessionId: action.sessionId};
    case 'task':
      return {kind: 'task', sessionId: action.sessionId, taskId: action.taskId};
    case 'attempt':
      return {kind: 'attempt', attemptId: action.attemptId};
    case 'approval':
      return {kind: 'approval', sessionId: action.sessionId, approvalId: action.approvalId};
  }
}
