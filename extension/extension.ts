/** The extension's main: makes one of each part for this window, and wires them. The coordinator is found when something needs it. */
import * as vscode from 'vscode';
import {endpointFileUnder, userDataRoot} from '../coordinator/client/userData.ts';
import {systemClock} from '../coordinator/runtime/clock.ts';
import {describeError} from '../coordinator/runtime/errors.ts';
import {systemRandom} from '../coordinator/runtime/random.ts';
import {channelLogger} from './channelLogger.ts';
import {registerCoordinatorCommands} from './commands/coordinatorCommands.ts';
import {registerFleetCommands} from './commands/fleetCommands.ts';
import {registerPageCommands} from './commands/pageCommands.ts';
import {registerPlanCommands} from './commands/planCommands.ts';
import {followConfiguredContext} from './connection/contexts.ts';
import {CoordinatorLink} from './connection/coordinatorLink.ts';
import {Program} from './connection/program.ts';
import {CONTEXT_KEYS} from './contributions.ts';
import {Fleet} from './fleet/fleet.ts';
import {StateConflicts} from './fleet/stateConflicts.ts';
import {registerGates} from './gates.ts';
import {PagePanels} from './panels/pagePanels.ts';
import {isPlanFile} from './plan/planFile.ts';
import type {Services} from './services.ts';
import {setting} from './settings.ts';
import {registerUriHandler} from './uri.ts';
import {registerViews} from './views/registerViews.ts';

export function activate(context: vscode.ExtensionContext): void {
  const services = makeServices(context);
  registerCoordinatorCommands(services);
  registerFleetCommands(services);
  registerPlanCommands(services);
  registerPageCommands(services);
  followState(services);
  registerViews(services);
  registerGates(services);
  registerUriHandler(services);
  followConfiguredContext(services);
  loadLanguageWithFirstPlan(services);
}

function makeServices(context: vscode.ExtensionContext): Services {
  const log = vscode.window.createOutputChannel('MCPX', {log: true});
  const logger = channelLogger(log);
  const clock = systemClock;
  const random = systemRandom;
  const program = new Program({
    extensionFolder: context.extensionPath,
    storageFolder: context.globalStorageUri.fsPath,
    execPath: process.execPath,
    env: process.env,
    logger,
  });
  const link = new CoordinatorLink({
    program,
    clock,
    random,
    logger,
    version: (context.extension.packageJSON as {version: string}).version,
    localEndpointFile: endpointFileUnder(userDataRoot(process.env)),
    lingerMs: () => setting('coordinator.lingerMinutes') * 60_000,
    revives: () => setting('coordinator.autoStart'),
  });
  const fleet = new Fleet(link);
  const conflicts = new StateConflicts(fleet, link);
  const panels = new PagePanels({
    extensionUri: context.extensionUri,
    link,
    fleet,
    clock,
    random,
    logger,
  });
  context.subscriptions.push(log, link, fleet, conflicts, panels);
  return {context, program, link, fleet, conflicts, panels, log, logger, clock, random};
}

function followState({context, link}: Services): void {
  const tell = (): void =>
    void vscode.commands.executeCommand('setContext', CONTEXT_KEYS.state, link.state.kind);
  context.subscriptions.push(link.onState(tell));
  tell();
}

/** The import is a bundle of its own: see .config/build.mjs. */
function loadLanguageWithFirstPlan(services: Services): void {
  const {context, logger} = services;
  let loaded = false;
  const look = ({fileName}: vscode.TextDocument): void => {
    if (loaded || !isPlanFile(fileName)) return;
    loaded = true;
    import('./plan/language.ts').then(
      language => language.activateLanguage(services),
      (error: unknown) => logger.error('plan files are not understood', {error: describeError(error)}),
    );
  };
  context.subscriptions.push(vscode.workspace.onDidOpenTextDocument(look));
  for (const document of vscode.workspace.textDocuments) look(document);
}
