/**
 * The tree of shared memory: session, then its conflicts, then its keys, split at their slashes. A session's keys are watched while somebody
 * looks. Pure.
 */

import {compareText} from '../../../coordinator/client/report/sessionReport.ts';
import type {Row} from '../../../coordinator/protocol/commands/watch.ts';
import {type Disposable, DisposableStore} from '../../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../../coordinator/runtime/emitter.ts';
import {CONFLICT_ICON, type ConflictSource, conflictNode, preview} from './conflictNodes.ts';
import {type FleetSource, whenWhole} from './fleetRows.ts';
import {conflictNodeId, nodeRef, stateNodeId} from './nodeIds.ts';
import type {Dirt, TreeModel, TreeNode} from './treeModel.ts';
import {ago, dateAndTime, joined, timeOfDay, type Words} from './words.ts';

export type MemoryRow = Extract<Row, {kind: 'memory'}>;

/** Watches the keys of a session; undefined without a coordinator. */
export type WatchMemory = (
  sessionId: string,
  changed: () => void,
) => ({readonly rows: Iterable<Row>; readonly isWhole: boolean} & Disposable) | undefined;

const NO_CONFLICTS: ConflictSource = {all: [], onChange: () => ({dispose: () => undefined})};

interface OpenMemory extends Disposable {
  readonly whole: Promise<void>;
  readonly read: () => void;
  keys: ReadonlyMap<string, MemoryRow>;
  /** Folder -> its entries; a folder ends with a slash, the root is empty. */
  folders: ReadonlyMap<string, readonly string[]>;
}

export class SharedStateModel implements TreeModel {
  private readonly lifetime = new DisposableStore();
  private readonly dirt = this.lifetime.add(new Emitter<Dirt>());
  private readonly sessions = new Map<string, OpenMemory>();

  readonly onDirty: Event<Dirt> = this.dirt.event;

  constructor(
    private readonly fleet: FleetSource,
    private readonly watch: WatchMemory,
    private readonly words: Words,
    private readonly conflicts: ConflictSource = NO_CONFLICTS,
  ) {
    let ids = this.ids();
    this.lifetime.add(
      fleet.onChange(({part}) => {
        if (part === 'reset') this.closeAll();
        if (part !== 'reset' && part !== 'sessions') return;
        const before = ids;
        ids = this.ids();
        if (part === 'reset' || before.join() !== ids.join()) this.dirt.emit('all');
      }),
    );
    this.lifetime.add(conflicts.onChange(() => this.dirt.emit('all')));
  }

  /** Conflicts that wait for a person, in all sessions. */
  get waiting(): number {
    return this.conflicts.all.length;
  }

  children(id: string | undefined): readonly string[] {
    if (id === undefined) return this.ids().map(sessionId => stateNodeId(sessionId, ''));
    const ref = nodeRef(id);
    if (ref?.kind !== 'state') return [];
    const entries = this.sessions.get(ref.sessionId)?.folders.get(ref.path) ?? [];
    const keys = entries.map(entry => stateNodeId(ref.sessionId, entry));
    if (ref.path !== '') return keys;
    return [...this.conflictsOf(ref.sessionId).map(each => conflictNodeId(each.sessionId, each.id)), ...keys];
  }

  node(id: string): TreeNode | undefined {
    const ref = nodeRef(id);
    if (ref?.kind === 'conflict') {
      const conflict = this.conflictsOf(ref.sessionId).find(each => each.id === ref.conflictId);
      return conflict && conflictNode(conflict, this.words);
    }
    if (ref?.kind !== 'state') return undefined;
    const {sessionId, path} = ref;
    if (path === '') return this.sessionNode(id, sessionId);
    const memory = this.sessions.get(sessionId);
    if (path.endsWith('/') && memory?.folders.has(path))
      return {id, label: nameOf(path), icon: {id: 'folder'}, expansion: 'collapsed'};
    const row = memory?.keys.get(path);
    const isContested = this.conflictsOf(sessionId).some(({key}) => key === path);
    return row && keyNode({id, sessionId, isContested}, row, this.words);
  }

  parent(id: string): string | undefined {
    const ref = nodeRef(id);
    if (ref?.kind === 'conflict') return stateNodeId(ref.sessionId, '');
    if (ref?.kind !== 'state' || ref.path === '') return undefined;
    return stateNodeId(ref.sessionId, folderOf(ref.path));
  }

  open(id: string | undefined): Promise<void> | undefined {
    if (id === undefined) return whenWhole(this.fleet);
    const ref = nodeRef(id);
    if (ref?.kind !== 'state' || ref.path !== '') return undefined;
    const known = this.sessions.get(ref.sessionId) ?? this.openMemory(ref.sessionId);
    return known?.whole;
  }

  close(id: string): void {
    const ref = nodeRef(id);
    if (ref?.kind !== 'state' || ref.path !== '') return;
    this.sessions.get(ref.sessionId)?.dispose();
    this.sessions.delete(ref.sessionId);
  }

  watched(): void {}

  tick(): void {}

  dispose(): void {
    this.closeAll();
    this.lifetime.dispose();
  }

  private conflictsOf(sessionId: string) {
    return this.conflicts.all.filter(conflict => conflict.sessionId === sessionId);
  }

  private ids(): readonly string[] {
    return (this.fleet.mirror?.sessions ?? []).map(({session}) => session.id);
  }

  private sessionNode(id: string, sessionId: string): TreeNode | undefined {
    const session = this.fleet.mirror?.session(sessionId)?.session;
    if (!session) return undefined;
    const memory = this.sessions.get(sessionId);
    const {t} = this.words;
    const count = memory?.keys.size;
    const conflicts = this.conflictsOf(sessionId).length;
    return {
      id,
      label: session.name,
      description: joined(
        conflicts === 0 ? undefined : conflicts === 1 ? t('1 conflict') : t('{0} conflicts', conflicts),
        count === undefined
          ? undefined
          : count === 0
            ? t('no keys')
            : count === 1
              ? t('1 key')
              : t('{0} keys', count),
        timeOfDay(session.createdAt, this.words),
      ),
      tooltip: [session.id, dateAndTime(session.createdAt, this.words)],
      icon: conflicts > 0 ? CONFLICT_ICON : {id: 'database'},
      target: {kind: 'session', sessionId},
      expansion: 'collapsed',
    };
  }

  private openMemory(sessionId: string): OpenMemory | undefined {
    let resolveWhole: () => void = () => undefined;
    const whole = new Promise<void>(resolve => {
      resolveWhole = resolve;
    });
    const watching = this.watch(sessionId, () => this.changed(sessionId));
    if (!watching) return undefined;
    const memory: OpenMemory = {
      whole,
      read: () => read(),
      keys: new Map(),
      folders: new Map(),
      dispose: () => {
        resolveWhole();
        watching.dispose();
      },
    };
    const read = (): void => {
      memory.keys = new Map(
        [...watching.rows].flatMap(row => (row.kind === 'memory' ? [[row.key, row] as const] : [])),
      );
      memory.folders = foldersOf([...memory.keys.keys()]);
      if (watching.isWhole) resolveWhole();
    };
    this.sessions.set(sessionId, memory);
    read();
    return memory;
  }

  /** Every key's and folder's look may be another: the shell tells those that are. */
  private changed(sessionId: string): void {
    const memory = this.sessions.get(sessionId);
    if (!memory) return;
    const before = [...memory.keys.keys(), ...memory.folders.keys()];
    memory.read();
    const all = new Set([...before, ...memory.keys.keys(), ...memory.folders.keys(), '']);
    this.dirt.emit(new Set([...all].map(path => stateNodeId(sessionId, path))));
  }

  private closeAll(): void {
    for (const memory of this.sessions.values()) memory.dispose();
    this.sessions.clear();
  }
}

function keyNode(
  {id, sessionId, isContested}: {id: string; sessionId: string; isContested: boolean},
  {key, memory, version}: MemoryRow,
  words: Words,
): TreeNode {
  const target = {kind: 'stateKey', sessionId, key} as const;
  const {t} = words;
  return {
    id,
    label: nameOf(key),
    description: joined(isContested ? t('conflict') : undefined, preview(memory.value), `v${version}`),
    tooltip: [
      key,
      t('Version: {0}', version),
      t('Written {0}', ago(memory.timestamp, words)),
      ...(memory.attemptId === undefined ? [] : [t('By: {0}', memory.attemptId)]),
    ],
    icon: isContested ? CONFLICT_ICON : {id: 'symbol-key'},
    contextValue: 'stateKey',
    target,
    expansion: 'leaf',
    click: {name: 'openStateValue', target},
  };
}

/** What is left of the last slash; a folder's own slash does not count. */
function folderOf(path: string): string {
  return path.slice(0, path.replace(/\/$/, '').lastIndexOf('/') + 1);
}

function nameOf(path: string): string {
  return path.replace(/\/$/, '').slice(folderOf(path).length) || path;
}

/** Folders first, each sorted. */
export function foldersOf(keys: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const folders = new Map<string, Set<string>>([['', new Set()]]);
  const enter = (path: string): void => {
    const folder = folderOf(path);
    const entries = folders.get(folder);
    if (entries) entries.add(path);
    else {
      folders.set(folder, new Set([path]));
      enter(folder);
    }
  };
  for (const key of keys) enter(key);
  const isFolder = (path: string): number => (folders.has(path) ? 0 : 1);
  return new Map(
    [...folders].map(([folder, entries]) => [
      folder,
      [...entries].sort((a, b) => isFolder(a) - isFolder(b) || compareText(a, b)),
    ]),
  );
}
