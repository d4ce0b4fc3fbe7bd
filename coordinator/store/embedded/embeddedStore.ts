/** The embedded driver of the store's contract: one replica in this process, its leases, watches, snapshots and retention, alone or in a cluster. */
import {type Logger, silentLogger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {every} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import type {Outcome, StateMachine} from '../stateMachine.ts';
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
import {WatchHub} from '../watchHub.ts';
import type {ClusterOptions} from './clusterOptions.ts';
import {create} from './creation.ts';
import {type Disk, realDisk} from './disk.ts';
import {LeaseKeeper} from './leaseKeeper.ts';
import {type ClusterControl, Membership} from './membership.ts';
import {type OpenedReplica, openReplica, type ReplicaProbe} from './openReplica.ts';
import {PeerNetwork} from './peers/peerNetwork.ts';
import {DEFAULT_PEER_SETTINGS} from './peers/peerSettings.ts';
import type {Transport} from './peers/transport.ts';
import type {ReplicaListener} from './replicaParts.ts';
import {DEFAULT_EMBEDDED_SETTINGS, type EmbeddedSettings} from './settings.ts';
import {SnapshotSchedule} from './snapshotSchedule.ts';

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
  /** Absent: one node, alone. */
  readonly cluster?: ClusterOptions | undefined;
  /** How a member reaches the others; default: sockets. */
  readonly transport?: Transport | undefined;
  readonly probe?: ReplicaProbe | undefined;
  /** Ends the wait for a majority. */
  readonly signal?: AbortSignal | undefined;
}

export interface OpenedStore extends Store {
  /** Undefined for a node that is alone. */
  readonly cluster: ClusterControl | undefined;
}

/**
 * Resolves when everything acknowledged before is applied again; in a cluster that takes a majority, which is waited for. Rejects with `conflict`
 * (another process has the directory, or the node was removed), `config`, `corrupt`, `incompatible` or `diskFull`.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<OpenedStore> {
  const settings = {...DEFAULT_EMBEDDED_SETTINGS, ...options.settings};
  const parts: EmbeddedParts = {
    directory: options.directory,
    clock: options.clock,
    random: options.random,
    logger: options.logger ?? silentLogger,
    disk: options.disk ?? realDisk,
    endOfTurn: options.endOfTurn ?? setImmediate,
    settings,
    cluster: options.cluster,
    probe: options.probe,
  };
  const store = new EmbeddedStore({...parts, transport: options.transport ?? networkOf(parts)});
  const stop = (): void => void store.close();
  options.signal?.addEventListener('abort', stop, {once: true});
  try {
    await store.open();
    options.signal?.throwIfAborted();
    return store;
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
}

function networkOf({cluster, directory, ...rest}: EmbeddedParts): Transport | undefined {
  if (!cluster) return undefined;
  const {name, node, secret, tls, listen, peers} = cluster;
  return new PeerNetwork({
    identity: {cluster: name, node, secret, tls, address: peers.get(node) ?? ''},
    environment: {...rest, folder: directory, settings: {...DEFAULT_PEER_SETTINGS, ...cluster.settings}},
    listen,
  });
}

export interface EmbeddedParts {
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly disk: Disk;
  readonly endOfTurn: (run: () => void) => void;
  readonly settings: EmbeddedSettings;
  readonly cluster: ClusterOptions | undefined;
  readonly probe: ReplicaProbe | undefined;
  readonly transport?: Transport | undefined;
}

/** Compacted revisions whose memory is freed after a batch of commands and at a tick. */
const TRIM_SLICE = 512;
/** Part of the history that an automatic compaction keeps, so that it is not due again at once. */
const KEEP_PART = 0.8;
/** Keys that a backup reads at a time. */
const BACKUP_PAGE = 500;

/** Everything that needs the opened replica. */
interface Working {
  readonly opened: OpenedReplica;
  readonly leases: LeaseKeeper;
  readonly snapshots: SnapshotSchedule;
  readonly watches: WatchHub;
  readonly membership: Membership | undefined;
}

class EmbeddedStore implements OpenedStore {
  private readonly lifetime = new DisposableStore();
  private working: Working | undefined;
  private compacting = false;
  private closing: Promise<void> | undefined;

  constructor(private readonly parts: EmbeddedParts) {}

  get cluster(): ClusterControl | undefined {
    return this.working?.membership;
  }

  async open(): Promise<void> {
    const {clock, settings} = this.parts;
    const opened = await openReplica(this.parts, this.listener());
    const working = this.assemble(opened);
    this.working = working;
    this.lifetime.add(every(clock, settings.tickMs, () => this.tick()));
    try {
      await opened.replica.start();
      await create(opened.replica, this.parts);
    } catch (error) {
      await this.close();
      throw error;
    }
    working.leases.restart();
    working.membership?.tick();
  }

  async get(key: string, options: ReadOptions = {}): Promise<KeyValue | undefined> {
    checkKey(key);
    return (await this.readable(options)).get(key, options);
  }

  async range(prefix: string, options: RangeOptions = {}): Promise<RangeResult> {
    checkPrefix(prefix);
    checkLimit(options.limit);
    return (await this.readable(options)).range(prefix, options);
  }

  async txn(txn: Txn): Promise<TxnResult> {
    checkTxn(txn);
    const {replica} = this.live().opened;
    if (isReadOnly(txn)) return (await this.readable({})).read(txn);
    // The caller may reuse its arrays; what is applied must be what was encoded.
    const own = {compare: [...(txn.compare ?? [])], then: [...txn.then], else: [...(txn.else ?? [])]};
    const outcome = await replica.propose({kind: 'txn', txn: own});
    if (outcome.kind === 'noLease') throw new CoordinatorError('notFound', `there is no lease ${outcome.id}`);
    if (outcome.kind !== 'txn') throw unexpected(outcome);
    return outcome.result;
  }

  watch(prefix: string, options: WatchOptions, listener: (message: WatchMessage) => void): Disposable {
    checkPrefix(prefix);
    return this.live().watches.watch(prefix, options.fromRevision, listener);
  }

  async grantLease(ttlSeconds: number): Promise<Lease> {
    checkTtl(ttlSeconds);
    const {replica} = this.live().opened;
    for (;;) {
      const id = this.parts.random.hex(8);
      const outcome = await replica.propose({kind: 'grantLease', id, ttlSeconds});
      if (outcome.kind === 'leaseGranted') return {id, ttlSeconds};
      if (outcome.kind !== 'leaseExists') throw unexpected(outcome);
    }
  }

  async keepAlive(leaseId: string): Promise<boolean> {
    const {leases, membership} = this.live();
    return membership ? membership.keepAlive(leaseId) : leases.renew(leaseId);
  }

  async revokeLease(leaseId: string): Promise<void> {
    const {replica} = this.live().opened;
    if ((await this.readable({})).leases.has(leaseId))
      await replica.propose({kind: 'endLease', id: leaseId, expired: false});
  }

  async compact(revision: number): Promise<void> {
    const {replica} = this.live().opened;
    const machine = await this.readable({});
    if (!Number.isSafeInteger(revision) || revision > machine.revision)
      throw new CoordinatorError('limit', `revision ${revision} is beyond the newest, ${machine.revision}`);
    if (revision > machine.compactRevision) await replica.propose({kind: 'compact', revision});
  }

  async backup(
    prefix: string,
  ): Promise<{revision: number; incarnation: string; kvs: AsyncIterable<KeyValue>}> {
    checkPrefix(prefix);
    const machine = await this.readable({});
    const {revision, incarnation} = machine;
    const pin = this.lifetime.add(machine.pin(revision));
    const pages = this.backupPages(machine, prefix, revision);
    const release = (): void => this.lifetime.delete(pin);
    return {revision, incarnation, kvs: releasing(pages, release)};
  }

  status(): StoreStatus {
    if (!this.working) throw new CoordinatorError('unavailable', 'the store is still recovering');
    const {opened, membership} = this.working;
    const {raft, log, snapshots, replica} = opened;
    const {machine} = replica;
    const {address} = this.parts.settings;
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
      members: membership?.members() ?? [{id: raft.id, address, role: 'voter'}],
      degraded: replica.degraded,
    };
  }

  staleness(): Staleness {
    const {replica} = this.live().opened;
    return {revision: replica.machine.revision, ageMs: replica.ageMs};
  }

  close(): Promise<void> {
    this.closing ??= this.stop();
    return this.closing;
  }

  private async stop(): Promise<void> {
    const {working} = this;
    working?.snapshots.abort();
    await working?.membership?.leave();
    working?.membership?.stop();
    await working?.opened.replica.close();
    await working?.snapshots.ended();
    working?.watches.close();
    this.lifetime.dispose();
    await working?.opened.close();
  }

  private assemble(opened: OpenedReplica): Working {
    const {clock, cluster, endOfTurn, logger, settings, transport} = this.parts;
    const leases = new LeaseKeeper(opened.replica, {clock, logger, settings});
    const snapshots = new SnapshotSchedule(opened, {clock, logger, settings});
    const watches = new WatchHub(opened.replica.machine, endOfTurn, logger);
    const timeoutMs = settings.writeTimeoutMs;
    const membership =
      cluster && transport && new Membership({cluster, opened, transport, leases, clock, logger, timeoutMs});
    return {opened, leases, snapshots, watches, membership};
  }

  private listener(): ReplicaListener {
    return {
      applied: (command, outcome) => this.working?.leases.applied(command, outcome),
      batchApplied: () => this.batchApplied(),
      restored: () => this.restored(),
      roleChanged: () => {
        this.working?.leases.roleChanged();
        this.working?.membership?.changed();
      },
      removed: async () => {
        const {logger} = this.parts;
        await this.working?.opened
          .markRemoved()
          .catch((error: unknown) => logger.warn('the directory could not be marked as removed', {error}));
      },
      failed: error => this.working?.watches.close(error),
    };
  }

  private live(): Working {
    if (!this.working) throw new CoordinatorError('unavailable', 'the store is still recovering');
    if (this.closing) throw new CoordinatorError('closed', 'the store is closed');
    this.working.opened.replica.checkOpen();
    return this.working;
  }

  /** The state, once it is as new as the reader wants it. */
  private async readable({consistency}: ReadOptions): Promise<StateMachine> {
    const {replica} = this.live().opened;
    if (consistency !== 'local') await replica.strongRead();
    return replica.machine;
  }

  private batchApplied(): void {
    const {working} = this;
    if (!working) return;
    working.watches.deliver();
    working.opened.replica.machine.trim(TRIM_SLICE);
    working.snapshots.writeIfDue();
    working.membership?.changed();
  }

  private restored(): void {
    const {working} = this;
    if (!working) return;
    const {machine, applied} = working.opened.replica;
    working.watches.replaceSource(machine);
    working.snapshots.restored(applied.index);
    working.leases.restart();
    working.membership?.changed();
  }

  private tick(): void {
    const {working} = this;
    if (!working || this.closing) return;
    const {replica} = working.opened;
    if (!working.leases.noticePause()) replica.timeOut();
    if (replica.degraded !== undefined) return;
    working.leases.endDue();
    replica.machine.trim(TRIM_SLICE);
    if (replica.isLeader) this.compactIfDue(working.opened);
    working.snapshots.writeIfDue();
    working.membership?.tick();
  }

  private compactIfDue({replica}: OpenedReplica): void {
    const {historyBytes, historyRevisions} = this.parts.settings;
    if (this.compacting) return;
    const {history, revision, compactRevision} = replica.machine;
    // Memory of the last compaction that is still being freed would count as history.
    if (history.first <= compactRevision) return;
    const tooMany = revision - compactRevision > historyRevisions;
    if (!tooMany && history.bytes <= historyBytes) return;
    const byCount = revision - Math.floor(historyRevisions * KEEP_PART);
    const to = Math.max(tooMany ? byCount : 0, history.revisionThatLeaves(historyBytes * KEEP_PART));
    this.compacting = true;
    Promise.resolve()
      .then(() => replica.propose({kind: 'compact', revision: to}))
      // Tried again at a later tick.
      .catch((error: unknown) => this.parts.logger.warn('history could not be compacted', {error}))
      .finally(() => {
        this.compacting = false;
      });
  }

  private async *backupPages(
    machine: StateMachine,
    prefix: string,
    revision: number,
  ): AsyncGenerator<KeyValue, void> {
    let after: string | undefined;
    for (;;) {
      this.live();
      const {kvs, more} = machine.keys.range(prefix, {after, atRevision: revision, limit: BACKUP_PAGE});
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
