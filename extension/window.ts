/** A window that uses us: one of each part is made, and they are wired. The coordinator is found when something needs it. */
import * as vscode from 'vscode';
import {endpointFileUnder, stoppedFileUnder, userDataRoot} from '../coordinator/client/userData.ts';
import type {Logger} from '../coordinator/observability/logger.ts';
import {assert} from '../coordinator/runtime/assert.ts';
import {systemClock} from '../coordinator/runtime/clock.ts';
import {describeError} from '../coordinator/runtime/errors.ts';
import {systemRandom} from '../coordinator/runtime/random.ts';
import {channelLogger} from './channelLogger.ts';
import type {HubInChat} from './chat/hubInChat.ts';
import {registerCoordinatorCommands} from './commands/coordinatorCommands.ts';
import {registerFleetCommands} from './commands/fleetCommands.ts';
import {registerPageCommands} from './commands/pageCommands.ts';
import {registerPlanCommands} from './commands/planCommands.ts';
import {runCommand} from './commands/register.ts';
import {clientToken} from './connection/clientToken.ts';
import {followConfiguredContext} from './connection/contexts.ts';
import {CoordinatorLink} from './connection/coordinatorLink.ts';
import {Program} from './connection/program.ts';
import {COMMANDS, CONTEXT_KEYS, type CommandName} from './contributions.ts';
import {type Documents, openDocuments} from './documents/documents.ts';
import {Fleet} from './fleet/fleet.ts';
import {Servers} from './fleet/servers.ts';
import {StateConflicts} from './fleet/stateConflicts.ts';
import {registerGates} from './gates.ts';
import {PagePanels} from './panels/pagePanels.ts';
import {isPlanFile} from './plan/planFile.ts';
import type {Services} from './services.ts';
import {setting} from './settings.ts';
import {followLink} from './uri.ts';
import {registerViews} from './views/registerViews.ts';

/** What the editor may ask of it. */
export interface OpenWindow {
  readonly documents: Documents;
  /** For the editor's chat, once it asks. */
  hub(): Promise<HubInChat>;
  readonly logger: Logger;
  run(name: CommandName, args: readonly unknown[]): Promise<unknown>;
  followLink(uri: vscode.Uri): Promise<void>;
  revive(panel: vscode.WebviewPanel, state: unknown): Promise<void>;
}

export function openWindow(context: vscode.ExtensionContext): OpenWindow {
  const services = makeServices(context);
  const documents = openDocuments(services);
  registerCoordinatorCommands(services);
  registerFleetCommands(services, documents);
  registerPlanCommands(services);
  registerPageCommands(services);
  followState(services);
  registerViews(services);
  registerGates(services);
  followConfiguredContext(services);
  loadLanguageWithFirstPlan(services);
  const missing = COMMANDS.filter(name => !services.handlers.has(name));
  assert(missing.length === 0, `nobody does ${missing.join(', ')}`);
  return {
    documents,
    hub: hubLater(services),
    logger: services.logger,
    run: (name, args) => runCommand(services, name, args),
    followLink: uri => followLink(services, uri),
    revive: (panel, state) => services.panels.revive(panel, state),
  };
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
    clock,
    logger,
  });
  const link = new CoordinatorLink({
    program,
    clock,
    random,
    logger,
    version: (context.extension.packageJSON as {version: string}).version,
    localEndpointFile: endpointFileUnder(userDataRoot(process.env)),
    stoppedFile: stoppedFileUnder(userDataRoot(process.env)),
    lingerMs: () => setting('coordinator.lingerMinutes') * 60_000,
    revives: () => setting('coordinator.autoStart'),
  });
  const fleet = new Fleet(link);
  const conflicts = new StateConflicts(fleet, link);
  const servers = new Servers({fleet, link, clock, logger});
  const panels = new PagePanels({
    extensionUri: context.extensionUri,
    link,
    fleet,
    clock,
    random,
    logger,
  });
  context.subscriptions.push(log, link, fleet, conflicts, servers, panels);
  return {
    context,
    handlers: new Map(),
    program,
    link,
    fleet,
    conflicts,
    servers,
    panels,
    log,
    logger,
    clock,
    random,
  };
}

function followState({context, link}: Services): void {
  const tell = (): void =>
    void vscode.commands.executeCommand('setContext', CONTEXT_KEYS.state, link.state.kind);
  context.subscriptions.push(link.onState(tell));
  tell();
}

/** The import is a bundle of its own: see .config/build.mjs. */
function hubLater(services: Services): () => Promise<HubInChat> {
  let made: Promise<HubInChat> | undefined;
  const make = async (): Promise<HubInChat> => {
    const chat = await import('./chat/hubInChat.ts');
    const hub = new chat.HubInChat(services, options => clientToken(services.link, options));
    services.context.subscriptions.push(hub);
    return hub;
  };
  return () => {
    made ??= make();
    return made;
  };
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
