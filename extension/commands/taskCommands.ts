/** Commands that steer one task of a session: retry, cancel. */
import * as vscode from 'vscode';
import {FINAL_TASK_STATES, type TaskRecord} from '../../coordinator/protocol/model/task.ts';
import type {Services} from '../services.ts';
import {chooseTask} from './choosing.ts';
import {registerCommands} from './register.ts';
import {controlSession, isUnfinished} from './sessionCommands.ts';

export function registerTaskCommands(services: Services): void {
  registerCommands(services, {
    retryTask: argument => retryTask(services, argument),
    cancelTask: argument => cancelTask(services, argument),
  });
}

function canRetry({state}: TaskRecord): boolean {
  return state === 'failed' || state === 'cancelled';
}

async function retryTask(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Retry Task');
  const {sessionId, id} = await chooseTask(services, argument, {
    title,
    fits: canRetry,
    sessionFits: ({counts}) => counts.failed + counts.cancelled > 0,
    none: vscode.l10n.t('No task has failed or was cancelled.'),
  });
  await controlTask(services, {sessionId, id}, {kind: 'retryTask', taskId: id}, title);
}

async function cancelTask(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Cancel Task');
  const {sessionId, id} = await chooseTask(services, argument, {
    title,
    fits: ({state}) => !FINAL_TASK_STATES.has(state),
    sessionFits: isUnfinished,
    none: vscode.l10n.t('No task is unfinished.'),
  });
  await controlTask(services, {sessionId, id}, {kind: 'cancelTask', taskId: id}, title);
}

async function controlTask(
  services: Services,
  {sessionId, id}: {readonly sessionId: string; readonly id: string},
  action: Parameters<typeof controlSession>[2],
  title: string,
): Promise<void> {
  const name = services.fleet.mirror?.session(sessionId)?.session.name ?? sessionId;
  await controlSession(services, {id: sessionId, name: `${name} / ${id}`}, action, title);
}
