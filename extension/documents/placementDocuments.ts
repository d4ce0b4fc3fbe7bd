/** Why a task's attempts ran where they did, as read-only documents that follow what happens: `mcpx-placement:/SESSION/TASK.md`. */
import * as vscode from 'vscode';
import {placementsOf} from '../../coordinator/client/report/placements.ts';
import {snapshotRows} from '../../coordinator/client/snapshotRows.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {SessionId, TaskId} from '../../coordinator/protocol/ids.ts';
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import {describeError} from '../../coordinator/runtime/errors.ts';
import {SCHEMES} from '../contributions.ts';
import type {Services} from '../services.ts';
import {editorWords} from '../views/editorWords.ts';
import {clientForDocuments} from './clientForDocuments.ts';
import {placementMarkdown} from './placementMarkdown.ts';
import {ReadOnlyFiles} from './readOnlyFiles.ts';

interface TaskName {
  readonly sessionId: string;
  readonly taskId: string;
}

interface Shown {
  readonly text: string;
  /** Higher than that of every text before, in ms. */
  readonly mtime: number;
}

export class PlacementDocuments extends ReadOnlyFiles {
  /** By path, as it was told last. */
  private readonly shown = new Map<string, Shown>();

  constructor(private readonly services: Services) {
    super();
  }

  override watch(uri: vscode.Uri): vscode.Disposable {
    const name = nameOf(uri);
    const {fleet} = this.services;
    let session: Disposable | undefined;
    const open = (): void => {
      session?.dispose();
      const opened = fleet.mirror?.openSession(name.sessionId);
      if (!opened) return;
      const {mirror} = opened;
      const look = (): void => {
        if (mirror.isWhole) this.compare(uri, mirror.rows.values());
      };
      session = vscode.Disposable.from(mirror.onChange(look), opened);
      look();
    };
    open();
    const reopening = fleet.onChange(({part}) => {
      if (part === 'reset') open();
    });
    return new vscode.Disposable(() => {
      reopening.dispose();
      session?.dispose();
      this.shown.delete(uri.path);
    });
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const {text, mtime} = await this.look(uri);
    return {
      ...{type: vscode.FileType.File, ctime: 0, permissions: vscode.FilePermission.Readonly},
      mtime,
      size: new TextEncoder().encode(text).length,
    };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    return new TextEncoder().encode((await this.look(uri)).text);
  }

  private async look(uri: vscode.Uri): Promise<Shown> {
    const {sessionId} = nameOf(uri);
    try {
      const client = await clientForDocuments(this.services);
      const rows = await snapshotRows(client, {view: 'session', sessionId}, this.services.clock);
      const shown = this.take(uri, rows);
      if (shown) return shown;
    } catch (error) {
      throw vscode.FileSystemError.Unavailable(describeError(error));
    }
    throw vscode.FileSystemError.FileNotFound(uri);
  }

  private compare(uri: vscode.Uri, rows: Iterable<Row>): void {
    const before = this.shown.get(uri.path);
    if (!before || this.take(uri, rows) === before) return;
    this.changes.fire([{type: vscode.FileChangeType.Changed, uri}]);
  }

  /** Undefined when there is no such task. */
  private take(uri: vscode.Uri, rows: Iterable<Row>): Shown | undefined {
    const found = placementsOf(rows, nameOf(uri).taskId);
    if (!found) return undefined;
    const text = placementMarkdown(found, editorWords(this.services));
    const before = this.shown.get(uri.path);
    if (before?.text === text) return before;
    const now = this.services.clock.wallNow();
    const shown = {text, mtime: before === undefined ? now : Math.max(now, before.mtime + 1)};
    this.shown.set(uri.path, shown);
    return shown;
  }
}

export function placementUri({sessionId, taskId}: TaskName): vscode.Uri {
  return vscode.Uri.from({scheme: SCHEMES.placement, path: `/${sessionId}/${taskId}.md`});
}

function nameOf(uri: vscode.Uri): TaskName {
  const [, sessionId, taskId] = /^\/([^/]+)\/([^/]+)\.md$/.exec(uri.path) ?? [];
  if (!SessionId.safeParse(sessionId).success || !TaskId.safeParse(taskId).success)
    throw vscode.FileSystemError.FileNotFound(uri);
  return {sessionId: sessionId ?? '', taskId: taskId ?? ''};
}
