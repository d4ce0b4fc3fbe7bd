/**
 * The records under one prefix, kept in memory by a watch: what the services decide from before a transaction checks it. It may lag behind the
 * store, it never runs backwards. Deciding anything for good is left to transactions.
 */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import {parseRecord} from '../protocol/model/record.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {KeyValue, Store, WatchMessage} from '../store/store.ts';

/** A record with what a later transaction compares, and the lease that holds it. */
export interface WatchedRecord<T> {
  readonly key: string;
  readonly value: T;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease?: string | undefined;
}

/** `now` is absent when the record is gone, `before` when it is new. */
export interface RecordChange<T> {
  readonly key: string;
  readonly revision: number;
  readonly now?: WatchedRecord<T> | undefined;
  readonly before?: WatchedRecord<T> | undefined;
}

export interface WatchedRecordsOptions<S extends z.ZodType> {
  readonly store: Store;
  readonly schema: S;
  readonly prefix: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const PAGE = 1000;
/** Pause between tries to read the records again after the watch was cut. */
const RELOAD_MS = 1000;

export class WatchedRecords<S extends z.ZodType> implements Disposable {
  private readonly records = new Map<string, WatchedRecord<z.infer<S>>>();
  private readonly changes = new Emitter<RecordChange<z.infer<S>>>();
  private readonly owned = new DisposableStore();
  private watching: Disposable | undefined;
  private reloading = false;

  /** Runs on every change, in order for each key; a change that this process made is told once. */
  readonly onChange = this.changes.event;

  constructor(private readonly options: WatchedRecordsOptions<S>) {
    this.owned.add(this.changes);
  }

  /** Resolves when every record is here and the watch runs. */
  async start(): Promise<void> {
    await this.load();
  }

  get(key: string): WatchedRecord<z.infer<S>> | undefined {
    return this.records.get(key);
  }

  all(): Iterable<WatchedRecord<z.infer<S>>> {
    return this.records.values();
  }

  get size(): number {
    return this.records.size;
  }

  /** Takes a record that this process just wrote or read, ahead of the watch. Older than what is here: ignored. */
  take(kv: KeyValue): void {
    if (!this.owned.isDisposed) this.put(kv);
  }

  dispose(): void {
    this.watching?.dispose();
    this.owned.dispose();
    this.records.clear();
  }

  private async load(): Promise<void> {
    const seen = new Set<string>();
    let revision: number | undefined;
    let after: string | undefined;
    do {
      const page = await this.options.store.range(this.options.prefix, {
        limit: PAGE,
        after,
        atRevision: revision,
      });
      revision ??= page.revision;
      for (const kv of page.kvs) {
        seen.add(kv.key);
        this.put(kv);
      }
      after = page.more ? page.kvs.at(-1)?.key : undefined;
    } while (after !== undefined);
    const at = revision ?? 0;
    for (const [key, record] of this.records)
      if (!seen.has(key) && record.modRevision <= at) this.remove(key, at);
    if (this.owned.isDisposed) return;
    this.watching = this.options.store.watch(this.options.prefix, {fromRevision: at + 1}, message =>
      this.receive(message),
    );
  }

  private receive(message: WatchMessage): void {
    if (this.owned.isDisposed) return;
    switch (message.kind) {
      case 'events':
        for (const event of message.events) {
          if (event.kind === 'put') this.put(event.kv);
          else this.remove(event.key, event.kv.modRevision);
        }
        break;
      case 'compacted':
        this.reload();
        break;
      case 'closed':
        if (!message.error) return;
        this.options.logger.warn('a watch ended', {prefix: this.options.prefix, error: message.error});
        this.reload();
        break;
    }
  }

  /** The watch lost its place: the difference to a fresh range stands for what it missed. */
  private reload(): void {
    if (this.reloading || this.owned.isDisposed) return;
    this.reloading = true;
    this.watching?.dispose();
    const {clock, logger, prefix} = this.options;
    void this.load()
      .then(() => {
        this.reloading = false;
      })
      .catch((error: unknown) => {
        this.reloading = false;
        if (isCoordinatorError(error, 'closed')) return;
        logger.warn('records cannot be read again yet', {prefix, error});
        this.owned.add(clock.schedule(RELOAD_MS, () => this.reload(), {background: true}));
      });
  }

  private put(kv: KeyValue): void {
    const before = this.records.get(kv.key);
    if (before && before.modRevision >= kv.modRevision) return;
    let value: z.infer<S>;
    try {
      value = parseRecord(this.options.schema, kv.key, kv.value);
    } catch (error) {
      this.options.logger.error('a record is unreadable and left out', {key: kv.key, error});
      this.remove(kv.key, kv.modRevision);
      return;
    }
    const {key, createRevision, modRevision, version, lease} = kv;
    const now = {key, value, createRevision, modRevision, version, lease};
    this.records.set(key, now);
    this.changes.emit({key, revision: modRevision, now, before});
  }

  private remove(key: string, revision: number): void {
    const before = this.records.get(key);
    if (!before || before.modRevision > revision) return;
    this.records.delete(key);
    this.changes.emit({key, revision, before});
  }
}
