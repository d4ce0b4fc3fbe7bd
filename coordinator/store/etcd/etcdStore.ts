/** The driver of the store's contract on an etcd that others may share: its keys are under a prefix, its revisions are etcd's. */
import type {IEvent, IResponseHeader} from 'etcd3';
import {type Logger, silentLogger} from '../../observability/logger.ts';
import {type Clock, every} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import {ElapsedClock} from '../../runtime/elapsedClock.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import type {RevisionEvents} from '../revisionLog.ts';
import type {
  KeyValue,
  Lease,
  RangeOptions,
  RangeResult,
  ReadOptions,
  Staleness,
  Store,
  StoreStatus,
  Txn,
  TxnResult,
  WatchMessage,
  WatchOptions,
} from '../store.ts';
import {checkKey, checkLimit, checkPrefix, checkTtl, checkTxn, isReadOnly} from '../txnLimits.ts';
import {EtcdCalls} from './calls.ts';
import {markOf, raiseMark, readMark} from './compactionMark.ts';
import {EtcdEndpoints, type EtcdTls} from './endpoints.ts';
import type {EtcdAddress} from './etcdAddress.ts';
import {EtcdReads} from './etcdReads.ts';
import {EtcdWatches} from './etcdWatches.ts';
import {Freshness} from './freshness.ts';
import {claimIncarnation, endIncarnation, type Incarnation, isIncarnation} from './incarnation.ts';
import {KeySpace} from './keySpace.ts';
import {LeaseRenewals} from './leaseRenewals.ts';
import {MemberStatus} from './memberStatus.ts';
import {isChange, txnRequest, txnResult} from './records.ts';
import {DEFAULT_ETCD_SETTINGS, type EtcdSettings} from './settings.ts';
import {Stalls, type StallsParts} from './stalls.ts';

export interface EtcdStoreOptions {
  readonly address: EtcdAddress;
  readonly tls?: EtcdTls | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger | undefined;
  readonly settings?: Partial<EtcdSettings> | undefined;
  /** Runs a function at the end of the turn of the event loop. Default: `setImmediate`. */
  readonly endOfTurn?: ((run: () => void) => void) | undefined;
  /** The last thing that closing does. */
  readonly closed?: (() => Promise<void>) | undefined;
}

/** Rejects with `unavailable` (no member with a majority answers), `unauthorized` or `corrupt` (the prefix holds something else). */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdStore> {
  const store = new EtcdStore(
    {
      address: options.address,
      tls: options.tls ?? {},
      clock: options.clock,
      random: options.random,
      logger: options.logger ?? silentLogger,
      endOfTurn: options.endOfTurn ?? setImmediate,
      closed: options.closed ?? (async () => undefined),
    },
    {...DEFAULT_ETCD_SETTINGS, ...options.settings},
  );
  try {
    await store.open();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

type Parts = Required<Omit<EtcdStoreOptions, 'settings'>>;

/** Keys that a backup reads at a time. */
const BACKUP_PAGE = 500;

export class EtcdStore implements Store {
  private readonly owned = new DisposableStore();
  private readonly space: KeySpace;
  private readonly endpoints: EtcdEndpoints;
  private readonly calls: EtcdCalls;
  private readonly reads: EtcdReads;
  private readonly renewals: LeaseRenewals;
  private readonly members: MemberStatus;
  private readonly freshness: Freshness;
  private readonly elapsed: ElapsedClock;
  private watches: EtcdWatches | undefined;
  private identity: Incarnation | undefined;
  private newest = 0;
  private keys = {at: 0, since: 0};
  private beating = false;
  private ended: CoordinatorError | undefined;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly parts: Parts,
    private readonly settings: EtcdSettings,
  ) {
    const {address, tls, clock, logger} = parts;
    const {requestTimeoutMs, pageKeys} = settings;
    const space = new KeySpace(address.prefix);
    this.space = space;
    this.elapsed = new ElapsedClock(clock);
    this.freshness = new Freshness(this.elapsed.now());
    const probeKey = space.incarnation;
    const endpoints = this.owned.add(new EtcdEndpoints({address, tls, probeKey, clock, logger, settings}));
    this.endpoints = endpoints;
    const known = (): number => this.newest;
    const answered = (header: IResponseHeader, knownBefore: number, serializable: boolean): void =>
      this.answered(header, knownBefore, serializable);
    const heartbeat = {key: space.heartbeat, value: Buffer.from('')};
    const beat: StallsParts['beat'] = (client, options) => client.kv.put(heartbeat, options);
    const stalls = new Stalls({endpoints, clock, settings, beat});
    this.calls = new EtcdCalls({endpoints, clock, requestTimeoutMs, stalls, answered, known});
    // What the watches have shown was there, whoever is asked.
    const shown = (): number => this.revision;
    this.reads = new EtcdReads({calls: this.calls, space, pageKeys, known: shown});
    this.renewals = this.owned.add(new LeaseRenewals({endpoints, clock, requestTimeoutMs}));
    this.members = new MemberStatus(this.calls, logger);
  }

  async open(): Promise<void> {
    const {clock, endOfTurn, logger, random} = this.parts;
    const {calls, endpoints, reads, settings, space} = this;
    this.identity = await claimIncarnation(calls, space, random);
    reads.forget(await readMark(calls, space));
    await reads.findCompaction();
    const revision = await this.beat();
    await this.count(revision);
    await this.members.refresh();
    this.watches = new EtcdWatches(
      {
        endpoints,
        range: space.whole,
        clock,
        logger,
        settings,
        space,
        endOfTurn,
        followed: (changes, own) => this.followed(changes, own),
        compacted: compactRevision => {
          reads.forget(compactRevision);
          this.count(compactRevision).catch((error: unknown) =>
            logger.warn('the keys could not be counted', {error}),
          );
        },
        compactRevision: () => reads.compactRevision,
      },
      revision,
    );
    this.freshness.reached(revision);
    this.owned.add(every(clock, Math.max(100, settings.heartbeatMs / 4), () => this.tick()));
    this.owned.add(every(clock, settings.statusMs, () => void this.members.refresh()));
  }

  async get(key: string, options: ReadOptions = {}): Promise<KeyValue | undefined> {
    checkKey(key);
    this.live();
    return this.reads.get(key, options);
  }

  async range(prefix: string, options: RangeOptions = {}): Promise<RangeResult> {
    checkPrefix(prefix);
    checkLimit(options.limit);
    this.live();
    return this.reads.range(prefix, options);
  }

  async txn(txn: Txn): Promise<TxnResult> {
    checkTxn(txn);
    this.live();
    const {calls, space} = this;
    const request = txnRequest(txn, space);
    // What the caller does with its arrays meanwhile must not change how the answer is read.
    const own = {then: [...txn.then], else: [...(txn.else ?? [])]};
    if (isReadOnly(txn)) {
      const answer = await calls.read((client, options) => client.kv.txn(request, options));
      return txnResult(own, answer, space);
    }
    const sentAt = this.elapsed.now();
    const answer = await calls.write((client, options) => client.kv.txn(request, options));
    const result = txnResult(own, answer, space);
    // Where nothing changed, the revision may be of others, and the feed does not come by it.
    if (result.responses.some(isChange)) this.freshness.wrote(result.revision, sentAt);
    return result;
  }

  watch(prefix: string, options: WatchOptions, listener: (message: WatchMessage) => void): Disposable {
    checkPrefix(prefix);
    const watches = this.live();
    return watches.watch(prefix, options.fromRevision ?? this.revision + 1, listener);
  }

  async grantLease(ttlSeconds: number): Promise<Lease> {
    checkTtl(ttlSeconds);
    this.live();
    // One that was granted twice ends unused.
    const {ID, TTL} = await this.calls.read((client, options) =>
      client.leaseClient.leaseGrant({TTL: ttlSeconds}, options),
    );
    return {id: ID, ttlSeconds: Number(TTL)};
  }

  async keepAlive(leaseId: string): Promise<boolean> {
    this.live();
    return this.renewals.keepAlive(leaseId);
  }

  async revokeLease(leaseId: string): Promise<void> {
    this.live();
    try {
      await this.calls.read((client, options) => client.leaseClient.leaseRevoke({ID: leaseId}, options));
    } catch (error) {
      if (!isCoordinatorError(error, 'notFound')) throw error;
    }
  }

  /** For this store and all who share its prefix. etcd's own history is its other users' too, and stays. */
  async compact(revision: number): Promise<void> {
    this.live();
    this.reads.forget(await raiseMark(this.calls, this.space, revision));
  }

  async backup(
    prefix: string,
  ): Promise<{revision: number; incarnation: string; kvs: AsyncIterable<KeyValue>}> {
    checkPrefix(prefix);
    this.live();
    const first = await this.reads.range(prefix, {limit: BACKUP_PAGE});
    return {revision: first.revision, incarnation: this.incarnation, kvs: this.backupPages(prefix, first)};
  }

  status(): StoreStatus {
    return {
      driver: 'etcd',
      incarnation: this.incarnation,
      revision: this.revision,
      compactRevision: this.reads.compactRevision,
      keys: this.keys.at + this.keys.since,
      ...this.members.present,
      degraded: this.degraded(),
    };
  }

  staleness(): Staleness {
    return {revision: this.live().revision, ageMs: this.freshness.ageMs(this.elapsed.now())};
  }

  close(): Promise<void> {
    this.end(new CoordinatorError('closed', 'the store is closed'));
    this.closing ??= this.parts.closed();
    return this.closing;
  }

  private get revision(): number {
    return Math.max(this.newest, this.watches?.revision ?? 0);
  }

  private get incarnation(): string {
    return this.identity?.incarnation ?? '';
  }

  private live(): EtcdWatches {
    if (this.ended) throw this.ended;
    if (!this.watches) throw new CoordinatorError('unavailable', 'the store is not open yet');
    return this.watches;
  }

  private degraded(): string | undefined {
    const now = this.parts.clock.now();
    const {lostSince} = this.endpoints;
    const {staleAfterMs} = this.settings;
    if (this.ended) return this.ended.message;
    if (lostSince !== undefined && now - lostSince > staleAfterMs)
      return this.endpoints.unavailable().message;
    const ageMs = this.freshness.ageMs(this.elapsed.now());
    if (ageMs <= Math.max(staleAfterMs, this.settings.heartbeatMs * 2)) return undefined;
    return `what the etcd has is shown as it was ${Math.round(ageMs / 1000)} s ago`;
  }

  /** Every answer tells how far etcd is, and which etcd it is. */
  private answered(header: IResponseHeader, knownBefore: number, serializable: boolean): void {
    const revision = Number(header.revision);
    if (this.identity && header.cluster_id !== this.identity.cluster)
      throw this.fail('another cluster answers than before');
    if (!serializable && revision < knownBefore)
      throw this.fail(`it went back from revision ${knownBefore} to ${revision}`, true);
    this.newest = Math.max(this.newest, revision);
  }

  /** From `revision` on the feed keeps count. */
  private async count(revision: number): Promise<void> {
    const keys = {at: 0, since: 0};
    this.keys = keys;
    keys.at = await this.reads.count(revision);
  }

  private followed(changes: RevisionEvents, own: readonly IEvent[]): void {
    for (const {kind, kv} of changes.events) {
      if (kind === 'delete') this.keys.since -= 1;
      else if (kv.version === 1) this.keys.since += 1;
    }
    for (const event of own) this.ownKey(event);
    this.freshness.reached(changes.revision);
  }

  private ownKey({type, kv}: IEvent): void {
    if (kv.key.equals(this.space.incarnation)) {
      const isSame = type === 'Put' && this.identity && isIncarnation(kv.value, this.identity);
      if (!isSame) this.fail('its keys were replaced by those of a backup');
    } else if (kv.key.equals(this.space.forgotten) && type === 'Put') this.reads.forget(markOf(kv.value));
  }

  private tick(): void {
    const {logger} = this.parts;
    const {heartbeatMs, staleAfterMs} = this.settings;
    const now = this.elapsed.now();
    const missing = this.freshness.missingSince;
    if (missing !== undefined && now - missing > staleAfterMs)
      this.watches?.renew(new Error('its watch does not show what was written'));
    if (this.beating || this.freshness.quietMs(now) < heartbeatMs) return;
    this.beating = true;
    this.beat()
      .catch((error: unknown) => {
        if (!this.ended) logger.warn('the etcd did not take a heartbeat', {error});
      })
      .finally(() => {
        this.beating = false;
      });
  }

  /** Resolves to the heartbeat's revision. */
  private async beat(): Promise<number> {
    const sentAt = this.elapsed.now();
    const request = {key: this.space.heartbeat, value: Buffer.from('')};
    // One that was written twice does no harm.
    const {header} = await this.calls.read((client, options) => client.kv.put(request, options));
    this.freshness.wrote(Number(header.revision), sentAt);
    return Number(header.revision);
  }

  private async *backupPages(prefix: string, first: RangeResult): AsyncGenerator<KeyValue, void> {
    let page = first;
    for (;;) {
      yield* page.kvs;
      if (!page.more) return;
      const after = page.kvs.at(-1)?.key;
      page = await this.range(prefix, {limit: BACKUP_PAGE, atRevision: first.revision, after});
    }
  }

  /** Nothing that was decided on what is there now can be trusted any more. */
  private fail(what: string, wentBack = false): CoordinatorError {
    const message = `the etcd is not the one that this store was opened on: ${what}`;
    const error = new CoordinatorError('corrupt', message, {
      hint: 'Start the coordinator again. Sessions go on from what the etcd has now.',
    });
    this.end(error, wentBack ? this.disown() : undefined);
    return error;
  }

  private async disown(): Promise<void> {
    const {clock, logger, random} = this.parts;
    const {requestTimeoutMs} = this.settings;
    try {
      if (!this.identity) return;
      const {client} = await this.endpoints.find(requestTimeoutMs);
      const options = {deadline: clock.wallNow() + requestTimeoutMs};
      await endIncarnation(client, options, this.space, this.identity, random);
    } catch (error) {
      logger.error('the etcd keeps an incarnation that it has lost a part of', {error});
    }
  }

  /** Everybody is told once `before` is done. */
  private end(error: CoordinatorError, before?: Promise<void>): void {
    if (this.ended) return;
    this.ended = error;
    const finish = (): void => {
      this.watches?.close(error.code === 'closed' ? undefined : error);
      this.owned.dispose();
    };
    if (before) void before.then(finish);
    else finish();
  }
}
