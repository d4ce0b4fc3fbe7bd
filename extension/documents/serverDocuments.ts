/** How MCP servers are registered, as read-only documents: `mcpx-server:/NAME.json`. What may be secret is left out by the coordinator. */
import * as vscode from 'vscode';
import {ServerName} from '../../coordinator/protocol/model/server.ts';
import {describeError} from '../../coordinator/runtime/errors.ts';
import {SCHEMES} from '../contributions.ts';
import type {Services} from '../services.ts';
import {clientForDocuments} from './clientForDocuments.ts';

export class ServerDocuments implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<vscode.Uri>();
  private readonly following: vscode.Disposable;
  /** By name, as it was told last. */
  private readonly shown = new Map<string, string>();

  readonly onDidChange = this.changes.event;

  constructor(private readonly services: Services) {
    const {servers} = services;
    this.following = servers.onChange(() => {
      for (const {name, definition} of servers.all)
        if (this.shown.has(name) && this.shown.get(name) !== textOf(definition))
          this.changes.fire(serverUri(name));
    });
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const name = nameOf(uri);
    try {
      const client = await clientForDocuments(this.services);
      const {servers} = await client.request('mcpx.server.list', {name});
      const text = textOf(servers[0]?.definition);
      this.shown.set(name, text);
      return text;
    } catch (error) {
      return `// ${describeError(error)}\n`;
    }
  }

  dispose(): void {
    this.following.dispose();
    this.changes.dispose();
  }
}

export function serverUri(name: string): vscode.Uri {
  return vscode.Uri.from({scheme: SCHEMES.server, path: `/${name}.json`});
}

function textOf(definition: unknown): string {
  return `${JSON.stringify(definition, undefined, 2)}\n`;
}

function nameOf(uri: vscode.Uri): string {
  return ServerName.parse(/^\/(.+)\.json$/.exec(uri.path)?.[1]);
}
