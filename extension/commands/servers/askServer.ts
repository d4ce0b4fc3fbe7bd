/** What a person is asked of an MCP server that is registered by hand. A bundle of its own, loaded when somebody does: see .config/build.mjs. */
import * as vscode from 'vscode';
import type {ServerEndpoint} from '../../../coordinator/protocol/model/server.ts';
import type {Services} from '../../services.ts';
import {askText, confirm, pickOne} from '../asking.ts';
import {splitCommandLine} from './commandLine.ts';
import {proposedName} from './proposedName.ts';

export interface AskedServer {
  readonly name: string;
  readonly endpoint: ServerEndpoint;
  /** One of this name is registered, and makes room for it. */
  readonly replace: boolean;
}

/** `faultOf`: what is wrong with a name. */
export async function askServer(
  services: Services,
  faultOf: (name: string) => string | undefined,
): Promise<AskedServer> {
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
  return {endpoint, ...(await askName(services, title, endpoint, faultOf))};
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
  faultOf: (name: string) => string | undefined,
): Promise<Omit<AskedServer, 'endpoint'>> {
  const name = await askText({
    title,
    prompt: vscode.l10n.t('A name for it: its tools are called NAME__TOOL.'),
    value: proposedName(endpoint),
    validateInput: faultOf,
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
