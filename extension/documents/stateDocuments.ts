/**
 * Shared memory as editable documents. A save holds only on top of the version that the editor has seen: a foreign change, of whatever length, is
 * never overwritten unless the person has been shown that there is one.
 */
import * as vscode from 'vscode';
import {KeyedLock} from '../../coordinator/artifacts/keyedLock.ts';
import type {Result} from '../../coordinator/protocol/commands/table.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {SCHEMES} from '../contributions.ts';
import type {Services} from '../services.ts';
import {clientForDocuments} from './clientForDocuments.ts';
import {formatJson, parseJsonText} from './jsonText.ts';
import {aspectOf, aspectQuery, type StateAspect, type StateKey, stateKeyOf, statePath} from './stateUri.ts';
import {StateVersions} from './stateVersions.ts';
import {StateWatches} from './stateWatches.ts';

type Stored = Result<'mcpx.memory.get'>;

/** What never was cannot be shown, and has no size. */
const NOTHING = '';

const FOLDER: vscode.FileStat = {type: vscode.FileType.Directory, ctime: 0, mtime: 0, size: 0};

export class StateDocuments implements vscode.FileSystemProvider, vscode.Disposable {
  private readonly versions = new StateVersions();
  /** The editor looks at time and content at once: one after the other, the content is never older than the time. */
  private readonly lock = new KeyedLock();
  private readonly changes = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  private readonly watches: StateWatches;

  readonly onDidChangeFile = this.changes.event;

  constructor(private readonly services: Services) {
    this.watches = new StateWatches(services.fleet, services.link, changed => {
      for (const {key, version} of changed) void this.tell(stateUri(key), version);
    });
  }

  dispose(): void {
    this.watches.dispose();
    this.changes.dispose();
  }

  watch(uri: vscode.Uri): vscode.Disposable {
    const key = stateKeyOf(uri.path);
    return key ? this.watches.watch(key.sessionId) : new vscode.Disposable(() => undefined);
  }

  stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    if (!uri.path.endsWith('.json')) return Promise.resolve(FOLDER);
    return this.lock.run(uri.path, async () => {
      const {kind} = aspect(uri);
      // What never changes has no time of its own.
      if (kind === 'past' || kind === 'mine')
        return {
          ...{type: vscode.FileType.File, ctime: 0, mtime: 0, permissions: vscode.FilePermission.Readonly},
          size: (await this.fixed(uri)).length,
        };
      const {record, version} = await this.get(uri);
      const permissions = kind === 'current' ? vscode.FilePermission.Readonly : undefined;
      const seen = this.versions.see(uri.path, version, record.timestamp);
      const {mtime, ctime} = seen;
      return {type: vscode.FileType.File, ctime, mtime, size: version, permissions};
    });
  }

  readFile(uri: vscode.Uri): Promise<Uint8Array> {
    return this.lock.run(uri.path, async () => {
      const {kind} = aspect(uri);
      if (kind === 'past' || kind === 'mine') return new TextEncoder().encode(await this.fixed(uri));
      const {record} = await this.get(uri);
      return new TextEncoder().encode(formatJson(record.value));
    });
  }

  writeFile(uri: vscode.Uri, content: Uint8Array, options: {create: boolean}): Promise<void> {
    return this.lock.run(uri.path, async () => {
      if (aspect(uri).kind !== 'live') throw vscode.FileSystemError.NoPermissions(uri);
      const parsed = parseJsonText(new TextDecoder().decode(content));
      if (parsed.kind === 'problem')
        throw vscode.FileSystemError.Unavailable(
          vscode.l10n.t(
            'line {0}, column {1}: this is not JSON. Nothing was stored.',
            parsed.line,
            parsed.column,
          ),
        );
      const seen = this.versions.last(uri.path);
      if (!seen && !options.create) throw vscode.FileSystemError.FileNotFound(uri);
      const key = keyOf(uri);
      const {clock} = this.services;
      try {
        const client = await clientForDocuments(this.services);
        const {version} = await client.request('mcpx.memory.put', {
          ...key,
          value: parsed.value,
          ifVersion: seen?.version ?? 0,
        });
        this.versions.see(uri.path, version, clock.wallNow());
      } catch (error) {
        if (isProtocolError(error, 'conflict')) this.refuse(uri);
        throw asFileError(error);
      }
    });
  }

  readDirectory(): [string, vscode.FileType][] {
    return [];
  }

  /** Keys have no folders: whatever looks like one is there. */
  createDirectory(): void {}

  delete(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  rename(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  /** Another coordinator's values have versions of their own. */
  reset(): void {
    this.versions.distrust();
  }

  /** Not of what the editor knows, such as its own saves: one that is under way ends first. */
  private async tell(uri: vscode.Uri, version: number): Promise<void> {
    const known = await this.lock.run(uri.path, () => Promise.resolve(this.versions.last(uri.path)?.version));
    if (known === version) return;
    this.changes.fire([
      {type: vscode.FileChangeType.Changed, uri},
      {type: vscode.FileChangeType.Changed, uri: currentUri(uri)},
    ]);
  }

  /**
   * Somebody wrote between the editor's look and its save. The editor can only offer to try again, and then sees the conflict itself; comparing
   * is offered here.
   */
  private refuse(uri: vscode.Uri): never {
    const compare = vscode.l10n.t('Compare');
    const message = vscode.l10n.t(
      '{0} was changed by somebody else meanwhile. Your change was not stored.',
      uri.path,
    );
    void vscode.window.showWarningMessage(message, compare).then(async choice => {
      if (choice === compare) await compareWithStored(uri);
    });
    this.changes.fire([{type: vscode.FileChangeType.Changed, uri}]);
    throw vscode.FileSystemError.Unavailable(message);
  }

  /** Text of what does not change any more: a value of the past, or one side of a conflict. */
  private async fixed(uri: vscode.Uri): Promise<string> {
    const shown = aspect(uri);
    const {sessionId, key} = keyOf(uri);
    if (shown.kind === 'mine') {
      const conflict = this.services.conflicts.get(sessionId, shown.conflictId);
      if (!conflict) throw vscode.FileSystemError.FileNotFound(uri);
      const {value} = conflict.mine;
      return value === undefined ? NOTHING : formatJson(value);
    }
    if (shown.kind !== 'past') throw vscode.FileSystemError.FileNotFound(uri);
    let stored: Stored;
    try {
      const client = await clientForDocuments(this.services);
      stored = await client.request('mcpx.memory.get', {sessionId, key, atRevision: shown.revision});
    } catch (error) {
      throw asFileError(error);
    }
    if (stored.compacted !== undefined)
      throw vscode.FileSystemError.Unavailable(
        vscode.l10n.t('{0} at revision {1} is forgotten: it was compacted.', key, shown.revision),
      );
    return stored.record ? formatJson(stored.record.value) : NOTHING;
  }

  private async get(uri: vscode.Uri): Promise<Stored & {record: NonNullable<Stored['record']>}> {
    let stored: Stored;
    try {
      stored = await (await clientForDocuments(this.services)).request('mcpx.memory.get', keyOf(uri));
    } catch (error) {
      throw asFileError(error);
    }
    const {record} = stored;
    if (record) return {...stored, record};
    this.versions.forget(uri.path);
    throw vscode.FileSystemError.FileNotFound(uri);
  }
}

export function stateUri(key: StateKey, shown: StateAspect = {kind: 'live'}): vscode.Uri {
  return vscode.Uri.from({scheme: SCHEMES.memory, path: statePath(key), query: aspectQuery(shown)});
}

/** The stored value beside the one in the editor. */
async function compareWithStored(uri: vscode.Uri): Promise<void> {
  const name = uri.path.split('/').at(-1) ?? '';
  const title = vscode.l10n.t('{0} (stored ↔ yours)', name);
  await vscode.commands.executeCommand('vscode.diff', currentUri(uri), uri, title);
}

function currentUri(uri: vscode.Uri): vscode.Uri {
  return uri.with({query: aspectQuery({kind: 'current'})});
}

function aspect(uri: vscode.Uri): StateAspect {
  const shown = aspectOf(uri.query);
  if (!shown) throw vscode.FileSystemError.FileNotFound(uri);
  return shown;
}

function keyOf(uri: vscode.Uri): StateKey {
  const key = stateKeyOf(uri.path);
  if (!key) throw vscode.FileSystemError.FileNotFound(uri);
  return key;
}

/** What the editor shows when it cannot read or save. */
function asFileError(error: unknown): Error {
  if (error instanceof vscode.FileSystemError) return error;
  if (isProtocolError(error, 'forbidden') || isProtocolError(error, 'unauthorized'))
    return vscode.FileSystemError.NoPermissions(error.message);
  return vscode.FileSystemError.Unavailable(error instanceof Error ? error.message : String(error));
}
