/**
 * Ends values whose time to live is over. A value lives while a coordinator sees it, by the monotonic clock of whoever looks: never from before
 * its commit, and no clock of one machine is compared to that of another. Now and then what it has lived is written down beside it (lifeRecords.ts),
 * where the next coordinator goes on; so a value may live longer than it was to, by what was not written down yet, and never shorter.
 *
 * The clock only says when to ask: the value goes by a transaction that compares its revision. Every coordinator asks, and one of them is first.
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
import {LifeRecords} from './lifeRecords.ts';
import {type FeedEvent, MemoryFeed} from './memoryFeed.ts';

export interface MemoryExpiryOptions {
  readonly store: Store;
  readonly keys: TenantKeys;
  /** Of values. */
  readonly feed: Pick<MemoryFeed, 'onEvent'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly coordinator: string;
}

interface Living {
  readonly kv: KeyValue;
  readonly ttl: number;
  /** What it had lived at `countedAt`, on the monotonic clock. */
  livedMs: number;
  countedAt: number;
  timer: Disposable;
}

/** Pause before a transaction that could not be decided is tried again. */
const RETRY_MS = 1000;

export class MemoryExpiry implements Disposable {
  private readonly living = new Map<string, Living>();
  private readonly owned = new DisposableStore();
  private readonly lives: MemoryFeed;
  private readonly records: LifeRecords;

  constructor(private readonly options: MemoryExpiryOptions) {
    const {store, keys, clock, logger, coordinator, feed} = options;
    this.lives = this.owned.add(new MemoryFeed({store, prefix: keys.allMemoryLives, clock, logger}));
    this.records = new LifeRecords({store, keys, coordinator, logger});
    this.owned.add(this.lives.onEvent(event => this.told(event)));
    this.owned.add(feed.onEvent(event => this.follow(event)));
  }

  /** Before the feed of values: what each has lived must be known when it comes. Rejects as the store does. */
  async start(): Promise<void> {
    await this.lives.start();
  }

  dispose(): void {
    this.owned.dispose();
    for (const {timer} of this.living.values()) timer.dispose();
    this.living.clear();
  }

  private follow(event: FeedEvent): void {
    // What comes anew after a loss is counted on, and what went meanwhile is told apart by its revision.
    if (event.kind === 'lost') return;
    const key = event.kind === 'put' ? event.kv.key : event.key;
    const known = this.living.get(key);
    if (known && event.kind === 'put' && known.kv.modRevision === event.kv.modRevision) return;
    known?.timer.dispose();
    this.living.delete(key);
    if (event.kind === 'put') this.begin(event.kv);
  }

  private begin(kv: KeyValue): void {
    // Most values live for good, and need not be read for that.
    if (!kv.value.includes('"ttl":')) return;
    const {clock, logger} = this.options;
    let ttl: number | undefined;
    try {
      ({ttl} = parseRecord(MemoryRecord, kv.key, kv.value));
    } catch (error) {
      logger.error('a value of shared memory is unreadable and does not end', {key: kv.key, error});
      return;
    }
    if (ttl === undefined) return;
    const livedMs = this.records.livedMs(kv);
    const timer = clock.schedule(0, () => undefined, {background: true});
    const living: Living = {kv, ttl, livedMs, countedAt: clock.now(), timer};
    this.living.set(kv.key, living);
    this.wait(living);
  }

  /** Another coordinator may have seen it for longer. */
  private told(event: FeedEvent): void {
    const key = this.records.take(event);
    const living = key === undefined ? undefined : this.living.get(key);
    if (!living || this.records.livedMs(living.kv) <= this.livedMs(living)) return;
    living.livedMs = this.records.livedMs(living.kv);
    living.countedAt = this.options.clock.now();
    this.wait(living);
  }

  private livedMs({livedMs, countedAt}: Living): number {
    return livedMs + this.options.clock.now() - countedAt;
  }

  /** Until its end, or until what it has lived is worth writing down. */
  private wait(living: Living): void {
    const leftMs = living.ttl - this.livedMs(living);
    const stepMs = this.records.stepMs(living.kv, living.ttl);
    if (leftMs <= stepMs) this.rest(living, leftMs, () => void this.expire(living));
    else
      this.rest(living, stepMs, () => {
        void this.records.write(living.kv, this.livedMs(living), living.ttl);
        this.wait(living);
      });
  }

  private rest(living: Living, ms: number, then: () => void): void {
    living.timer.dispose();
    living.timer = this.options.clock.schedule(Math.max(0, ms), then, {background: true});
  }

  private async expire(living: Living): Promise<void> {
    const {store, keys, clock, logger, coordinator} = this.options;
    const {kv} = living;
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
        then: [
          {kind: 'delete', key: kv.key},
          putRecord(tomb, deletion),
          {kind: 'delete', key: this.records.keyOf(kv)},
        ],
      });
      // Gone, or another by now: that comes by the feed.
      if (this.living.get(kv.key) === living) this.living.delete(kv.key);
    } catch (error) {
      if (this.owned.isDisposed || isCoordinatorError(error, 'closed')) return;
      logger.warn('a value of shared memory outlives its time; it is tried again', {key: kv.key, error});
      if (this.living.get(kv.key) === living) this.rest(living, RETRY_MS, () => void this.expire(living));
    }
  }
}
