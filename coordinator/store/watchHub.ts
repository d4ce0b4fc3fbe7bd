/**
 * Feeds watchers of prefixes with whole revisions, in order, once. Watchers that are up to date share one delivery per prefix; a watcher from an
 * older revision replays history first, in slices.
 *
 * The naive way asks each watcher whether each key starts with its prefix. Here a key is cut to each length that some prefix has and looked
 * up, so that the cost goes with the number of different lengths, not of watchers.
 */
import type {Logger} from '../observability/logger.ts';
import {type Disposable, toDisposable} from '../runtime/disposable.ts';
import type {RevisionEvents, RevisionLog} from './revisionLog.ts';
import type {StoreEvent, WatchMessage} from './store.ts';

type Listener = (message: WatchMessage) => void;

interface Watcher {
  readonly prefix: string;
  readonly listener: Listener;
  /** First revision it wants. */
  readonly from: number;
  ended: boolean;
}

interface Group {
  readonly prefix: string;
  readonly watchers: Set<Watcher>;
  events: StoreEvent[];
}

/** What the hub reads of the state machine. */
export interface WatchSource {
  readonly revision: number;
  readonly compactRevision: number;
  readonly history: RevisionLog;
}

/** Revisions that one slice of a replay hands out before others get their turn. */
const REPLAY_SLICE = 500;

export class WatchHub {
  private readonly groups = new Map<string, Group>();
  /** How many groups have a prefix of this length. */
  private readonly lengths = new Map<number, number>();
  private readonly replaying = new Set<Watcher>();
  private delivered: number;

  constructor(
    private source: WatchSource,
    private readonly later: (run: () => void) => void,
    private readonly logger: Logger,
  ) {
    this.delivered = source.revision;
  }

  /** Never calls `listener` before it returns. */
  watch(prefix: string, fromRevision: number | undefined, listener: Listener): Disposable {
    const from = fromRevision === undefined ? this.source.revision + 1 : Math.max(1, fromRevision);
    const watcher: Watcher = {prefix, listener, from, ended: false};
    if (from > this.delivered) this.join(watcher);
    else {
      this.replaying.add(watcher);
      this.later(() => this.replay(watcher, from));
    }
    return toDisposable(() => this.end(watcher));
  }

  /** Delivers every revision that the source has gained. Call after applying, outside of it. */
  deliver(): void {
    while (this.delivered < this.source.revision) {
      this.delivered += 1;
      const record = this.source.history.at(this.delivered);
      if (record && this.groups.size > 0) this.dispatch(record);
    }
  }

  /** The state is another one, further on. Watchers go on where its history reaches back to them; the others are told that it does not. */
  replaceSource(source: WatchSource): void {
    this.source = source;
    if (this.delivered + 1 < source.history.first) this.jump(this.delivered + 1, source);
    this.deliver();
  }

  /** What was delivered and what the source has are not adjacent: `missed` is the first revision that was not. */
  private jump(missed: number, {revision, compactRevision}: WatchSource): void {
    this.delivered = revision;
    const watchers = [...this.groups.values()].flatMap(group => [...group.watchers]);
    for (const watcher of watchers) {
      const next = Math.max(watcher.from, missed);
      if (watcher.ended || next > revision) continue;
      this.leave(watcher);
      if (next > compactRevision) {
        // It came for what this node did not have yet, and the new state has all of it.
        this.replaying.add(watcher);
        this.later(() => this.replay(watcher, next));
      } else {
        watcher.ended = true;
        this.call(watcher, {kind: 'compacted', compactRevision});
      }
    }
  }

  /** Ends every watch. */
  close(error?: Error): void {
    const watchers = [...this.replaying, ...[...this.groups.values()].flatMap(group => [...group.watchers])];
    for (const watcher of watchers) {
      if (watcher.ended) continue;
      this.end(watcher);
      this.call(watcher, error ? {kind: 'closed', error} : {kind: 'closed'});
    }
  }

  private dispatch(record: RevisionEvents): void {
    const touched: Group[] = [];
    for (const event of record.events)
      for (const length of this.lengths.keys()) {
        if (length > event.key.length) continue;
        const group = this.groups.get(length === event.key.length ? event.key : event.key.slice(0, length));
        if (!group) continue;
        if (group.events.length === 0) touched.push(group);
        group.events.push(event);
      }
    for (const group of touched) {
      const events = group.events;
      group.events = [];
      const whole = events.length === record.events.length;
      const message: RevisionEvents = whole ? record : {kind: 'events', revision: record.revision, events};
      // A listener may end or add watchers of this very group meanwhile.
      for (const watcher of [...group.watchers])
        if (!watcher.ended && watcher.from <= record.revision) this.call(watcher, message);
    }
  }

  private replay(watcher: Watcher, from: number): void {
    let next = from;
    for (let left = REPLAY_SLICE; left > 0; left--) {
      if (watcher.ended) return;
      if (next <= this.source.compactRevision) {
        this.end(watcher);
        this.call(watcher, {kind: 'compacted', compactRevision: this.source.compactRevision});
        return;
      }
      if (next > this.delivered) {
        this.replaying.delete(watcher);
        this.join(watcher);
        return;
      }
      const record = this.source.history.at(next);
      next += 1;
      const events = record?.events.filter(event => event.key.startsWith(watcher.prefix)) ?? [];
      if (events.length > 0) this.call(watcher, {kind: 'events', revision: next - 1, events});
    }
    this.later(() => this.replay(watcher, next));
  }

  private join(watcher: Watcher): void {
    let group = this.groups.get(watcher.prefix);
    if (!group) {
      group = {prefix: watcher.prefix, watchers: new Set(), events: []};
      this.groups.set(watcher.prefix, group);
      const length = watcher.prefix.length;
      this.lengths.set(length, (this.lengths.get(length) ?? 0) + 1);
    }
    group.watchers.add(watcher);
  }

  private end(watcher: Watcher): void {
    watcher.ended = true;
    this.replaying.delete(watcher);
    this.leave(watcher);
  }

  /** The group that it joined, if any. */
  private leave(watcher: Watcher): void {
    const group = this.groups.get(watcher.prefix);
    if (!group?.watchers.delete(watcher) || group.watchers.size > 0) return;
    this.groups.delete(watcher.prefix);
    const length = watcher.prefix.length;
    const left = (this.lengths.get(length) ?? 1) - 1;
    if (left > 0) this.lengths.set(length, left);
    else this.lengths.delete(length);
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
