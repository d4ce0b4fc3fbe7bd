/**
 * Typed views for clients: a snapshot at a revision, then every change in order. A client that returns resumes from its cursor while the recent
 * changes reach back to it, else it gets an explicit reset with a new snapshot; one that reads too slowly is reset too. Nothing is skipped
 * silently and nothing is buffered without bound.
 */
import type * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import type {Params} from '../../protocol/commands/table.ts';
import type {Cursor, WatchOpened} from '../../protocol/commands/watch.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import type {Store} from '../../store/store.ts';
import type {Caller, Outbox} from '../caller.ts';
import type {Hub} from '../hub.ts';
import {TokenBucket} from '../tokenBucket.ts';
import {ChangeFeed} from './changeFeed.ts';
import type {RingEntry} from './changeRing.ts';
import {channelOf} from './rowChange.ts';
import {type ViewSnapshot, viewSnapshot} from './viewSnapshot.ts';
import {Watcher} from './watcher.ts';
import {changeEvents, type EncodedEvent, eventFrame, snapshotTexts} from './watchFrames.ts';
import {type WatchSettings, watchSettings} from './watchSettings.ts';

export interface WatchServiceOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings?: Partial<WatchSettings>;
}

interface Channel {
  readonly watchers: Set<Watcher>;
  /** Revisions that its watchers have yet to be told. */
  pending: RingEntry[];
}

export class WatchService implements Disposable {
  private readonly settings: WatchSettings;
  private readonly feed: ChangeFeed;
  private readonly watchers = new Map<string, Watcher>();
  private readonly channels = new Map<string, Channel>();
  private readonly perConnection = new Map<string, number>();
  private readonly dirty = new Set<string>();
  private flushing: Disposable | undefined;
  private readonly pace: TokenBucket | undefined;
  private nextBookmark = 0;

  constructor(
    private readonly store: Store,
    private readonly options: WatchServiceOptions,
  ) {
    this.settings = watchSettings(options.settings);
    const {flushMs, flushBurst: burst} = this.settings;
    if (flushMs > 0) this.pace = new TokenBucket(options.clock, {perSecond: 1000 / flushMs, burst});
    this.feed = new ChangeFeed(store, options, this.settings, {
      onEntry: entry => this.onEntry(entry),
      onReset: reason => this.resetAll(reason),
    });
  }

  /** Rejects as the store does. */
  async start(): Promise<void> {
    await this.feed.start();
  }

  /** Serves `mcpx.watch.open` and `mcpx.watch.close`. */
  register(hub: Pick<Hub, 'handle'>): void {
    hub.handle('mcpx.watch.open', (params, caller) => this.open(params, caller));
    hub.handle('mcpx.watch.close', (params, caller) => this.close(params, caller));
  }

  async open(params: Params<'mcpx.watch.open'>, caller: Caller): Promise<z.input<typeof WatchOpened>> {
    const {selector, watchId, from} = params;
    const {tenant} = caller.principal;
    const watcher = this.admit(params, caller);
    const store = this.store.status().incarnation;
    try {
      if (from && from.store === store && this.feed.ring.covers(from.revision)) {
        watcher.position = from.revision;
        this.soon(() => void this.catchUp(watcher));
        return {kind: 'resumed', cursor: from};
      }
      const notBefore = from?.store === store ? from.revision : 0;
      const snapshot = await viewSnapshot(this.store, tenant, selector, notBefore);
      const cursor = {store, revision: snapshot.revision};
      watcher.position = snapshot.revision;
      this.soon(() => void this.sendSnapshot(watcher, cursor, snapshot));
      return {kind: from ? 'reset' : 'snapshot', cursor};
    } catch (error) {
      watcher.dispose();
      this.options.logger.debug('a watch was not opened', {watchId, error});
      throw error;
    }
  }

  close(params: Params<'mcpx.watch.close'>, caller: Caller): Promise<Record<string, never>> {
    this.watchers.get(watcherKey(caller.connectionId, params.watchId))?.dispose();
    return Promise.resolve({});
  }

  dispose(): void {
    this.feed.dispose();
    this.flushing?.dispose();
    for (const watcher of [...this.watchers.values()]) watcher.dispose();
  }

  private admit({watchId, selector}: Params<'mcpx.watch.open'>, caller: Caller): Watcher {
    const {connectionId, principal, outbox} = caller;
    const key = watcherKey(connectionId, watchId);
    if (this.watchers.has(key)) throw new ProtocolError('conflict', `the watch ${watchId} is open already`);
    const open = this.perConnection.get(connectionId) ?? 0;
    if (open >= this.settings.maxWatches)
      throw new ProtocolError('overloaded', 'too many watches', {limit: this.settings.maxWatches});
    const channel = channelOf(principal.tenant, selector);
    const watcher = new Watcher(key, watchId, channel, selector, outbox, this.settings.maxBacklogBytes, 0);
    this.watchers.set(key, watcher);
    this.perConnection.set(connectionId, open + 1);
    watcher.lifetime.add({dispose: () => this.forget(watcher, connectionId)});
    watcher.lifetime.add(caller.onClose(() => watcher.dispose()));
    return watcher;
  }

  private forget(watcher: Watcher, connectionId: string): void {
    this.watchers.delete(watcher.key);
    const left = (this.perConnection.get(connectionId) ?? 1) - 1;
    if (left > 0) this.perConnection.set(connectionId, left);
    else this.perConnection.delete(connectionId);
    this.leave(watcher);
  }

  /** After the answer to `open`, which the client needs first. */
  private soon(run: () => void): void {
    this.options.clock.schedule(0, run);
  }

  private async sendSnapshot(watcher: Watcher, cursor: Cursor, snapshot: ViewSnapshot): Promise<void> {
    for (const text of snapshotTexts(cursor, snapshot.rows, this.options.logger)) {
      await watcher.drained();
      if (watcher.isEnded) return;
      watcher.sendRows(text);
    }
    await this.catchUp(watcher);
  }

  /**
   * Tells what happened since its position, as fast as the client reads, and then lets it take part in every flush. What it has not read stays in
   * the ring, and nowhere else.
   */
  private async catchUp(watcher: Watcher): Promise<void> {
    const {logger} = this.options;
    while (!watcher.isEnded) {
      const {ring, revision} = this.feed;
      if (!ring.covers(watcher.position)) {
        watcher.reset('the client fell behind the recent changes');
        return;
      }
      const {incarnation} = this.store.status();
      const missed = ring.after(watcher.position);
      if (watcher.tell(changeEvents(missed, watcher.channel, revision, incarnation, logger))) {
        this.join(watcher);
        return;
      }
      await watcher.drained();
    }
  }

  private join(watcher: Watcher): void {
    watcher.live = true;
    let channel = this.channels.get(watcher.channel);
    if (!channel) {
      channel = {watchers: new Set(), pending: []};
      this.channels.set(watcher.channel, channel);
    }
    channel.watchers.add(watcher);
  }

  /** A watcher that is not read catches up later. */
  private leave(watcher: Watcher): void {
    watcher.live = false;
    const channel = this.channels.get(watcher.channel);
    channel?.watchers.delete(watcher);
    if (channel?.watchers.size === 0) this.channels.delete(watcher.channel);
  }

  private onEntry(entry: RingEntry): void {
    for (const change of entry.changes)
      for (const name of change.channels) {
        const channel = this.channels.get(name);
        if (!channel || channel.pending.at(-1) === entry) continue;
        channel.pending.push(entry);
        this.dirty.add(name);
      }
    if (this.dirty.size > 0 || entry.revision >= this.nextBookmark) this.scheduleFlush();
  }

  private scheduleFlush(): void {
    if (this.flushing) return;
    // After a quiet time at once; what goes on changing is gathered.
    this.flushing = this.options.clock.schedule(this.pace?.waitMs ?? 0, () => this.flush());
  }

  private flush(): void {
    this.flushing = undefined;
    this.pace?.takeAnyway(1);
    for (const name of this.dirty) {
      const channel = this.channels.get(name);
      if (channel) this.flushChannel(name, channel);
    }
    this.dirty.clear();
    if (this.feed.revision >= this.nextBookmark) this.bookmark();
  }

  private flushChannel(name: string, channel: Channel): void {
    const entries = channel.pending;
    channel.pending = [];
    const {incarnation} = this.store.status();
    const {revision} = this.feed;
    const encoded = new Map<number, EncodedEvent[]>();
    const shared = new Map<Outbox, Map<EncodedEvent[], Watcher[]>>();
    for (const watcher of [...channel.watchers]) {
      // Watchers that joined since the last flush have been told a part already.
      const skip = entries.findIndex(entry => entry.revision > watcher.position);
      if (skip < 0) continue;
      let events = encoded.get(skip);
      if (!events) {
        events = [...changeEvents(entries.slice(skip), name, revision, incarnation, this.options.logger)];
        encoded.set(skip, events);
      }
      if (watcher.outbox.sharesEvents) addTo(shared, watcher, events);
      else if (!watcher.tell(events)) this.fallBehind(watcher);
    }
    for (const [outbox, groups] of shared)
      for (const [events, watchers] of groups) this.tellTogether(outbox, events, watchers);
  }

  /** One frame for all watches of a connection that see the same. */
  private tellTogether(outbox: Outbox, events: readonly EncodedEvent[], watchers: readonly Watcher[]): void {
    for (const {revision, text} of events) {
      if (watchers[0]?.isBackedUp) {
        for (const watcher of watchers) if (!watcher.isEnded) this.fallBehind(watcher);
        return;
      }
      const [first, ...also] = watchers.flatMap(watcher => watcher.placeOf(revision) ?? []);
      if (first) outbox.send(eventFrame(first, text, also));
    }
  }

  private fallBehind(watcher: Watcher): void {
    this.leave(watcher);
    void this.catchUp(watcher);
  }

  /** Carries the cursors of quiet views forward, so that they can be resumed from. */
  private bookmark(): void {
    const step = Math.max(1, Math.floor(this.settings.ringRevisions / 4));
    const {revision} = this.feed;
    this.nextBookmark = revision + step;
    const cursor = {store: this.store.status().incarnation, revision};
    for (const watcher of this.watchers.values())
      if (watcher.live && watcher.position < revision - step) watcher.bookmark(cursor);
  }

  private resetAll(reason: string): void {
    this.dirty.clear();
    for (const watcher of [...this.watchers.values()]) watcher.reset(reason);
  }
}

function addTo(
  shared: Map<Outbox, Map<EncodedEvent[], Watcher[]>>,
  watcher: Watcher,
  events: EncodedEvent[],
): void {
  const groups = shared.get(watcher.outbox) ?? new Map<EncodedEvent[], Watcher[]>();
  shared.set(watcher.outbox, groups);
  const watchers = groups.get(events);
  if (watchers) watchers.push(watcher);
  else groups.set(events, [watcher]);
}

function watcherKey(connectionId: string, watchId: string): string {
  return `${connectionId}/${watchId}`;
}
