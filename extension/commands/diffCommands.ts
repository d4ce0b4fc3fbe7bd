/** Commands that show what was changed: the changes of a session, task or attempt, and a conflict to be resolved. */
import * as vscode from 'vscode';
import * as z from 'zod';
import {SessionPast} from '../../coordinator/client/history.ts';
import {FINAL_TASK_STATES} from '../../coordinator/protocol/model/task.ts';
import {openConflict} from '../documents/conflictWorktree.ts';
import {shownChanges} from '../documents/resultDocuments.ts';
import type {Changes, Results} from '../documents/results.ts';
import type {Services} from '../services.ts';
import {targetOf} from '../target.ts';
import {sayAndStop, workingLong} from './asking.ts';
import {chooseAttempt, chooseSession, chooseTask} from './choosing.ts';
import {registerCommands} from './register.ts';
import {sessionRows, sortedRows, wholeFleet} from './rows.ts';

export function registerDiffCommands(services: Services, results: Results): void {
  registerCommands(services, {
    showDiff: (argument, moment) => showDiff(services, results, argument, moment),
    openConflict: argument => showConflict(services, results, argument),
  });
}

/** A moment in the past of a session. */
const Moment = z.object({revision: z.number().int().nonnegative()});

interface Named {
  readonly name: string;
  readonly changes: (signal: AbortSignal) => Promise<Changes>;
}

async function showDiff(
  services: Services,
  results: Results,
  argument: unknown,
  moment: unknown,
): Promise<void> {
  const {data: at} = Moment.safeParse(moment);
  const {name, changes} = at
    ? await deliveredBy(services, results, argument, at.revision)
    : await whatChanged(services, results, argument);
  const found = await workingLong(vscode.l10n.t('Fetching the changes of {0}', name), changes);
  const {repository, files} = found;
  if (files.length === 0) sayAndStop(vscode.l10n.t('{0} has changed no file.', name));
  await vscode.commands.executeCommand(
    'vscode.changes',
    vscode.l10n.t('Changes of {0}', name),
    shownChanges(repository, files),
  );
}

async function whatChanged(services: Services, results: Results, argument: unknown): Promise<Named> {
  const title = vscode.l10n.t('Show Changes');
  const target = targetOf(argument);
  if (target?.kind === 'attempt') {
    const attempt = await chooseAttempt(services, target, {title, fits: () => true, none: ''});
    const {session, rows} = await known(services, attempt.sessionId);
    const name = vscode.l10n.t('{0}, attempt {1}', attempt.taskId, attempt.number);
    return {name, changes: signal => results.ofAttempt(session, attempt, rows, signal)};
  }
  if (target?.kind === 'task') {
    const task = await chooseTask(services, target, {title, fits: () => true, none: ''});
    const {session, rows} = await known(services, task.sessionId);
    return {name: task.id, changes: signal => results.ofTask(session, task, rows, signal)};
  }
  const session = await chooseSession(services, argument, {
    title,
    fits: ({result, workspace}) => result !== undefined && workspace !== undefined,
    none: vscode.l10n.t('No session has a result yet.'),
  });
  const rows = await sessionRows(services, session.id);
  return {name: session.name, changes: signal => results.ofSession(session, rows, signal)};
}

/** What the tasks of a session had delivered by a revision, merged as the result would be. */
async function deliveredBy(
  services: Services,
  results: Results,
  argument: unknown,
  revision: number,
): Promise<Named> {
  const {t} = vscode.l10n;
  const now = await chooseSession(services, argument, {
    title: t('Show Changes'),
    fits: ({workspace}) => workspace !== undefined,
    none: t('No session works in a repository.'),
  });
  const client = services.link.requireClient();
  const past = await new SessionPast({client, sessionId: now.id, maxStates: 1}).stateAt(revision);
  const rows = sortedRows(past.rows.values());
  const then = rows.rows.flatMap(row => (row.kind === 'session' ? [row.session] : []))[0] ?? now;
  const changes = async (signal: AbortSignal): Promise<Changes> => {
    const found = await results.ofDelivered(then, rows, signal);
    if (found.leftOut.length > 0)
      void vscode.window.showInformationMessage(
        t('Not shown: what {0} changed conflicts with the others.', found.leftOut.join(', ')),
      );
    return found;
  };
  return {name: t('{0} at {1}', now.name, new Date(past.at).toLocaleTimeString()), changes};
}

async function showConflict(services: Services, results: Results, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Open Conflict');
  const task = await chooseTask(services, argument, {
    title,
    fits: ({state, failure}) => FINAL_TASK_STATES.has(state) && failure?.conflict !== undefined,
    sessionFits: ({counts}) => counts.failed > 0,
    none: vscode.l10n.t('No task has failed by a conflict.'),
  });
  const conflict = task.failure?.conflict;
  if (!conflict) sayAndStop(vscode.l10n.t('{0} has not failed by a conflict.', task.id));
  const {session, rows} = await known(services, task.sessionId);
  const {ours, theirs} = conflict;
  await workingLong(vscode.l10n.t('Opening the conflict of {0}', task.id), async signal => {
    const repository = await results.bring(session, rows, [ours.commit, theirs.commit], signal);
    await openConflict(services, repository, {sessionId: session.id, taskId: task.id, ...conflict}, signal);
  });
}

async function known(services: Services, sessionId: string) {
  const session = await chooseSession(
    services,
    {kind: 'session', sessionId},
    {title: '', fits: () => true, none: ''},
  );
  await wholeFleet(services);
  return {session, rows: await sessionRows(services, sessionId)};
}
