/** What a person may do from a browser's page: everything that needs no editor, over the page's own connection. */
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import type {PageAction, ToPage} from '../messages.ts';
import {t} from '../shell/l10n.ts';

export type ActionOutcome = Extract<ToPage, {kind: 'answered'}>['outcome'];

const DONE: ActionOutcome = {kind: 'done'};
const NEEDS_EDITOR: ActionOutcome = {
  kind: 'failed',
  message: 'This needs an editor with the MCPX extension, or the command line.',
};

/** Rejects as the request does. */
export async function performAction(client: McpxClient, action: PageAction): Promise<ActionOutcome> {
  switch (action.kind) {
    case 'session':
      return performForSession(client, action);
    case 'task':
      return performForTask(client, action);
    case 'attempt':
      if (action.command !== 'interrupt') return NEEDS_EDITOR;
      await client.request('mcpx.attempt.control', {
        attemptId: action.attemptId,
        action: {kind: 'interrupt'},
      });
      return DONE;
    case 'message':
      await client.request('mcpx.attempt.control', {
        attemptId: action.attemptId,
        action: {kind: 'message', text: action.text},
      });
      return DONE;
    case 'approvalAnswer': {
      const {sessionId, approvalId, answer} = action;
      await client.request('mcpx.approval.answer', {sessionId, approvalId, answer});
      return DONE;
    }
    case 'approval': {
      const {sessionId, approvalId, command} = action;
      if (command === 'approveEdited' || command === 'answer') return NEEDS_EDITOR;
      const scope = command === 'approveForSession' ? 'session' : 'once';
      const answer = command === 'deny' ? ({kind: 'deny'} as const) : ({kind: 'allow', scope} as const);
      await client.request('mcpx.approval.answer', {sessionId, approvalId, answer});
      return DONE;
    }
    case 'filesAt':
    case 'accept-draft':
      return NEEDS_EDITOR;
  }
}

async function performForSession(
  client: McpxClient,
  {sessionId, command}: Extract<PageAction, {kind: 'session'}>,
): Promise<ActionOutcome> {
  switch (command) {
    case 'pauseSession':
      await client.request('mcpx.session.control', {sessionId, action: {kind: 'pause'}});
      return DONE;
    case 'resumeSession':
      await client.request('mcpx.session.control', {sessionId, action: {kind: 'resume'}});
      return DONE;
    case 'cancelSession':
      if (!window.confirm(t('Cancel the session? Running attempts are stopped; what has succeeded is kept.')))
        return {kind: 'cancelled'};
      await client.request('mcpx.orchestrate.session.end', {sessionId, mode: 'cancel'});
      return DONE;
    default:
      return NEEDS_EDITOR;
  }
}

async function performForTask(
  client: McpxClient,
  {sessionId, taskId, command}: Extract<PageAction, {kind: 'task'}>,
): Promise<ActionOutcome> {
  switch (command) {
    case 'retryTask':
    case 'cancelTask':
      await client.request('mcpx.session.control', {sessionId, action: {kind: command, taskId}});
      return DONE;
    default:
      return NEEDS_EDITOR;
  }
}
