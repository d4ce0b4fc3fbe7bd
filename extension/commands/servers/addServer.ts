/** Registers an MCP server that a person describes: by a command, or by an address. */
import * as vscode from 'vscode';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {ServerDefinition, ServerName} from '../../../coordinator/protocol/model/server.ts';
import type {Services} from '../../services.ts';
import {told, workingLong} from '../asking.ts';
import {registerServer} from './registerServer.ts';

/** `given` is a whole definition, for programs. One that does not answer is registered only if the person says so. */
export async function addServer(services: Services, given: unknown): Promise<void> {
  if (!services.link.client) await services.link.start();
  const {definition, replace} =
    given === undefined
      ? await described(services)
      : {definition: ServerDefinition.parse(given), replace: false};
  const {name} = definition;
  const register = (check: boolean): Promise<void> =>
    workingLong(vscode.l10n.t('Connecting to {0}', name), signal =>
      registerServer(services, definition, {check, replace, signal}),
    );
  try {
    await register(true);
  } catch (error) {
    if (!isProtocolError(error, 'invalidParams')) throw error;
    const anyway = vscode.l10n.t('Register All the Same');
    if ((await vscode.window.showWarningMessage(error.message, anyway)) !== anyway) return;
    await register(false);
  }
  told(vscode.l10n.t('{0} is registered', name));
  await services.servers.refresh();
}

async function described(services: Services) {
  const {askServer} = await import('./askServer.ts');
  const {replace, ...asked} = await askServer(
    services,
    name => ServerName.safeParse(name).error?.issues[0]?.message,
  );
  return {definition: ServerDefinition.parse(asked), replace};
}
