/** Registers MCP servers that files of this folder name: what is there is shown, and nothing is registered that the person has not chosen. */
import * as vscode from 'vscode';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import type {ServerDefinition} from '../../../coordinator/protocol/model/server.ts';
import {CoordinatorError, describeError} from '../../../coordinator/runtime/errors.ts';
import type {Services} from '../../services.ts';
import {requireTrust} from '../../trust.ts';
import {endpointText} from '../../views/model/serverNodes.ts';
import {confirm, given, sayAndStop, told, workingLong} from '../asking.ts';
import {registerServer} from './registerServer.ts';
import {type FoundServer, serversOfFolders} from './serverFiles.ts';

interface Refused {
  readonly definition: ServerDefinition;
  readonly reason: string;
}

export async function importServers(services: Services): Promise<void> {
  await requireTrust(
    vscode.l10n.t(
      'This folder is not trusted: MCP servers that it names are not imported. Nothing was registered.',
    ),
  );
  if (!services.link.client) await services.link.start();
  const {found, refused} = await serversOfFolders(services);
  if (found.length === 0 && refused.length === 0)
    sayAndStop(vscode.l10n.t('Neither .mcp.json nor .vscode/mcp.json of this folder names an MCP server.'));
  if (found.length === 0) throw new CoordinatorError('config', refused.join(' '));
  await services.servers.refresh();
  const chosen = await choose(services, found);
  await agree(services, chosen);
  const failed = await registerAll(services, chosen, true);
  await services.servers.refresh();
  if (refused.length > 0) void vscode.window.showWarningMessage(refused.join(' '));
  if (failed.length > 0) await offerUnchecked(services, failed, chosen.length);
  else told(countText(chosen.length));
}

async function choose({servers}: Services, found: readonly FoundServer[]): Promise<readonly FoundServer[]> {
  const taken = new Set(servers.all.map(({name}) => name));
  const offers = found.map(server => {
    const {name, endpoint} = server.definition;
    return {
      label: name,
      description: [
        server.file,
        ...(taken.has(name) ? [vscode.l10n.t('replaces the one that is registered')] : []),
        ...(server.isSecond ? [vscode.l10n.t('another file has one of this name')] : []),
      ].join(' · '),
      detail: endpointText(endpoint),
      picked: !server.isSecond,
      server,
    };
  });
  const picked = given(
    await vscode.window.showQuickPick(offers, {
      title: vscode.l10n.t('Import MCP Servers'),
      placeHolder: vscode.l10n.t('Which of these are registered for all agents and clients?'),
      canPickMany: true,
      matchOnDetail: true,
    }),
  );
  if (picked.length === 0) throw new vscode.CancellationError();
  return picked.map(({server}) => server);
}

async function agree({link}: Services, chosen: readonly FoundServer[]): Promise<void> {
  const where = link.chosen.kind === 'local' ? vscode.l10n.t('this machine') : link.chosen.name;
  await confirm(
    chosen.length === 1
      ? vscode.l10n.t('Import 1 MCP server?')
      : vscode.l10n.t('Import {0} MCP servers?', chosen.length),
    [
      vscode.l10n.t(
        'The coordinator ({0}) runs these commands with the rights of whoever started it, and connects to these addresses:',
        where,
      ),
      ...chosen.map(({definition: {name, endpoint}}) => `${name}: ${endpointText(endpoint)}`),
    ].join('\n'),
    vscode.l10n.t('Import'),
  );
}

/** Those that were refused. */
async function registerAll(
  services: Services,
  chosen: readonly Pick<FoundServer, 'definition'>[],
  check: boolean,
): Promise<readonly Refused[]> {
  const results = await workingLong(vscode.l10n.t('Registering MCP servers'), signal =>
    Promise.all(
      chosen.map(({definition}) =>
        registerServer(services, definition, {check, replace: true, signal}).then(
          () => undefined,
          (error: unknown) => {
            if (!isProtocolError(error, 'invalidParams')) throw error;
            return {definition, reason: describeError(error)};
          },
        ),
      ),
    ),
  );
  return results.filter(result => result !== undefined);
}

/** A server that does not answer now may do so later, or where its variables are set. */
async function offerUnchecked(services: Services, failed: readonly Refused[], count: number): Promise<void> {
  const anyway = vscode.l10n.t('Register All the Same');
  const message = vscode.l10n.t(
    '{0} of {1} are registered. {2}',
    count - failed.length,
    count,
    failed.map(({reason}) => reason).join(' '),
  );
  if ((await vscode.window.showWarningMessage(message, anyway)) !== anyway) return;
  const refused = await registerAll(services, failed, false);
  await services.servers.refresh();
  if (refused.length > 0) throw new CoordinatorError('config', refused.map(({reason}) => reason).join(' '));
  told(countText(failed.length));
}

function countText(count: number): string {
  return count === 1
    ? vscode.l10n.t('1 MCP server is registered')
    : vscode.l10n.t('{0} MCP servers are registered', count);
}
