/** Commands that open the web pages: in panels of this window, or in a browser. */
import * as vscode from 'vscode';
import {parseAttemptId} from '../../coordinator/protocol/ids.ts';
import {clientToken} from '../connection/clientToken.ts';
import type {Services} from '../services.ts';
import {targetOf} from '../target.ts';
import {registerCommands} from './register.ts';

/** A working day. */
const BROWSER_SECONDS = 12 * 3600;

export function registerPageCommands(services: Services): void {
  const {panels} = services;
  registerCommands(services, {
    openSession: async argument => {
      const at = placeOf(argument) ?? (await pickSession(services));
      if (!at) return;
      await connected(services);
      panels.show({page: 'session', sessionId: at.sessionId, attemptId: at.attemptId});
    },
    openGraph: async argument => {
      const at = placeOf(argument) ?? (await pickSession(services));
      if (!at) return;
      await connected(services);
      panels.show({page: 'graph', sessionId: at.sessionId, taskId: at.taskId});
    },
    openHealth: async () => {
      await connected(services);
      panels.show({page: 'health'});
    },
    openInBrowser: argument => openInBrowser(services, argument),
  });
}

interface Place {
  readonly sessionId: string;
  readonly taskId?: string;
  readonly attemptId?: string;
}

/** Undefined: the argument names no session. */
function placeOf(argument: unknown): Place | undefined {
  const target = targetOf(argument);
  if (!target || target.kind === 'agent' || target.kind === 'server' || target.kind === 'offer')
    return undefined;
  if (target.kind === 'task') return {sessionId: target.sessionId, taskId: target.taskId};
  if (target.kind !== 'attempt') return {sessionId: target.sessionId};
  const parts = parseAttemptId(target.attemptId);
  return parts && {sessionId: parts.sessionId, taskId: parts.taskId, attemptId: target.attemptId};
}

async function connected({link}: Services): Promise<void> {
  if (!link.client) await link.start();
}

async function pickSession(services: Services): Promise<Place | undefined> {
  await connected(services);
  const sessions = services.fleet.mirror?.sessions ?? [];
  if (sessions.length === 0) {
    void vscode.window.showInformationMessage(vscode.l10n.t('No plan has run yet: open one and run it.'));
    return undefined;
  }
  const picked = await vscode.window.showQuickPick(
    sessions.map(({session}) => ({
      label: session.name,
      description: vscode.l10n.t('{0}, {1}', session.state, new Date(session.createdAt).toLocaleString()),
      sessionId: session.id,
    })),
    {placeHolder: vscode.l10n.t('Which session?'), matchOnDescription: true},
  );
  return picked;
}

/** The token goes in the fragment, which no server and no log sees. But the address passes through other programs of this machine. */
async function openInBrowser(services: Services, argument: unknown): Promise<void> {
  await connected(services);
  const {state} = services.link;
  if (state.kind !== 'connected') {
    services.link.requireClient();
    return;
  }
  const {url} = state.endpoint;
  const token = await clientToken(services.link, {ttlSeconds: BROWSER_SECONDS, label: 'browser'});
  const place = placeOf(argument);
  const page = place ? `/session/${place.sessionId}` : '/';
  const fragment = token === undefined ? page : `token=${encodeURIComponent(token)}&to=${page}`;
  const address = new URL('/', url.replace(/^ws/, 'http'));
  const external = await vscode.env.asExternalUri(vscode.Uri.parse(address.href));
  await vscode.env.openExternal(external.with({fragment}));
}
