/**
 * Values as this coordinator knows them without asking: from reads, kept up by the feed. Each says since when it is known to have held, so a
 * reader can bound its age; no clock of another machine is compared. Keys that are not there are not remembered.
 */
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import {ElapsedClock} from '../runtime/elapsedClock.ts';
import type {KeyValue} from '../store/store.ts';
import type {FeedEvent, MemoryFeed} from './memoryFeed.ts';

export interface CachedValue {
  readonly kv: KeyValue;
  /** Up to which the value is known to hold. */
  readonly revision: number;
  /** By the cache's `now`: the value was the newest at this time, or is newer. */
  readonly confirmedAt: number;
}

export const MAX_CACHED_VALUES = 10_000;

export class MemoryCache implements Disposable {
  private readonly values = new Map<string, CachedValue>();
  private readonly subscription: Disposable;
  private readonly elapsed: ElapsedClock;

  constructor(
    feed: Pick<MemoryFeed, 'onEvent'>,
    clock: Clock,
    private readonly maxValues = MAX_CACHED_VALUES,
  ) {
    this.elapsed = new ElapsedClock(clock);
    this.subscription = feed.onEvent(event => this.follow(event));
  }

  get(key: string): CachedValue | undefined {
    return this.values.get(key);
  }

  ageOf({confirmedAt}: CachedValue): number {
    return Math.max(0, this.now() - confirmedAt);
  }

  /** Milliseconds, by the clock of ages. */
  now(): number {
    return this.elapsed.now();
  }

  /** What a read found at `revision`, which shows all that was acknowledged at `confirmedAt`. */
  confirm(key: string, kv: KeyValue | undefined, revision: number, confirmedAt: number): void {
    const known = this.values.get(key);
    if (known && known.revision > revision) return;
    this.values.delete(key);
    if (kv) this.keep(key, {kv, revision, confirmedAt});
  }

  dispose(): void {
    this.subscription.dispose();
    this.values.clear();
  }

  private follow(event: FeedEvent): void {
    if (event.kind === 'lost') {
      this.values.clear();
      return;
    }
    const key = event.kind === 'put' ? event.kv.key : event.key;
    const known = this.values.get(key);
    if (!known || known.revision >= event.revision) return;
    if (event.kind === 'delete') this.values.delete(key);
    else this.values.set(key, {kv: event.kv, revision: event.revision, confirmedAt: known.confirmedAt});
  }

  private keep(key: string, value: CachedValue): void {
    this.values.set(key, value);
    if (this.values.size <= this.maxValues) return;
    const [oldest] = this.values.keys();
    if (oldest !== undefined) this.values.delete(oldest);
  }
}
