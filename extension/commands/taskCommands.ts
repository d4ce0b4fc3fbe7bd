/** Commands that steer one task of a session: retry, reassign, cancel, its gates, and why it ran where it did. */
import * as vscode from 'vscode';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import {FINAL_TASK_STATES, type TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {placementUri} from '../documents/placementDocuments.ts';
import type {Services} from '../services.ts';
import {targetOf} from '../target.ts';
import {askText, pickOne} from './asking.ts';
import {agentOffer, chooseTask} from './choosing.ts';
import {registerCommands} from './register.ts';
import {wholeFleet} from './rows.ts';
import {bringAgents, controlSession, hasAgents, isUnfinished} from './sessionCommands.ts';
import {headline} from './words.ts';

type Action = Parameters<typeof controlSession>[2];

export function registerTaskCommands(services: Services): void {
  registerCommands(services, {
    retryTask: argument => retryTask(services, argument),
    retryTaskWithNote: (argument, note) => retryTaskWithNote(services, argument, note),
    reassignTask: (argument, agent) => reassignTask(services, argument, agent),
    cancelTask: argument => cancelTask(services, argument),
    rerunGates: argument => rerunGates(services, argument),
    waiveGate: (argument, reason) => waiveGate(services, argument, reason),
    explainTask: argument => explainTask(services, argument),
  });
}

async function retryTask(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Retry Task');
  const task = await chooseEnded(services, argument, title);
  await retry(services, task, undefined, title);
}

async function retryTaskWithNote(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('Retry Task with My Note');
  const task = await chooseEnded(services, argument, title);
  const failure = task.failure ? headline(task.failure.message) : '';
  const note =
    typeof given === 'string'
      ? given
      : await askText({
          title: `${title}: ${task.id}`,
          prompt: failure || vscode.l10n.t('What Claude Code is told beside the prompt.'),
          placeHolder: vscode.l10n.t('What to do differently'),
          validateInput: text => (text.trim() === '' ? vscode.l10n.t('A note has words.') : undefined),
        });
  await retry(services, task, note, title);
}

/** A session that had ended runs again: those who worked for it are gone. */
async function retry(
  services: Services,
  task: TaskRecord,
  note: string | undefined,
  title: string,
): Promise<void> {
  const session = await controlTask(services, task, {kind: 'retryTask', taskId: task.id, note}, title);
  if (isUnfinished(session) && !hasAgents(await wholeFleet(services), session))
    await bringAgents(services, session);
}

async function reassignTask(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('Reassign Task');
  const task = await chooseTask(services, argument, {
    title,
    fits: ({state}) => state === 'ready' || state === 'assigned' || state === 'running',
    sessionFits: isUnfinished,
    none: vscode.l10n.t('No task waits for an agent or runs on one.'),
  });
  const target = targetOf(given);
  const agentId = target?.kind === 'agent' ? target.agentId : await otherAgent(services, task, title);
  await controlTask(services, task, {kind: 'reassignTask', taskId: task.id, agentId}, title);
}

/** Undefined: whichever fits. */
async function otherAgent(services: Services, task: TaskRecord, title: string): Promise<string | undefined> {
  const {agents} = await wholeFleet(services);
  const offers = agents
    .filter(({online, agent}) => online && !agent.draining)
    .map(row => ({...agentOffer(row), value: row.agent.instance.id}));
  const any = {label: vscode.l10n.t('Whichever else fits'), value: undefined};
  return pickOne<string | undefined>(offers.length > 0 ? [any, ...offers] : [], {
    title: `${title}: ${task.id}`,
    none: vscode.l10n.t('No agent is online.'),
  });
}

async function cancelTask(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Cancel Task');
  const task = await chooseTask(services, argument, {
    title,
    fits: ({state}) => !FINAL_TASK_STATES.has(state),
    sessionFits: isUnfinished,
    none: vscode.l10n.t('No task is unfinished.'),
  });
  await controlTask(services, task, {kind: 'cancelTask', taskId: task.id}, title);
}

async function rerunGates(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Rerun Only the Gates');
  const task = await chooseGated(services, argument, title);
  await controlTask(services, task, {kind: 'rerunGates', taskId: task.id}, title);
}

async function waiveGate(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('Waive Gate');
  const task = await chooseGated(services, argument, title);
  const gate = await failedGate(task, title);
  const reason =
    typeof given === 'string'
      ? given
      : await askText({
          title: `${title}: ${task.id}${gate === undefined ? '' : ` / ${gate}`}`,
          prompt: vscode.l10n.t(
            'Why the result counts all the same. It is kept with the task, under your name.',
          ),
          validateInput: text => (text.trim() === '' ? vscode.l10n.t('A reason is required.') : undefined),
        });
  await controlTask(services, task, {kind: 'waiveGate', taskId: task.id, gate, reason}, title);
}

/** It follows what happens for as long as it is open. */
async function explainTask(services: Services, argument: unknown): Promise<void> {
  const {sessionId, id: taskId} = await chooseTask(services, argument, {
    title: vscode.l10n.t('Explain Placement of Task'),
    fits: ({attempts, waitingFor}) => attempts > 0 || waitingFor !== undefined,
    none: vscode.l10n.t('No task of this session was placed yet.'),
  });
  const document = await vscode.workspace.openTextDocument(placementUri({sessionId, taskId}));
  await vscode.window.showTextDocument(document, {preview: true});
}

/** Undefined: all that have not passed. Asked only when there are several. */
async function failedGate({gates = []}: TaskRecord, title: string): Promise<string | undefined> {
  const failed = gates.filter(({passed}) => !passed);
  if (failed.length < 2) return failed[0]?.gate;
  const offers = failed.map(({gate, output, error}) => ({
    label: gate,
    description: headline(error ?? output),
    value: gate as string | undefined,
  }));
  const all = {label: vscode.l10n.t('All that have not passed'), value: undefined};
  return pickOne<string | undefined>([...offers, all], {title, none: ''});
}

function chooseEnded(services: Services, argument: unknown, title: string): Promise<TaskRecord> {
  return chooseTask(services, argument, {
    title,
    fits: ({state}) => state === 'failed' || state === 'cancelled',
    sessionFits: ({counts}) => counts.failed + counts.cancelled > 0,
    none: vscode.l10n.t('No task has failed or was cancelled.'),
  });
}

function chooseGated(services: Services, argument: unknown, title: string): Promise<TaskRecord> {
  return chooseTask(services, argument, {
    title,
    fits: ({state, failure}) => state === 'verifying' || (state === 'failed' && failure?.kind === 'gate'),
    sessionFits: ({counts}) => counts.failed + counts.running > 0,
    none: vscode.l10n.t('No task has failed by its gates or waits for one.'),
  });
}

async function controlTask(
  services: Services,
  {sessionId, id}: TaskRecord,
  action: Action,
  title: string,
): Promise<SessionRecord> {
  const name = services.fleet.mirror?.session(sessionId)?.session.name ?? sessionId;
  return controlSession(services, {id: sessionId, name: `${name} / ${id}`}, action, title);
}
