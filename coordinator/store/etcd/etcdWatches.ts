/**
 * The watches of a store over one feed from etcd. A watch from a recent revision is served from memory; one from an older revision gets a
 * replay of its own from etcd, up to where memory begins. Each gets whole revisions, in order, once.
 */
import type {IEvent} from 'etcd3';
import type {Logger} from '../../observability/logger.ts';
import {type Disposable, toDisposable} from '../../runtime/disposable.ts';
import type {RevisionEvents} from '../revisionLog.ts';
import type {WatchMessage} from '../store.ts';
import {EtcdFeed, type FeedParts} from './etcdFeed.ts';
import type {KeySpace} from './keySpace.ts';
import {RecentRevisions} from './recentRevisions.ts';
import type {RawRevision} from './revisionAssembler.ts';
import {storeRevision} from './storeRevision.ts';

type Listener = (message: WatchMessage) => void;

interface Watcher {
  readonly prefix: string;
  readonly listener: Listener;
  /** First revision that it still wants. */
  from: number;
  /** Its own replay, while it is behind what is in memory. */
  replay: EtcdFeed | undefined;
  ended: boolean;
}

export interface WatchesParts extends FeedParts {
  readonly space: KeySpace;
  readonly endOfTurn: (run: () => void) => void;
  /** The store has been followed up to here. */
  readonly followed: (changes: RevisionEvents, own: readonly IEvent[]) => void;
  /** etcd forgot what was to come: every watch has been told. */
  readonly compacted: (compactRevision: number) => void;
  /** Watches from this revision or below are answered `compacted`. */
  readonly compactRevision: () => number;
}

/** Revisions that one slice of a replay from memory hands out before others get their turn. */
const SLICE = 500;

export class EtcdWatches {
  /** Those that are up to date. */
  private readonly live = new Set<Watcher>();
  private readonly behind = new Set<Watcher>();
  private recent: RecentRevisions;
  private feed: EtcdFeed;

  /** Follows the store from behind revision `delivered`, which must have changed something of it. */
  constructor(
    private readonly parts: WatchesParts,
    private delivered: number,
  ) {
    this.recent = this.remember(delivered);
    this.feed = this.follow(delivered);
  }

  /** Everything up to here has been handed out. */
  get revision(): number {
    return this.delivered;
  }

  get logger(): Logger {
    return this.parts.logger;
  }

  /** Never calls `listener` before it returns. */
  watch(prefix: string, from: number, listener: Listener): Disposable {
    const watcher: Watcher = {prefix, listener, from: Math.max(1, from), replay: undefined, ended: false};
    if (watcher.from > Math.max(this.delivered, this.parts.compactRevision())) this.live.add(watcher);
    else {
      this.behind.add(watcher);
      this.parts.endOfTurn(() => this.catchUp(watcher));
    }
    return toDisposable(() => this.end(watcher));
  }

  /** Opens the stream from etcd anew, where this one has fallen behind. */
  renew(why: Error): void {
    const {member} = this.feed;
    if (member) this.parts.endpoints.suspect(member, why);
  }

  /** Ends every watch. */
  close(error?: Error): void {
    this.feed.dispose();
    this.endAll(error ? {kind: 'closed', error} : {kind: 'closed'});
  }

  private follow(delivered: number): EtcdFeed {
    return new EtcdFeed(this.parts, delivered + 1, {
      onRevision: raw => this.take(raw),
      onCompacted: compactRevision => this.lost(compactRevision),
    });
  }

  private remember(delivered: number): RecentRevisions {
    const {recentRevisions: revisions, recentBytes: bytes} = this.parts.settings;
    return new RecentRevisions(delivered + 1, {revisions, bytes});
  }

  private take(raw: RawRevision): void {
    const revision = storeRevision(raw, this.parts.space);
    if (revision.kind === 'compacted') {
      this.feed.dispose();
      this.lost(raw.revision);
      return;
    }
    this.delivered = raw.revision;
    const {changes, own} = revision;
    if (changes.events.length > 0) this.recent.append(changes);
    this.parts.followed(changes, own);
    // A listener may end or add watchers meanwhile.
    if (changes.events.length > 0) for (const watcher of [...this.live]) this.deliver(watcher, changes);
  }

  /** What came between is gone, so whoever wants any of it starts anew; so does the feed, from the first revision that is whole. */
  private lost(compactRevision: number): void {
    this.logger.warn('the etcd was compacted beyond what was watched', {compactRevision});
    this.delivered = Math.max(this.delivered, compactRevision);
    this.recent = this.remember(this.delivered);
    this.parts.compacted(compactRevision);
    this.feed = this.follow(this.delivered);
    this.endAll({kind: 'compacted', compactRevision}, this.delivered);
  }

  /** A slice of what is in memory, a replay by etcd where that does not reach back far enough, or nothing more to do. */
  private catchUp(watcher: Watcher): void {
    if (watcher.ended) return;
    const compactRevision = this.parts.compactRevision();
    if (watcher.from <= compactRevision) {
      this.end(watcher);
      this.call(watcher, {kind: 'compacted', compactRevision});
      return;
    }
    if (!this.recent.covers(watcher.from)) {
      this.replay(watcher);
      return;
    }
    const slice = this.recent.after(watcher.from, SLICE);
    for (const changes of slice) this.deliver(watcher, changes);
    if (watcher.ended) return;
    if (slice.length === SLICE) {
      this.parts.endOfTurn(() => this.catchUp(watcher));
      return;
    }
    this.behind.delete(watcher);
    this.live.add(watcher);
  }

  private replay(watcher: Watcher): void {
    const replay = new EtcdFeed(this.parts, watcher.from, {
      onRevision: raw => {
        const revision = storeRevision(raw, this.parts.space);
        if (revision.kind === 'whole') {
          this.deliver(watcher, revision.changes);
          if (watcher.ended || !this.recent.covers(raw.revision + 1)) return;
          replay.dispose();
          watcher.replay = undefined;
          watcher.from = raw.revision + 1;
          this.parts.endOfTurn(() => this.catchUp(watcher));
          return;
        }
        this.end(watcher);
        this.call(watcher, {kind: 'compacted', compactRevision: raw.revision});
      },
      onCompacted: compactRevision => {
        this.end(watcher);
        this.call(watcher, {kind: 'compacted', compactRevision});
      },
    });
    watcher.replay = replay;
  }

  private deliver(watcher: Watcher, changes: RevisionEvents): void {
    if (watcher.ended || changes.revision < watcher.from) return;
    watcher.from = changes.revision + 1;
    const {prefix} = watcher;
    const events = prefix === '' ? changes.events : changes.events.filter(({key}) => key.startsWith(prefix));
    if (events.length > 0) this.call(watcher, {kind: 'events', revision: changes.revision, events});
  }

  /** All that want something up to a revision. */
  private endAll(message: WatchMessage, upTo = Number.POSITIVE_INFINITY): void {
    for (const watcher of [...this.behind, ...this.live]) {
      if (watcher.ended || watcher.from > upTo) continue;
      this.end(watcher);
      this.call(watcher, message);
    }
  }

  private end(watcher: Watcher): void {
    watcher.ended = true;
    watcher.replay?.dispose();
    watcher.replay = undefined;
    this.live.delete(watcher);
    this.behind.delete(watcher);
  }

  private call(watcher: Watcher, message: WatchMessage): void {
    try {
      watcher.listener(message);
    } catch (error) {
      // The contract forbids it; the other watchers must not pay.
      this.logger.error('a watch listener threw', {prefix: watcher.prefix, error});
    }
  }
}
