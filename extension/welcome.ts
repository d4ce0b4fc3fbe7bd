/** When the window finds its coordinator by itself, and what it asks about work that was left running. */
import * as vscode from 'vscode';
import {FINAL_SESSION_STATES} from '../coordinator/protocol/model/session.ts';
import {delay} from '../coordinator/runtime/clock.ts';
import {describeError} from '../coordinator/runtime/errors.ts';
import {commandId} from './contributions.ts';
import {isPlanFile} from './plan/planFile.ts';
import type {Services} from './services.ts';
import {setting} from './settings.ts';
import {whenMirrored} from './views/model/fleetRows.ts';
import {sessionNodeId} from './views/model/nodeIds.ts';
import {isAbandoned} from './views/model/sessionList.ts';

const AGENTS_RETURN_MS = 5000;

export interface WelcomeOptions {
  readonly services: Services;
  readonly views: readonly Pick<vscode.TreeView<unknown>, 'visible' | 'onDidChangeVisibility'>[];
  /** Whether this window, in this workspace, has seen the session run before. */
  readonly knows: (sessionId: string) => boolean;
  readonly reveal: (nodeId?: string) => Promise<void>;
}

export function registerWelcome(options: WelcomeOptions): void {
  const {services, views} = options;
  const {context, link, logger} = services;
  const start = (): void => {
    // One elsewhere, which a setting names, is connected to in any case.
    if (setting('coordinator.context') !== '') return;
    if (link.state.kind !== 'off' || !setting('coordinator.autoStart')) return;
    // Its failure is a state, which the views and the status bar show.
    link
      .start()
      .catch((error: unknown) => logger.warn('the coordinator did not start', {error: describeError(error)}));
  };
  for (const view of views)
    context.subscriptions.push(
      view.onDidChangeVisibility(({visible}) => {
        if (visible) start();
      }),
    );
  context.subscriptions.push(
    vscode.workspace.onDidOpenTextDocument(({fileName}) => {
      if (isPlanFile(fileName)) start();
    }),
  );
  const isWanted =
    views.some(({visible}) => visible) ||
    vscode.workspace.textDocuments.some(({fileName}) => isPlanFile(fileName));
  if (isWanted) start();
  joinLeftRunning(options).catch((error: unknown) =>
    logger.warn('the coordinator that runs could not be joined', {error: describeError(error)}),
  );
}

/** A window that opens starts nothing; what runs already is shown. */
async function joinLeftRunning(options: WelcomeOptions): Promise<void> {
  const {clock, fleet, link} = options.services;
  const openedAt = clock.wallNow();
  const joined = setting('coordinator.context') === '' ? await link.join() : undefined;
  await whenDecided(link);
  // Nothing may run at all until somebody starts it: then what was left comes to light.
  await whenMirrored(fleet);
  // An idle coordinator that nobody looks at is left alone: it ends by itself.
  if (joined && joined === link.client && !hasUnfinished(fleet) && !isShown(options)) link.disconnect();
  else await askAboutWork(options, openedAt);
}

/** Resolves when a start, if there is one, has come to its end. */
function whenDecided(link: Services['link']): Promise<void> {
  if (link.state.kind !== 'starting') return Promise.resolve();
  return new Promise(resolve => {
    const listening = link.onState(({kind}) => {
      if (kind === 'starting') return;
      listening.dispose();
      resolve();
    });
  });
}

function isShown({views, services}: WelcomeOptions): boolean {
  return views.some(({visible}) => visible) || services.panels.open.length > 0;
}

function hasUnfinished({mirror}: Services['fleet']): boolean {
  return (mirror?.sessions ?? []).some(({session}) => !FINAL_SESSION_STATES.has(session.state));
}

/** Of sessions that were there before the window: whoever starts one here knows that it runs. */
async function askAboutWork({services, knows, reveal}: WelcomeOptions, openedAt: number): Promise<void> {
  const {clock, fleet, link} = services;
  // Agents find a coordinator that has just been started a moment later than we do.
  if (link.state.kind === 'connected' && link.state.endpoint.started) await delay(clock, AGENTS_RETURN_MS);
  const {mirror} = fleet;
  if (!mirror) return;
  const left = mirror.sessions
    .map(({session}) => session)
    .filter(
      ({id, state, createdAt}) => createdAt < openedAt && !FINAL_SESSION_STATES.has(state) && !knows(id),
    );
  const [first] = left;
  if (!first) return;
  const show = vscode.l10n.t('Show');
  const abandoned = left.filter(session => isAbandoned(session, mirror.agents, clock.wallNow()));
  const [only] = abandoned;
  if (only && left.length === 1) {
    const resume = vscode.l10n.t('Resume');
    const choice = await vscode.window.showWarningMessage(
      vscode.l10n.t(
        '{0} was interrupted: nobody works for it any more. What it has done is kept.',
        only.name,
      ),
      resume,
      show,
    );
    if (choice === resume)
      await vscode.commands.executeCommand(commandId('resumeSession'), {kind: 'session', sessionId: only.id});
    if (choice === show) await reveal(sessionNodeId(only.id));
    return;
  }
  const message =
    left.length === 1
      ? vscode.l10n.t('{0} runs.', first.name)
      : abandoned.length > 0
        ? vscode.l10n.t('{0} sessions were left, {1} of them interrupted.', left.length, abandoned.length)
        : vscode.l10n.t('{0} sessions run.', left.length);
  const choice = await vscode.window.showInformationMessage(message, show);
  if (choice === show) await reveal(sessionNodeId((only ?? first).id));
}
