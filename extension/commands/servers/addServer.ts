/** Registers an MCP server that a person describes: by a command, or by an address. */
import * as vscode from 'vscode';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {
  ServerDefinition,
  type ServerEndpoint,
  ServerName,
} from '../../../coordinator/protocol/model/server.ts';
import type {Services} from '../../services.ts';
import {askText, confirm, pickOne, told, workingLong} from '../asking.ts';
import {splitCommandLine} from './commandLine.ts';
import {proposedName} from './proposedName.ts';
import {registerServer} from './registerServer.ts';

interface Asked {
  readonly definition: ServerDefinition;
  readonly replace: boolean;
}

/** `given` is a whole definition, for programs. One that does not answer is registered only if the person says so. */
export async function addServer(services: Services, given: unknown): Promise<void> {
  if (!services.link.client) await services.link.start();
  const {definition, replace} =
    given === undefined
      ? await askDefinition(services)
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

async function askDefinition(services: Services): Promise<Asked> {
  const title = vscode.l10n.t('Add MCP Server');
  const kind = await pickOne(
    [
      {
        label: vscode.l10n.t('$(terminal) Command'),
        description: vscode.l10n.t('started beside the coordinator, spoken to over its pipes'),
        value: 'stdio' as const,
      },
      {
        label: vscode.l10n.t('$(globe) Address'),
        description: vscode.l10n.t('a server that runs already, spoken to over HTTP'),
        value: 'http' as const,
      },
    ],
    {title, none: ''},
  );
  const endpoint = kind === 'stdio' ? await askCommand(services, title) : await askAddress(title);
  const {name, replace} = await askName(services, title, endpoint);
  return {definition: ServerDefinition.parse({name, endpoint}), replace};
}

async function askCommand({link}: Services, title: string): Promise<ServerEndpoint> {
  const line = await askText({
    title,
    prompt: vscode.l10n.t(
      'The command with its arguments. {0} is filled in from the environment of the coordinator: secrets need not be written here.',
      reference('NAME'),
    ),
    placeHolder: 'npx -y @modelcontextprotocol/server-everything',
    validateInput: text =>
      splitCommandLine(text) === undefined
        ? vscode.l10n.t('A command, with quotes around what has spaces.')
        : undefined,
  });
  const [command = '', ...args] = splitCommandLine(line) ?? [];
  // Where the coordinator is elsewhere, this folder is not.
  const folder =
    link.chosen.kind === 'local' ? vscode.workspace.workspaceFolders?.[0]?.uri.fsPath : undefined;
  return {type: 'stdio', command, args, env: {}, ...(folder === undefined ? {} : {cwd: folder})};
}

async function askAddress(title: string): Promise<ServerEndpoint> {
  const url = await askText({
    title,
    prompt: vscode.l10n.t('Its address, as the coordinator reaches it.'),
    placeHolder: 'https://host/mcp',
    validateInput: text =>
      /^https?:\/\/[^\s/]+/.test(text) ? undefined : vscode.l10n.t('An http:// or https:// address.'),
  });
  const header = await askText({
    title,
    prompt: vscode.l10n.t(
      'What it wants in the header Authorization, such as "Bearer {0}", which is filled in from the environment of the coordinator. Empty: nothing.',
      reference('TOKEN'),
    ),
  });
  return {type: 'http', url, headers: header.trim() === '' ? {} : {Authorization: header.trim()}};
}

async function askName(
  {servers}: Services,
  title: string,
  endpoint: ServerEndpoint,
): Promise<{readonly name: string; readonly replace: boolean}> {
  const name = await askText({
    title,
    prompt: vscode.l10n.t('A name for it: its tools are called NAME__TOOL.'),
    value: proposedName(endpoint),
    validateInput: text => {
      const parsed = ServerName.safeParse(text);
      return parsed.success ? undefined : parsed.error.issues[0]?.message;
    },
  });
  await servers.refresh();
  const replace = servers.all.some(other => other.name === name);
  if (replace)
    await confirm(
      vscode.l10n.t('Replace {0}?', name),
      vscode.l10n.t('A server of this name is registered. Its connections end, and calls of it with them.'),
      vscode.l10n.t('Replace'),
    );
  return {name, replace};
}

function reference(variable: string): string {
  return `$\{${variable}}`;
}
