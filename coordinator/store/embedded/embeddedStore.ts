/** The embedded driver of the store's contract: one replica in this process, its leases, watches, snapshots and retention. */
import {type Logger, silentLogger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {every} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import type {Command} from '../commands.ts';
import type {Outcome} from '../stateMachine.ts';
import type {
  KeyValue,
  Lease,
  RangeOptions,
  RangeResult,
  ReadOptions,
  Store,
  StoreStatus,
  Txn,
  TxnResult,
  WatchMessage,
  WatchOptions,
} from '../store.ts';
import {checkKey, checkLimit, checkPrefix, checkTtl, checkTxn, isReadOnly} from '../txnLimits.ts';
import {WatchHub} from '../watchHub.ts';
import {type Disk, realDisk} from './disk.ts';
import {LeaseDeadlines} from './leaseDeadlines.ts';
import {type OpenedReplica, openReplica} from './openReplica.ts';
import {DEFAULT_EMBEDDED_SETTINGS, type EmbeddedSettings} from './settings.ts';

export interface EmbeddedStoreOptions {
  /** Made when absent. One process at a time. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger | undefined;
  readonly settings?: Partial<EmbeddedSettings> | undefined;
  readonly disk?: Disk | undefined;
  /** Runs a function at the end of the turn of the event loop; writes of one turn share a flush. Default: `setImmediate`. */
  readonly endOfTurn?: ((run: () => void) => void) | undefined;
}

/**
 * Resolves when everything acknowledged before is applied again. Rejects with `conflict` (another process has the directory), `corrupt`,
 * `incompatible` or `diskFull`.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  const settings = {...DEFAULT_EMBEDDED_SETTINGS, ...options.settings};
  const store = new EmbeddedStore({
    directory: options.directory,
    clock: options.clock,
    random: options.random,
    logger: options.logger ?? silentLogger,
    disk: options.disk ?? realDisk,
    endOfTurn: options.endOfTurn ?? setImmediate,
    settings,
  });
  await store.open();
  return store;
}

export interface EmbeddedParts {
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly disk: Disk;
  readonly endOfTurn: (run: () => void) => void;
  readonly settings: EmbeddedSettings;
}

/** Compacted revisions whose memory is freed after a batch of commands and at a tick. */
const TRIM_SLICE = 512;
/** Part of the history that an automatic compaction keeps, so that it is not due again at once. */
const KEEP_PART = 0.8;
/** Keys that a backup reads at a time. */
const BACKUP_PAGE = 500;

class EmbeddedStore implements Store {
  private readonly lifetime = new DisposableStore();
  private readonly stopping = new AbortController();
  private readonly deadlines: LeaseDeadlines;
  /** Leases whose end is in the log but not applied. */
  private readonly expiring = new Map<string, Promise<unknown>>();
  private opened: OpenedReplica | undefined;
  private watches: WatchHub | undefined;
  private snapshotting: Promise<void> | undefined;
  private snapshotNotBefore = 0;
  private snapshotAt = {index: 0, bytes: 0};
  private compacting = false;
  private closing: Promise<void> | undefined;

  constructor(private readonly parts: EmbeddedParts) {
    const {tickMs, pauseTicks} = parts.settings;
    this.deadlines = new LeaseDeadlines(tickMs, tickMs * pauseTicks, parts.clock.now());
  }

  async open(): Promise<void> {
    const {clock, endOfTurn, logger, random, settings} = this.parts;
    const opened = await openReplica(this.parts, {
      applied: (command, outcome) => this.applied(command, outcome),
      batchApplied: () => this.batchApplied(),
      failed: error => this.watches?.close(error),
    });
    this.opened = opened;
    this.snapshotAt = {index: opened.snapshotIndex, bytes: 0};
    for (const lease of opened.machine.leases.values())
      this.deadlines.renew(lease.id, lease.ttlSeconds, clock.now());
    try {
      await opened.replica.start();
      if (opened.machine.incarnation === '')
        await opened.replica.propose({kind: 'create', incarnation: random.hex(8)});
    } catch (error) {
      await this.close();
      throw error;
    }
    this.watches = new WatchHub(opened.machine, endOfTurn, logger);
    for (const lease of opened.machine.leases.values())
      this.deadlines.renew(lease.id, lease.ttlSeconds, clock.now());
    this.lifetime.add(every(clock, settings.tickMs, () => this.tick()));
  }

  async get(key: string, options: ReadOptions = {}): Promise<KeyValue | undefined> {
    checkKey(key);
    // One voter: whatever was acknowledged is applied here, so the state in memory is a linearizable read.
    return this.live().machine.get(key, options);
  }

  async range(prefix: string, options: RangeOptions = {}): Promise<RangeResult> {
    checkPrefix(prefix);
    checkLimit(options.limit);
    return this.live().machine.range(prefix, options);
  }

  async txn(txn: Txn): Promise<TxnResult> {
    checkTxn(txn);
    const {machine, replica} = this.live();
    if (isReadOnly(txn)) return machine.read(txn);
    // The caller may reuse its arrays; what is applied must be what was encoded.
    const own = {compare: [...(txn.compare ?? [])], then: [...txn.then], else: [...(txn.else ?? [])]};
    const outcome = await replica.propose({kind: 'txn', txn: own});
    if (outcome.kind === 'noLease') throw new CoordinatorError('notFound', `there is no lease ${outcome.id}`);
    if (outcome.kind !== 'txn') throw unexpected(outcome);
    return outcome.result;
  }

  watch(prefix: string, options: WatchOptions, listener: (message: WatchMessage) => void): Disposable {
    checkPrefix(prefix);
    this.live();
    if (!this.watches) throw new CoordinatorError('unavailable', 'the store is still recovering');
    return this.watches.watch(prefix, options.fromRevision, listener);
  }

  async grantLease(ttlSeconds: number): Promise<Lease> {
    checkTtl(ttlSeconds);
    const {replica} = this.live();
    for (;;) {
      const id = this.parts.random.hex(8);
      const outcome = await replica.propose({kind: 'grantLease', id, ttlSeconds});
      if (outcome.kind === 'leaseGranted') return {id, ttlSeconds};
      if (outcome.kind !== 'leaseExists') throw unexpected(outcome);
    }
  }

  async keepAlive(leaseId: string): Promise<boolean> {
    const {machine} = this.live();
    await this.expiring.get(leaseId);
    const lease = machine.leases.get(leaseId);
    if (!lease) return false;
    this.deadlines.renew(leaseId, lease.ttlSeconds, this.parts.clock.now());
    return true;
  }

  async revokeLease(leaseId: string): Promise<void> {
    const {machine, replica} = this.live();
    if (machine.leases.has(leaseId)) await replica.propose({kind: 'endLease', id: leaseId, expired: false});
  }

  async compact(revision: number): Promise<void> {
    const {machine, replica} = this.live();
    if (!Number.isSafeInteger(revision) || revision > machine.revision)
      throw new CoordinatorError('limit', `revision ${revision} is beyond the newest, ${machine.revision}`);
    if (revision > machine.compactRevision) await replica.propose({kind: 'compact', revision});
  }

  async backup(
    prefix: string,
  ): Promise<{revision: number; incarnation: string; kvs: AsyncIterable<KeyValue>}> {
    checkPrefix(prefix);
    const {machine} = this.live();
    const {revision, incarnation} = machine;
    const pin = this.lifetime.add(machine.pin(revision));
    const pages = this.backupPages(prefix, revision);
    const release = (): void => this.lifetime.delete(pin);
    return {revision, incarnation, kvs: releasing(pages, release)};
  }

  status(): StoreStatus {
    const {settings} = this.parts;
    const opened = this.opened;
    if (!opened) throw new CoordinatorError('unavailable', 'the store is still recovering');
    const {machine, raft, log, snapshots, replica} = opened;
    return {
      driver: 'embedded',
      incarnation: machine.incarnation,
      revision: machine.revision,
      compactRevision: machine.compactRevision,
      keys: machine.keys.size,
      bytesOnDisk: log.bytesOnDisk + snapshots.bytesOnDisk,
      term: raft.currentTerm,
      leader: raft.leader,
      isLeader: raft.role === 'leader',
      members: [{id: raft.id, address: settings.address, role: 'voter'}],
      degraded: replica.degraded,
    };
  }

  close(): Promise<void> {
    this.closing ??= this.stop();
    return this.closing;
  }

  private async stop(): Promise<void> {
    const opened = this.opened;
    this.stopping.abort(new CoordinatorError('closed', 'the store is closing'));
    await opened?.replica.close();
    await this.snapshotting;
    this.watches?.close();
    this.lifetime.dispose();
    await opened?.close();
  }

  private live(): OpenedReplica {
    if (!this.opened) throw new CoordinatorError('unavailable', 'the store is still recovering');
    if (this.closing) throw new CoordinatorError('closed', 'the store is closed');
    this.opened.replica.checkOpen();
    return this.opened;
  }

  private applied(command: Command, outcome: Outcome): void {
    if (command.kind === 'grantLease' && outcome.kind === 'leaseGranted')
      this.deadlines.renew(command.id, command.ttlSeconds, this.parts.clock.now());
    else if (command.kind === 'endLease') this.deadlines.end(command.id);
  }

  private batchApplied(): void {
    this.watches?.deliver();
    this.opened?.machine.trim(TRIM_SLICE);
    this.snapshotIfDue();
  }

  private tick(): void {
    const opened = this.opened;
    if (!opened || this.closing) return;
    const now = this.parts.clock.now();
    const pause = this.deadlines.noticePause(now);
    if (pause > 0)
      this.parts.logger.warn('this process stood still; leases are extended', {pauseMs: Math.round(pause)});
    else opened.replica.timeOut();
    if (opened.replica.degraded !== undefined) return;
    for (const id of this.deadlines.due(now)) this.expire(id);
    opened.machine.trim(TRIM_SLICE);
    this.compactIfDue();
    this.snapshotIfDue();
  }

  private expire(id: string): void {
    const opened = this.opened;
    if (!opened || this.expiring.has(id)) return;
    const ended = this.quietly('a lease could not be ended', () =>
      opened.replica.propose({kind: 'endLease', id, expired: true}),
    ).finally(() => this.expiring.delete(id));
    this.expiring.set(id, ended);
  }

  private compactIfDue(): void {
    const opened = this.opened;
    const {historyBytes, historyRevisions} = this.parts.settings;
    if (!opened || this.compacting) return;
    const {history, revision, compactRevision} = opened.machine;
    // Memory of the last compaction that is still being freed would count as history.
    if (history.first <= compactRevision) return;
    const tooMany = revision - compactRevision > historyRevisions;
    if (!tooMany && history.bytes <= historyBytes) return;
    const byCount = revision - Math.floor(historyRevisions * KEEP_PART);
    const to = Math.max(tooMany ? byCount : 0, history.revisionThatLeaves(historyBytes * KEEP_PART));
    this.compacting = true;
    void this.quietly('history could not be compacted', () =>
      opened.replica.propose({kind: 'compact', revision: to}),
    ).finally(() => {
      this.compacting = false;
    });
  }

  private snapshotIfDue(): void {
    const opened = this.opened;
    const {settings, clock, logger} = this.parts;
    if (!opened || this.snapshotting || this.closing || clock.now() < this.snapshotNotBefore) return;
    const {replica, snapshots} = opened;
    const entries = replica.applied.index - this.snapshotAt.index;
    const bytes = replica.appliedBytes - this.snapshotAt.bytes;
    // Never more often than the log outgrows the state: else a large state would be written over and over.
    if (
      bytes < snapshots.lastBytes ||
      (entries < settings.snapshotEntries && bytes < settings.snapshotLogBytes)
    )
      return;
    this.snapshotAt = {index: replica.applied.index, bytes: replica.appliedBytes};
    this.snapshotting = opened
      .snapshot(this.stopping.signal)
      .catch(error => {
        if (this.stopping.signal.aborted) return;
        logger.error('a snapshot could not be written', {error});
        const code = systemErrorCode(error);
        if (code !== 'ENOSPC' && code !== 'EDQUOT')
          replica.fail(new CoordinatorError('corrupt', 'the disk failed a snapshot', {cause: error}));
        this.snapshotNotBefore = clock.now() + settings.diskRetryMs;
      })
      .finally(() => {
        this.snapshotting = undefined;
      });
  }

  /** For work of our own that nobody waits for: it is tried again at a later tick. */
  private async quietly(what: string, run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.parts.logger.warn(what, {error});
    }
  }

  private async *backupPages(prefix: string, revision: number): AsyncGenerator<KeyValue, void> {
    let after: string | undefined;
    for (;;) {
      const {keys} = this.live().machine;
      const {kvs, more} = keys.range(prefix, {after, atRevision: revision, limit: BACKUP_PAGE});
      yield* kvs;
      if (!more) return;
      after = kvs.at(-1)?.key;
      await new Promise<void>(resolve => this.parts.endOfTurn(resolve));
    }
  }
}

async function* releasing(
  pages: AsyncIterable<KeyValue>,
  release: () => void,
): AsyncGenerator<KeyValue, void> {
  try {
    yield* pages;
  } finally {
    release();
  }
}

function unexpected(outcome: Outcome): CoordinatorError {
  return new CoordinatorError('internal', `the command came to ${outcome.kind}`);
}
