/** The files of this window's folders that name MCP servers, read anew each time. */
import * as vscode from 'vscode';
import type {ServerDefinition} from '../../../coordinator/protocol/model/server.ts';
import type {Services} from '../../services.ts';

/** Of Claude Code, and of VS Code. */
const FILES = ['.mcp.json', '.vscode/mcp.json'];

export interface FoundServer {
  readonly definition: ServerDefinition;
  /** As a person calls it. */
  readonly file: string;
  readonly uri: vscode.Uri;
  /** Another one that was found before has this name. */
  readonly isSecond: boolean;
}

export interface FoundServers {
  readonly found: readonly FoundServer[];
  /** What is wrong with others: what, where, and what to do. */
  readonly refused: readonly string[];
}

export async function serversOfFolders({link}: Pick<Services, 'link'>): Promise<FoundServers> {
  // A bundle of its own: see .config/build.mjs.
  const parser = await import('../../../coordinator/protocol/servers/importServers.ts');
  const found: FoundServer[] = [];
  const refused: string[] = [];
  for (const folder of vscode.workspace.workspaceFolders ?? [])
    for (const name of FILES) {
      const uri = vscode.Uri.joinPath(folder.uri, name);
      const text = await textOf(uri);
      if (text === undefined) continue;
      const file = vscode.workspace.asRelativePath(uri);
      try {
        // Where the coordinator is elsewhere, this folder is not.
        const place = link.chosen.kind === 'local' ? folder.uri.fsPath : undefined;
        const {servers, refused: others} = parser.importServers(text, file, place);
        refused.push(...others.map(({reason}) => `${reason}.`));
        for (const definition of servers) {
          const isSecond = found.some(other => other.definition.name === definition.name);
          found.push({definition, file, uri, isSecond});
        }
      } catch (error) {
        if (!(error instanceof parser.ImportError)) throw error;
        refused.push(`${error.message}.`);
      }
    }
  return {found, refused};
}

/** Undefined: there is no such file. */
async function textOf(uri: vscode.Uri): Promise<string | undefined> {
  try {
    return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
  } catch (error) {
    if (error instanceof vscode.FileSystemError && error.code === 'FileNotFound') return undefined;
    throw error;
  }
}
