/** Rows of one or more views as a feed: one snapshot when all are whole, then what changed, gathered over a few milliseconds. */
import type {Row, ViewSelector} from '../../protocol/commands/watch.ts';
import type {Clock} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore, noDisposable} from '../../runtime/disposable.ts';
import {describeError} from '../../runtime/errors.ts';
import {rowKey, type ViewUpdate, type ViewWatch} from '../viewWatch.ts';
import type {SharedViews} from './sharedViews.ts';
import type {FeedEvent} from './topics.ts';

export interface FeedSink {
  emit(event: FeedEvent): void;
  /** What was sent is not what is: a new generation begins with a snapshot. */
  restart(): void;
}

export interface RowFeedOptions {
  readonly views: SharedViews;
  readonly selectors: readonly ViewSelector[];
  readonly clock: Clock;
  readonly coalesceMs: number;
  readonly sink: FeedSink;
}

export class RowFeed implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly watches: readonly ViewWatch[];
  private readonly dirty = new Map<string, {readonly kind: string; readonly id: string}>();
  private timer: Disposable = noDisposable;
  private live = false;

  constructor(private readonly options: RowFeedOptions) {
    const {views, selectors} = options;
    this.watches = selectors.map(selector => this.lifetime.add(views.hold(selector)).watch);
    for (const watch of this.watches) this.lifetime.add(watch.onUpdate(update => this.take(update)));
    this.begin();
  }

  dispose(): void {
    this.timer.dispose();
    this.lifetime.dispose();
  }

  private begin(): void {
    if (this.live || this.watches.some(watch => watch.cursor === undefined)) return;
    this.live = true;
    const rows = new Map<string, Row>();
    for (const watch of this.watches) for (const [key, row] of watch.rows) rows.set(key, row);
    this.options.sink.emit({kind: 'rows', rows: [...rows.values()], revision: this.revision});
  }

  private get revision(): number {
    return Math.max(...this.watches.map(watch => watch.cursor?.revision ?? 0));
  }

  private take(update: ViewUpdate): void {
    const {sink, clock, coalesceMs} = this.options;
    if (update.kind === 'failed') {
      if (!this.live) sink.emit({kind: 'failed', message: describeError(update.error)});
    } else if (update.kind === 'snapshot') {
      if (this.live) sink.restart();
      else this.begin();
    } else if (this.live) {
      for (const {kind, id} of [...update.upserts, ...update.deletes])
        this.dirty.set(rowKey({kind, id}), {kind, id});
      if (this.timer === noDisposable) this.timer = clock.schedule(coalesceMs, () => this.flush());
    }
  }

  private flush(): void {
    this.timer = noDisposable;
    const upserts: Row[] = [];
    const deletes: {kind: string; id: string}[] = [];
    for (const [key, gone] of this.dirty) {
      const row = this.watches.map(watch => watch.rows.get(key)).find(found => found !== undefined);
      if (row) upserts.push(row);
      else deletes.push(gone);
    }
    this.dirty.clear();
    this.options.sink.emit({kind: 'changes', revision: this.revision, upserts, deletes});
  }
}
