/**
 * The one watch of a tenant's shared memory on this coordinator: every value once at the start, then every change in order. When its place is
 * lost to compaction, listeners are told and get every value anew. What is made of it is theirs.
 */
import type {Logger} from '../observability/logger.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {KeyValue, Store, WatchMessage} from '../store/store.ts';

export type FeedEvent =
  | {readonly kind: 'put'; readonly kv: KeyValue; readonly revision: number}
  | {readonly kind: 'delete'; readonly key: string; readonly revision: number}
  /** Changes were missed: every value comes anew. */
  | {readonly kind: 'lost'};

export interface MemoryFeedOptions {
  readonly store: Store;
  readonly prefix: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const PAGE = 1000;
const RELOAD_MS = 1000;

export class MemoryFeed implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly events = this.owned.add(new Emitter<FeedEvent>());
  private watching: Disposable | undefined;

  readonly onEvent = this.events.event;

  constructor(private readonly options: MemoryFeedOptions) {}

  /** Resolves when every value was told and the watch runs. Rejects as the store does. */
  async start(): Promise<void> {
    const {store, prefix} = this.options;
    let revision: number | undefined;
    while (revision === undefined) revision = await this.readAll();
    if (this.owned.isDisposed) return;
    this.watching = store.watch(prefix, {fromRevision: revision + 1}, message => this.receive(message));
  }

  dispose(): void {
    this.watching?.dispose();
    this.owned.dispose();
  }

  /** The revision of what was told; undefined when that was forgotten before the last page was read. */
  private async readAll(): Promise<number | undefined> {
    const {store, prefix} = this.options;
    const first = await store.range(prefix, {limit: PAGE});
    for (let page = first; ; ) {
      for (const kv of page.kvs) this.events.emit({kind: 'put', kv, revision: kv.modRevision});
      const after = page.more ? page.kvs.at(-1)?.key : undefined;
      if (after === undefined) return first.revision;
      try {
        page = await store.range(prefix, {limit: PAGE, after, atRevision: first.revision});
      } catch (error) {
        if (!isCoordinatorError(error, 'notFound')) throw error;
        this.events.emit({kind: 'lost'});
        return undefined;
      }
    }
  }

  private receive(message: WatchMessage): void {
    if (message.kind === 'events') {
      const {revision} = message;
      for (const {kind, key, kv} of message.events)
        this.events.emit(kind === 'put' ? {kind, kv, revision} : {kind, key, revision});
    } else if (message.kind === 'compacted' || message.error) this.lost();
  }

  private lost(): void {
    if (this.owned.isDisposed) return;
    this.watching?.dispose();
    this.events.emit({kind: 'lost'});
    const {clock, logger} = this.options;
    this.start().catch((error: unknown) => {
      if (this.owned.isDisposed || isCoordinatorError(error, 'closed')) return;
      logger.warn('shared memory cannot be watched yet', {error});
      this.owned.add(clock.schedule(RELOAD_MS, () => this.lost(), {background: true}));
    });
  }
}
