/**
 * The journal of every session: follows the store in order and keeps what is not sealed in memory, at every coordinator. The one that leads seals
 * it every few seconds, under the lead's fence; the others forget what it has sealed. After a crash, or with the lead, it goes on from the sealed
 * position through the store's own history; where that was compacted, a gap is written down with the rows of today. Reading is historyReader.ts.
 */
import {parseViewKey} from '../hub/watch/rowChange.ts';
import type {Logger} from '../observability/logger.ts';
import type {TenantKeys} from '../protocol/model/keys.ts';
import {type Clock, delay} from '../runtime/clock.ts';
import {type Deferred, deferred} from '../runtime/deferred.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {Compare, Store, StoreEvent, WatchMessage} from '../store/store.ts';
import type {HistoryChange} from './historyChange.ts';
import {type HistorySealer, overtaken, type Position, positionIn, readPosition} from './historySealer.ts';
import {changeOf} from './historySegments.ts';
import type {HistorySettings} from './historySettings.ts';
import {wallTimeOf} from './recordTime.ts';
import {SessionBuffer} from './sessionBuffer.ts';

export interface HistoryJournalOptions {
  readonly store: Store;
  readonly keys: TenantKeys;
  readonly sealerUnder: (fence: Compare) => HistorySealer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: HistorySettings;
}

/** Longest pause after failures, in ms. */
const MAX_RETRY_MS = 30_000;
/** For what the store has told already and the watch has yet to tell. */
const REACH_MS = 30_000;

export class HistoryJournal implements Disposable {
  private readonly buffers = new Map<string, SessionBuffer>();
  private watching: Disposable = noDisposable;
  private timer: {readonly at: number; readonly handle: Disposable} | undefined;
  private sealing: Promise<void> | undefined;
  /** Absent while another coordinator leads. */
  private sealer: HistorySealer | undefined;
  private readonly reaching = new Set<{readonly revision: number; readonly there: Deferred<void>}>();
  private position: Position = {revision: 0, modRevision: 0, at: 0};
  private delivered = 0;
  private lastAt = 0;
  private heldBytes = 0;
  private failures = 0;
  /** It holds as much as it may, and follows again when some is sealed. */
  private paused = false;
  /** Before this revision it reads what happened earlier. */
  private replayingTo = 0;
  private caughtUp: Deferred<void> = deferred();
  /** Rises whenever it begins anew: what was begun before is nobody's then. */
  private generation = 0;
  private disposed = false;

  constructor(private readonly options: HistoryJournalOptions) {}

  /** Every change up to here is sealed or in a tail. */
  get revision(): number {
    return this.delivered;
  }

  /** This coordinator leads: it seals from now on, under the lead's fence. */
  begin(fence: Compare): void {
    void this.start(fence);
  }

  /** Another coordinator seals from now on. */
  end(): void {
    if (this.sealer && !this.disposed) void this.start();
  }

  /**
   * Without the lead's fence it only follows. Resolves when that began; with the fence, when it has seen everything up to now. What keeps it from
   * that is tried again later: nobody has to wait for the past.
   */
  async start(fence?: Compare): Promise<void> {
    this.sealer = fence && this.options.sealerUnder(fence);
    await this.restart();
  }

  private async restart(): Promise<void> {
    this.forget();
    const {generation} = this;
    try {
      await this.open(generation);
    } catch (error) {
      if (generation === this.generation)
        this.again(new CoordinatorError('unavailable', 'the journal cannot start', {cause: error}));
    }
  }

  private async open(generation: number): Promise<void> {
    const {store, keys} = this.options;
    const {sealer} = this;
    const {incarnation, revision, compactRevision} = store.status();
    const stored = await readPosition(store, keys);
    if (generation !== this.generation) return;
    // Where nothing was sealed ever, everything that the store remembers is taken, if that is everything.
    const known = stored ? (stored.store === incarnation ? stored.revision : undefined) : 0;
    const resumable = known !== undefined && known >= compactRevision;
    const {modRevision = 0, at = 0} = stored ?? {};
    this.lastAt = at;
    if (sealer) {
      const from = resumable ? known : revision;
      if (!resumable) await sealer.bridge(from, known ?? 0, this.now());
      await sealer.dropOrphans();
      const claimed = await sealer.claim({revision: from, modRevision, at: this.lastAt});
      if (generation !== this.generation) return;
      this.begins(claimed, claimed.modRevision);
      // Its own write is the last thing that the watch tells of the past.
      await this.caughtUp.promise;
    } else if (resumable) this.begins({revision: known, modRevision, at}, revision);
    else throw new CoordinatorError('notFound', 'whoever leads has yet to write down what the store forgot');
  }

  /** Follows from the sealed position; what happened up to `replayingTo` is of the past. */
  private begins(position: Position, replayingTo: number): void {
    this.position = position;
    this.delivered = position.revision;
    this.replayingTo = replayingTo;
    this.follow();
  }

  private follow(): void {
    this.paused = false;
    this.watching = this.options.store.watch(
      this.options.keys.base,
      {fromRevision: this.delivered + 1},
      message => this.onMessage(message),
    );
  }

  dispose(): void {
    this.disposed = true;
    this.forget();
    for (const {there} of this.reaching)
      there.reject(new CoordinatorError('closed', 'the journal is closed'));
  }

  /** As `dispose`, after sealing what is here where this coordinator leads. */
  async stop(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.options.logger.warn('the journal is sealed after the next start', {error});
    }
    this.dispose();
  }

  /** Seals everything that it has seen by now, where this coordinator leads. Rejects with the first failure. */
  async flush(): Promise<void> {
    await this.sealing?.catch(() => undefined);
    while (this.sealer && !this.disposed && [...this.buffers.values()].some(buffer => !buffer.isClean)) {
      for (const buffer of this.buffers.values()) if (!buffer.isClean) buffer.dueAt = 0;
      await this.sealOnce();
    }
  }

  /** What is not sealed yet of a session, oldest first. */
  tail(sessionId: string): readonly HistoryChange[] {
    return [...(this.buffers.get(sessionId)?.pending ?? [])];
  }

  /** What is not sealed yet of any session. */
  held(): readonly HistoryChange[] {
    return [...this.buffers.values()].flatMap(({pending}) => pending);
  }

  /** Resolves once it has seen this revision, which the store has told. Rejects with `timeout`, or `closed`. */
  async reached(revision: number): Promise<void> {
    if (this.delivered >= revision) return;
    const waiter = {revision, there: deferred<void>()};
    this.reaching.add(waiter);
    const over = new AbortController();
    const late = delay(this.options.clock, REACH_MS, over.signal).then(() => {
      throw new CoordinatorError('timeout', `the journal has not come to revision ${revision} yet`);
    });
    try {
      await Promise.race([waiter.there.promise, late]);
    } finally {
      late.catch(() => undefined);
      over.abort();
      this.reaching.delete(waiter);
    }
  }

  private onMessage(message: WatchMessage): void {
    if (this.disposed) return;
    if (message.kind === 'events') {
      this.take(message.revision, message.events);
      return;
    }
    if (message.kind === 'closed' && !message.error) return;
    this.again(new CoordinatorError('unavailable', `the store's watch ended: ${message.kind}`));
  }

  private take(revision: number, events: readonly StoreEvent[]): void {
    this.delivered = revision;
    for (const event of events) this.note(revision, event);
    if (revision >= this.replayingTo) this.caughtUp.resolve();
    for (const waiter of this.reaching) if (waiter.revision <= revision) waiter.there.resolve();
    const {maxHeldBytes, maxLagRevisions} = this.options.settings;
    if (this.heldBytes > maxHeldBytes) {
      // The store keeps the rest meanwhile.
      this.paused = true;
      this.watching.dispose();
      if (!this.sealer) this.waitForRoom();
    }
    if (revision - this.position.revision > maxLagRevisions) this.plan(0);
  }

  /** Looks now and then how far another coordinator has sealed, until it may hold more. */
  private waitForRoom(): void {
    const {clock, logger, settings, store, keys} = this.options;
    const {generation} = this;
    const look = async (): Promise<void> => {
      const stored = await readPosition(store, keys).catch((error: unknown) => {
        logger.debug('how far the journal is sealed could not be read', {error});
        return undefined;
      });
      if (generation !== this.generation) return;
      if (stored) this.sealedElsewhere(stored);
      if (this.paused) this.waitForRoom();
    };
    this.watching = clock.schedule(settings.retryMs, () => void look(), {background: true});
  }

  /** What another coordinator has sealed need not be held here. */
  private sealedElsewhere(position: Position): void {
    this.position = position;
    this.delivered = Math.max(this.delivered, position.revision);
    for (const buffer of this.buffers.values()) buffer.sealedUpTo(position.revision);
    this.settle([]);
  }

  private note(revision: number, event: StoreEvent): void {
    if (event.key === this.options.keys.historyPosition) {
      if (!this.sealer && event.kind === 'put') this.sealedElsewhere(positionIn(event.kv));
      return;
    }
    const view = parseViewKey(event.key);
    if (!view || view.family === 'agents' || view.family === 'agentLive') return;
    const kv = event.kind === 'put' ? event.kv : undefined;
    const buffer = this.bufferOf(view.sessionId);
    if (view.family === 'sessions' && !kv) {
      this.heldBytes -= buffer.bytes;
      buffer.remove(revision);
      this.due(buffer, 0);
      return;
    }
    const at = revision <= this.replayingTo ? this.timeOfPast(kv?.value) : this.now();
    const change = changeOf(view, kv, event.previous, revision, at);
    if (!change) return;
    const before = buffer.bytes;
    buffer.add(change);
    this.heldBytes += buffer.bytes - before;
    const {sealBytes, sealIntervalMs} = this.options.settings;
    const ended = view.family === 'sessions' && kv?.value.includes('"endedAt":') === true;
    this.due(buffer, ended || buffer.bytes > sealBytes ? 0 : sealIntervalMs);
  }

  private due(buffer: SessionBuffer, waitMs: number): void {
    const at = this.options.clock.now() + waitMs;
    if (at >= buffer.dueAt) return;
    buffer.dueAt = at;
    this.plan();
  }

  private bufferOf(sessionId: string): SessionBuffer {
    let buffer = this.buffers.get(sessionId);
    if (!buffer) {
      buffer = new SessionBuffer(sessionId);
      this.buffers.set(sessionId, buffer);
    }
    return buffer;
  }

  /** Never goes back, whatever the clock does. */
  private now(): number {
    this.lastAt = Math.max(this.lastAt, this.options.clock.wallNow());
    return this.lastAt;
  }

  /** What happened while nobody followed is as old as its record says. */
  private timeOfPast(text: string | undefined): number {
    const said = text === undefined ? 0 : wallTimeOf(text);
    if (said <= this.options.clock.wallNow()) this.lastAt = Math.max(this.lastAt, said);
    return this.lastAt;
  }

  /** Wakes when the next buffer is due, or earlier. */
  private plan(waitMs = Number.POSITIVE_INFINITY): void {
    if (!this.sealer || this.sealing || this.disposed || this.position.modRevision === 0) return;
    const {clock} = this.options;
    let at = clock.now() + waitMs;
    for (const {dueAt} of this.buffers.values()) at = Math.min(at, dueAt);
    if (at === Number.POSITIVE_INFINITY || (this.timer && this.timer.at <= at)) return;
    this.timer?.handle.dispose();
    const fire = (): void => {
      this.timer = undefined;
      void this.sealOnce().catch((error: unknown) =>
        this.options.logger.warn('a piece of the journal is not sealed yet', {error}),
      );
    };
    const handle = clock.schedule(Math.max(0, at - clock.now()), fire, {background: true});
    this.timer = {at, handle};
  }

  /** Everything that is due; a call during another's is that one. */
  private sealOnce(): Promise<void> {
    this.sealing ??= this.seal().finally(() => {
      this.sealing = undefined;
      this.plan();
    });
    return this.sealing;
  }

  private async seal(): Promise<void> {
    const {clock, settings} = this.options;
    const {generation, sealer} = this;
    if (!sealer) return;
    const lags = this.delivered - this.position.revision > settings.maxLagRevisions;
    const due = [...this.buffers.values()].filter(buffer => lags || buffer.dueAt <= clock.now());
    try {
      const {position} = this;
      const outcome = await sealer.seal(due, position, () => this.sealable(due));
      if (this.position !== position) return;
      if (outcome.kind === 'overtaken') throw overtaken();
      this.position = outcome.position;
      this.failures = 0;
      this.settle(due);
    } catch (error) {
      if (generation !== this.generation) return;
      this.failures += 1;
      const pause = Math.min(MAX_RETRY_MS, settings.retryMs * 2 ** this.failures);
      for (const buffer of due) buffer.dueAt = clock.now() + pause;
      if (error instanceof CoordinatorError && ['conflict', 'timeout'].includes(error.code))
        this.again(error);
      throw error;
    }
  }

  /** What the position may say when these have been sealed up to what `sealer` took of them. */
  private sealable(due: readonly SessionBuffer[]): {revision: number; at: number} {
    let revision = this.delivered;
    for (const buffer of this.buffers.values()) {
      if (due.includes(buffer)) continue;
      revision = Math.min(revision, (buffer.firstRevision() ?? Number.POSITIVE_INFINITY) - 1);
    }
    return {revision, at: this.lastAt};
  }

  private settle(due: readonly SessionBuffer[]): void {
    const {clock, settings} = this.options;
    for (const buffer of due) {
      buffer.dueAt = buffer.isClean ? Number.POSITIVE_INFINITY : clock.now() + settings.sealIntervalMs;
      if (buffer.bytes > settings.sealBytes) buffer.dueAt = 0;
    }
    this.heldBytes = 0;
    for (const [sessionId, buffer] of this.buffers) {
      this.heldBytes += buffer.bytes;
      // Nothing was sealed of it, or what was is gone.
      if (buffer.isClean && !buffer.sealed) this.buffers.delete(sessionId);
    }
    if (this.paused && this.heldBytes < settings.maxHeldBytes / 2) this.follow();
  }

  /** Begins anew from what is sealed. */
  private again(error: CoordinatorError): void {
    if (this.disposed) return;
    const {clock, logger, settings} = this.options;
    if (this.sealer) logger.warn('the journal starts anew', {error});
    else logger.debug('the journal follows anew', {error});
    this.forget();
    this.watching = clock.schedule(settings.retryMs, () => void this.restart(), {background: true});
  }

  private forget(): void {
    this.generation += 1;
    this.paused = false;
    this.watching.dispose();
    this.watching = noDisposable;
    this.timer?.handle.dispose();
    this.timer = undefined;
    // What was not sealed is known again when it has been read again.
    this.delivered = this.position.revision;
    this.buffers.clear();
    this.heldBytes = 0;
    this.position = {revision: 0, modRevision: 0, at: 0};
    this.caughtUp.resolve();
    this.caughtUp = deferred();
  }
}
