/** Watches the shared memory of the sessions whose values are open, over whichever connection there is, and tells which keys were written. */
import type {DirtyRows} from '../../coordinator/client/mirror/dirtyRows.ts';
import {dirtyRows} from '../../coordinator/client/mirror/dirtyRows.ts';
import {rowKey, type ViewWatch} from '../../coordinator/client/viewWatch.ts';
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import {toDisposable} from '../../coordinator/runtime/disposable.ts';
import type {CoordinatorLink} from '../connection/coordinatorLink.ts';
import type {Fleet} from '../fleet/fleet.ts';
import type {StateKey} from './stateUri.ts';

export interface Written {
  readonly key: StateKey;
  readonly version: number;
}

interface Watched {
  users: number;
  view: ViewWatch | undefined;
  /** Versions as they were told last, by key. */
  versions: Map<string, number>;
}

export class StateWatches implements Disposable {
  private readonly sessions = new Map<string, Watched>();
  private readonly following: Disposable;

  constructor(
    fleet: Fleet,
    private readonly link: CoordinatorLink,
    private readonly tell: (changed: readonly Written[]) => void,
  ) {
    this.following = fleet.onChange(({part}) => {
      if (part === 'reset') this.reopen();
    });
  }

  watch(sessionId: string): Disposable {
    const watched = this.sessions.get(sessionId) ?? {users: 0, view: undefined, versions: new Map()};
    this.sessions.set(sessionId, watched);
    watched.users += 1;
    if (watched.users === 1) this.open(sessionId, watched);
    return toDisposable(() => {
      watched.users -= 1;
      if (watched.users > 0) return;
      this.sessions.delete(sessionId);
      watched.view?.dispose();
    });
  }

  dispose(): void {
    this.following.dispose();
    for (const {view} of this.sessions.values()) view?.dispose();
    this.sessions.clear();
  }

  private reopen(): void {
    for (const [sessionId, watched] of this.sessions) {
      watched.view?.dispose();
      this.open(sessionId, watched);
    }
  }

  private open(sessionId: string, watched: Watched): void {
    watched.view = this.link.client?.watch({view: 'memory', sessionId}, update => {
      const dirty = dirtyRows(update);
      if (dirty !== undefined) this.compare(sessionId, watched, dirty);
    });
  }

  private compare(sessionId: string, {view, versions}: Watched, dirty: DirtyRows): void {
    const changed: Written[] = [];
    const rows = [...(view?.rows.values() ?? [])];
    for (const row of rows) {
      if (row.kind !== 'memory' || (dirty !== 'all' && !dirty.has(rowKey(row)))) continue;
      if (versions.get(row.key) === row.version) continue;
      versions.set(row.key, row.version);
      changed.push({key: {sessionId, key: row.key}, version: row.version});
    }
    if (changed.length > 0) this.tell(changed);
  }
}
