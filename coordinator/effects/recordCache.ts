/**
 * The newest records of one kind that passed by, bounded, parsed when wanted: saves a read before a transaction that compares the mod
 * revision anyway. A stale entry costs a retry, never a wrong write.
 */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import type {Disposable} from '../runtime/disposable.ts';
import {type Stored, storedRecord} from '../store/records.ts';
import type {KeyValue, Store} from '../store/store.ts';

interface Entry<T> {
  readonly key: string;
  readonly modRevision: number;
  /** Either the text, or what was parsed from it. */
  record: {readonly text: KeyValue} | {readonly parsed: Stored<T>};
}

export class RecordCache<S extends z.ZodType> implements Disposable {
  /** Least recently used first. */
  private readonly entries = new Map<string, Entry<z.infer<S>>>();
  private watching: Disposable | undefined;

  constructor(
    private readonly store: Store,
    private readonly schema: S,
    private readonly prefix: string,
    private readonly maxEntries: number,
    private readonly logger: Logger,
  ) {
    this.watch();
  }

  /** From memory, else from what this node has applied. Throws a `RecordError` for an unreadable record. */
  async read(key: string): Promise<Stored<z.infer<S>> | undefined> {
    const cached = this.peek(key);
    if (cached) return cached;
    const kv = (await this.store.get(key, {consistency: 'local'})) ?? (await this.store.get(key));
    return kv && this.take(kv);
  }

  peek(key: string): Stored<z.infer<S>> | undefined {
    const entry = this.entries.get(key);
    if (!entry) return undefined;
    this.entries.delete(key);
    this.entries.set(key, entry);
    if ('parsed' in entry.record) return entry.record.parsed;
    const parsed = storedRecord(this.schema, entry.record.text);
    entry.record = {parsed};
    return parsed;
  }

  /** Takes what a transaction just read; returns the newest that is known. */
  take(kv: KeyValue): Stored<z.infer<S>> {
    this.put(entryOf(kv));
    return this.peek(kv.key) ?? storedRecord(this.schema, kv);
  }

  /** Takes what this process just wrote at `revision` over `before`. */
  wrote(before: Stored<z.infer<S>>, value: z.infer<S>, revision: number): void {
    const parsed = {...before, value, modRevision: revision, version: before.version + 1};
    this.put({key: before.key, modRevision: revision, record: {parsed}});
  }

  forget(key: string): void {
    this.entries.delete(key);
  }

  dispose(): void {
    this.watching?.dispose();
    this.watching = undefined;
    this.entries.clear();
  }

  private watch(): void {
    this.watching = this.store.watch(this.prefix, {}, message => {
      switch (message.kind) {
        case 'events':
          for (const event of message.events) {
            if (event.kind === 'put') this.put(entryOf(event.kv));
            else this.entries.delete(event.key);
          }
          break;
        case 'compacted':
          this.entries.clear();
          this.watching?.dispose();
          this.watch();
          break;
        case 'closed':
          this.entries.clear();
          if (message.error) this.logger.error('a watch ended', {prefix: this.prefix, error: message.error});
          break;
      }
    });
  }

  private put(entry: Entry<z.infer<S>>): void {
    const {key, modRevision} = entry;
    const known = this.entries.get(key);
    if (known && known.modRevision >= modRevision) return;
    this.entries.delete(key);
    this.entries.set(key, entry);
    if (this.entries.size <= this.maxEntries) return;
    const oldest = this.entries.keys().next().value;
    if (oldest !== undefined) this.entries.delete(oldest);
  }
}

function entryOf<T>(kv: KeyValue): Entry<T> {
  return {key: kv.key, modRevision: kv.modRevision, record: {text: kv}};
}
