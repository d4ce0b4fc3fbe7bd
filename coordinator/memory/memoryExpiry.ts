/**
 * Ends values whose time to live is over. The clock only says when to ask: the value goes by a transaction that compares its revision, so
 * a coordinator whose clock is wrong, or that is late, never ends a value that was written again.
 *
 * The time runs on the monotonic clock from when this coordinator saw the write. What was written before its start has lived by wall time until
 * then. Every coordinator asks, and one of them is first.
 */
import type {Logger} from '../observability/logger.ts';
import {MemoryRecord} from '../protocol/model/facts.ts';
import type {TenantKeys} from '../protocol/model/keys.ts';
import type {MemoryDeletion} from '../protocol/model/memory.ts';
import {parseRecord, RECORD_VERSION} from '../protocol/model/record.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import {putRecord, unchanged} from '../store/records.ts';
import type {KeyValue, Store} from '../store/store.ts';
import type {FeedEvent, MemoryFeed} from './memoryFeed.ts';

export interface MemoryExpiryOptions {
  readonly store: Store;
  readonly keys: TenantKeys;
  readonly feed: Pick<MemoryFeed, 'onEvent'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly coordinator: string;
}

/** Pause before a transaction that could not be decided is tried again. */
const RETRY_MS = 1000;

export class MemoryExpiry implements Disposable {
  private readonly timers = new Map<string, Disposable>();
  private readonly owned = new DisposableStore();
  private running = false;

  constructor(private readonly options: MemoryExpiryOptions) {
    this.owned.add(options.feed.onEvent(event => this.follow(event)));
  }

  /** Every value of before the start has been told: from now on writes are seen as they happen. */
  started(): void {
    this.running = true;
  }

  dispose(): void {
    this.owned.dispose();
    for (const timer of this.timers.values()) timer.dispose();
    this.timers.clear();
  }

  private follow(event: FeedEvent): void {
    if (event.kind === 'lost') {
      // What comes anew may be older than this moment.
      this.running = false;
      return;
    }
    const key = event.kind === 'put' ? event.kv.key : event.key;
    this.disarm(key);
    if (event.kind === 'put') this.arm(event.kv);
  }

  private arm(kv: KeyValue): void {
    // Most values live for good, and need not be read for that.
    if (!kv.value.includes('"ttl":')) return;
    const {clock, logger} = this.options;
    let record: MemoryRecord;
    try {
      record = parseRecord(MemoryRecord, kv.key, kv.value);
    } catch (error) {
      logger.error('a value of shared memory is unreadable and does not end', {key: kv.key, error});
      return;
    }
    const {ttl, timestamp} = record;
    if (ttl === undefined) return;
    const lived = this.running ? 0 : Math.min(ttl, Math.max(0, clock.wallNow() - timestamp));
    this.wait(kv, ttl - lived);
  }

  private wait(kv: KeyValue, ms: number): void {
    const timer = this.options.clock.schedule(ms, () => void this.expire(kv), {background: true});
    this.timers.set(kv.key, timer);
  }

  private disarm(key: string): void {
    this.timers.get(key)?.dispose();
    this.timers.delete(key);
  }

  private async expire(kv: KeyValue): Promise<void> {
    const {store, keys, clock, logger, coordinator} = this.options;
    this.timers.delete(kv.key);
    const deletion: MemoryDeletion = {
      v: RECORD_VERSION,
      principal: `coordinator:${coordinator}`,
      timestamp: clock.wallNow(),
      version: kv.version,
      expired: true,
    };
    const rest = kv.key.slice(`${keys.base}memory/`.length);
    const cut = rest.indexOf('/');
    const tomb = keys.memoryDeletion(rest.slice(0, cut), rest.slice(cut + 1));
    try {
      await store.txn({
        compare: [unchanged(kv)],
        then: [{kind: 'delete', key: kv.key}, putRecord(tomb, deletion)],
      });
    } catch (error) {
      if (this.owned.isDisposed || isCoordinatorError(error, 'closed')) return;
      logger.warn('a value of shared memory outlives its time; it is tried again', {key: kv.key, error});
      if (!this.timers.has(kv.key)) this.wait(kv, RETRY_MS);
    }
  }
}
