/** Commands about MCP servers behind the coordinator: register, import, remove, refresh, and what of them may be used. */
import {existsSync} from 'node:fs';
import * as vscode from 'vscode';
import type {MCPServerInfo} from '../../../coordinator/protocol/commands/server.ts';
import {CoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {serverUri} from '../../documents/serverDocuments.ts';
import type {Services} from '../../services.ts';
import {type Target, targetOf} from '../../target.ts';
import {editorWords} from '../../views/editorWords.ts';
import {type Decision, decided} from '../../views/model/serverAccess.ts';
import {endpointText, stateText} from '../../views/model/serverNodes.ts';
import {OFFER_PARTS, offersOf} from '../../views/model/serverRows.ts';
import {confirm, pickOne, told, working} from '../asking.ts';
import {registerCommands} from '../register.ts';
import {headline} from '../words.ts';
import {addServer} from './addServer.ts';
import {importServers} from './importServers.ts';
import {serversOfFolders} from './serverFiles.ts';

/** A login there ends with it. */
const REMOVE_MS = 60_000;

type OfferTarget = Extract<Target, {kind: 'offer'}>;

export function registerServerCommands(services: Services): void {
  registerCommands(services, {
    addServer: definition => addServer(services, definition),
    importServers: () => importServers(services),
    removeServer: argument => removeServer(services, argument),
    refreshServer: argument => refreshServer(services, argument),
    logInServer: argument => changeLogin(services, argument, 'logIn'),
    logOutServer: argument => changeLogin(services, argument, 'logOut'),
    allowTool: argument => decide(services, argument, 'allow'),
    denyTool: argument => decide(services, argument, 'deny'),
    copyToolName: argument => copyToolName(services, argument),
    openServerDefinition: argument => openDefinition(services, argument),
  });
}

async function removeServer(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Remove MCP Server');
  const {name} = await chooseServer(services, argument, title);
  await confirm(
    vscode.l10n.t('Remove the MCP server {0}?', name),
    vscode.l10n.t(
      'Its processes and connections end, and calls of it with them. Agents and clients lose its tools. The file that it was imported from stays as it is.',
    ),
    vscode.l10n.t('Remove'),
  );
  const {revocation} = await working(title, () =>
    services.link.requireClient().request('mcpx.server.remove', {name}, {timeoutMs: REMOVE_MS}),
  );
  told(vscode.l10n.t('{0} is removed', name));
  if (revocation) (await import('./logIn.ts')).tellRevocation(name, revocation);
  await services.servers.refresh();
}

async function refreshServer(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Refresh MCP Server');
  const name = (await chooseServer(services, argument, title, true))?.name;
  await working(title, () => services.link.requireClient().request('mcpx.server.refresh', {name}));
  await services.servers.refresh();
}

async function changeLogin(services: Services, argument: unknown, way: 'logIn' | 'logOut'): Promise<void> {
  const title =
    way === 'logIn' ? vscode.l10n.t('Log In to MCP Server') : vscode.l10n.t('Log Out of MCP Server');
  const {name} = await chooseServer(services, argument, title);
  await (await import('./logIn.ts'))[way](services, name);
}

async function decide(services: Services, argument: unknown, decision: Decision): Promise<void> {
  const title =
    decision === 'allow' ? vscode.l10n.t('Allow for Everybody') : vscode.l10n.t('Deny to Everybody');
  const {server, name} = await chooseOffer(services, argument, title);
  // What is decided is written over what is registered now, not over what was drawn.
  await services.servers.refresh();
  const {definition} = await find(services, server);
  const change = decided(definition, name, decision);
  if (change.kind === 'byPattern')
    throw new CoordinatorError(
      'conflict',
      vscode.l10n.t(
        '{0} is denied by the rule "{1}", which is about more than this. Nothing was changed.',
        name,
        change.pattern,
      ),
      {hint: vscode.l10n.t('Change the rule where {0} is defined.', server)},
    );
  if (change.kind === 'changed') {
    const access = [...change.access];
    await working(title, () =>
      services.link.requireClient().request('mcpx.server.access', {name: server, access}),
    );
  }
  told(
    decision === 'allow' ? vscode.l10n.t('{0} may be used', name) : vscode.l10n.t('Nobody may use {0}', name),
  );
  await services.servers.refresh();
}

async function copyToolName(services: Services, argument: unknown): Promise<void> {
  const {server, part, name} = await chooseOffer(services, argument, vscode.l10n.t('Copy Name'));
  const row = await find(services, server);
  const shown = offersOf(row, part).find(offer => offer.name === name)?.shown ?? name;
  await vscode.env.clipboard.writeText(shown);
  told(vscode.l10n.t('Copied {0}', shown));
}

/** The file of this folder, or the one that it came from, where that is here; else what is registered, without what may be secret. */
async function openDefinition(services: Services, argument: unknown): Promise<void> {
  const {name, source} = await chooseServer(
    services,
    argument,
    vscode.l10n.t('Open Definition of MCP Server'),
  );
  const isLocal = services.link.chosen.kind === 'local';
  const {found} = isLocal ? await serversOfFolders(services) : {found: []};
  const named = found.find(({definition}) => definition.name === name)?.uri;
  if (named) await showSource(named, name);
  else if (isLocal && source !== undefined && existsSync(source))
    await showSource(vscode.Uri.file(source), name);
  else await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(serverUri(name)));
}

async function showSource(file: vscode.Uri, name: string): Promise<void> {
  const document = await vscode.workspace.openTextDocument(file);
  const at = document.getText().indexOf(JSON.stringify(name));
  const place = document.positionAt(Math.max(0, at));
  await vscode.window.showTextDocument(document, {selection: new vscode.Range(place, place)});
}

async function find({servers, link}: Services, name: string): Promise<MCPServerInfo> {
  link.requireClient();
  const look = () => servers.all.find(row => row.name === name);
  if (!look()) await servers.refresh();
  const found = look();
  if (!found) throw new CoordinatorError('notFound', vscode.l10n.t('there is no MCP server {0}', name));
  return found;
}

/** Undefined: all of them, where that is offered. */
async function chooseServer(services: Services, argument: unknown, title: string): Promise<MCPServerInfo>;
async function chooseServer(
  services: Services,
  argument: unknown,
  title: string,
  offersAll: true,
): Promise<MCPServerInfo | undefined>;
async function chooseServer(
  services: Services,
  argument: unknown,
  title: string,
  offersAll = false,
): Promise<MCPServerInfo | undefined> {
  const target = targetOf(argument);
  if (target?.kind === 'server' || target?.kind === 'offer') return find(services, target.server);
  services.link.requireClient();
  await services.servers.refresh();
  const words = editorWords(services);
  const offers = services.servers.all.map(row => ({
    label: row.name,
    description: stateText(row.state, words),
    detail: endpointText(row.definition.endpoint),
    value: row,
  }));
  const all = {label: vscode.l10n.t('All of them'), value: undefined};
  return pickOne<MCPServerInfo | undefined>(offersAll && offers.length > 1 ? [all, ...offers] : offers, {
    title,
    none: vscode.l10n.t('No MCP server is registered.'),
  });
}

async function chooseOffer(services: Services, argument: unknown, title: string): Promise<OfferTarget> {
  const target = targetOf(argument);
  if (target?.kind === 'offer') return target;
  const row = await chooseServer(services, argument, title);
  const server = row.name;
  const offers = OFFER_PARTS.flatMap(part =>
    offersOf(row, part).map(({name, description}) => ({
      label: name,
      ...(description === undefined ? {} : {detail: headline(description)}),
      value: {kind: 'offer', server, part, name} as const,
    })),
  );
  return pickOne(offers, {title, none: vscode.l10n.t('Nothing is known yet of what {0} offers.', server)});
}
