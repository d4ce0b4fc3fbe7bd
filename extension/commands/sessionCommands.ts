/** Commands that steer a session: pause, resume, cancel, its budget, and what it left on disks. */
import * as vscode from 'vscode';
import * as z from 'zod';
import type {FleetMirror} from '../../coordinator/client/mirror/fleetMirror.ts';
import type {Params} from '../../coordinator/protocol/commands/table.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../coordinator/protocol/model/session.ts';
import {towards} from '../connection/towards.ts';
import type {Services} from '../services.ts';
import {askText, confirm, told, working, workingLong} from './asking.ts';
import {chooseSession} from './choosing.ts';
import {registerCommands} from './register.ts';
import {wholeFleet} from './rows.ts';
import {dollars, sessionStateText, sessionText} from './words.ts';

type SessionAction = Params<'mcpx.session.control'>['action'];

/** Answer of `mcpx sessions resume --background`. */
const Resumed = z.object({session: z.string()});

export function registerSessionCommands(services: Services): void {
  registerCommands(services, {
    pauseSession: argument => pauseSession(services, argument),
    resumeSession: argument => resumeSession(services, argument),
    cancelSession: argument => cancelSession(services, argument),
    setBudget: (argument, budgetUsd) => setBudget(services, argument, budgetUsd),
    releaseSession: argument => releaseSession(services, argument),
  });
}

/** Asks the coordinator and shows the state that it answered. */
export async function controlSession(
  {link}: Services,
  {id, name}: {readonly id: string; readonly name: string},
  action: SessionAction,
  title: string,
): Promise<SessionRecord> {
  const {session} = await working(title, () =>
    link.requireClient().request('mcpx.session.control', {sessionId: id, action}),
  );
  told(`${name}: ${sessionStateText(session.state)}`);
  return session;
}

export function isUnfinished({state}: SessionRecord): boolean {
  return !FINAL_SESSION_STATES.has(state);
}

/** Whether any agent that is there may take its tasks. An unfinished session without one was left by whoever ran it. */
export function hasAgents({agents}: FleetMirror, {id, rehearsal}: SessionRecord): boolean {
  return agents.some(({agent: {instance, draining}, online}) => {
    const {metadata} = instance;
    const open = metadata.reservedFor === undefined || metadata.reservedFor === id;
    return online && !draining && open && metadata.rehearsal === rehearsal;
  });
}

async function pauseSession(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Pause Session');
  const session = await chooseSession(services, argument, {
    title,
    fits: ({state}) => state === 'running',
    none: vscode.l10n.t('No session is running.'),
  });
  await controlSession(services, session, {kind: 'pause'}, title);
}

async function resumeSession(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Resume Session');
  const mirror = await wholeFleet(services);
  const session = await chooseSession(services, argument, {
    title,
    fits: other =>
      other.state === 'paused' ||
      other.state === 'failed' ||
      other.state === 'cancelled' ||
      other.state === 'rolledBack' ||
      (isUnfinished(other) && !hasAgents(mirror, other)),
    none: vscode.l10n.t('No session is paused, interrupted, failed, cancelled or rolled back.'),
  });
  if (session.state === 'paused' && session.pauseReason === 'budget') {
    await setBudget(services, {kind: 'session', sessionId: session.id}, undefined);
    return;
  }
  // The pause may be so new that the mirror has not heard of it.
  if (isUnfinished(session) && hasAgents(mirror, session)) {
    await controlSession(services, session, {kind: 'resume'}, title);
    return;
  }
  await bringAgents(services, session);
}

/** For a session that nobody works for. */
export async function bringAgents({link, program}: Services, session: SessionRecord): Promise<void> {
  const {args, env} = towards(link);
  await workingLong(vscode.l10n.t('Resuming {0}', session.name), (signal, onLine) =>
    program.call(Resumed, ['sessions', 'resume', session.id, '--background', ...args], {
      env,
      cwd: repositoryFolder(session),
      signal,
      onLine,
    }),
  );
  told(vscode.l10n.t('{0} goes on', session.name));
}

async function cancelSession(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Cancel Session');
  const {id, name, counts} = await chooseSession(services, argument, {
    title,
    fits: isUnfinished,
    none: vscode.l10n.t('No session is unfinished.'),
  });
  await confirm(
    vscode.l10n.t('Cancel the session {0}?', name),
    vscode.l10n.t(
      '{0} running tasks are stopped. What {1} tasks have delivered stays; Resume starts the others again.',
      counts.running,
      counts.succeeded,
    ),
    title,
  );
  const {session} = await working(title, () =>
    services.link.requireClient().request('mcpx.orchestrate.session.end', {
      sessionId: id,
      mode: 'cancel',
      reason: 'cancelled in the editor',
    }),
  );
  told(`${name}: ${sessionStateText(session.state)}`);
}

async function setBudget(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('Change Budget');
  const session = await chooseSession(services, argument, {
    title,
    fits: isUnfinished,
    none: vscode.l10n.t('No session is unfinished.'),
  });
  const spent = dollars(session.spentUsd);
  const budgetUsd =
    typeof given === 'number'
      ? given
      : Number(
          await askText({
            title: `${title}: ${session.name}`,
            prompt: vscode.l10n.t('Dollars that the session may spend in all; {0} are spent.', spent),
            value: String(session.budgetUsd ?? ''),
            validateInput: text =>
              Number(text) > 0 ? undefined : vscode.l10n.t('An amount of dollars, such as 5 or 2.50.'),
          }),
        );
  await controlSession(services, session, {kind: 'budget', budgetUsd}, title);
}

async function releaseSession(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Delete Kept Worktrees');
  const session = await chooseSession(services, argument, {
    title,
    fits: other => !isUnfinished(other),
    none: vscode.l10n.t('No session has ended.'),
  });
  await confirm(
    vscode.l10n.t('Delete the worktrees that agents kept of {0}?', sessionText(session)),
    vscode.l10n.t('What attempts left there uncommitted is lost. Results and transcripts stay.'),
    vscode.l10n.t('Delete'),
  );
  await controlSession(services, session, {kind: 'release'}, title);
}

/** Where the session came from, when that is a folder of this window; else the window's first. */
function repositoryFolder({workspace}: SessionRecord): string | undefined {
  const folders = vscode.workspace.workspaceFolders?.map(({uri}) => uri.fsPath) ?? [];
  const origin = workspace?.origin;
  const own = folders.find(folder => origin !== undefined && isWithin(folder, origin));
  return own ?? folders[0];
}

function isWithin(folder: string, parent: string): boolean {
  return folder === parent || folder.startsWith(parent.endsWith('/') ? parent : `${parent}/`);
}
