/**
 * The coordinators that share the store: each keeps a record there while it lives, and knows the others by theirs. What they say to each other is
 * left to coordinatorLinks.ts and to whoever fetches artifacts.
 */
import {type WatchedRecord, WatchedRecords} from '../effects/watchedRecords.ts';
import type {Logger} from '../observability/logger.ts';
import {CoordinatorRecord} from '../protocol/model/facts.ts';
import {SYSTEM_KEYS} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {assert} from '../runtime/assert.ts';
import {type Clock, delay, every} from '../runtime/clock.ts';
import {type Disposable, DisposableStore, noDisposable} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {Random} from '../runtime/random.ts';
import type {Principal} from '../security/principal.ts';
import {putRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {ClusterSecret} from './clusterSecret.ts';
import {type FixedTokens, SharedTokens} from './sharedTokens.ts';

export interface OtherCoordinator {
  readonly id: string;
  /** `ws(s)://host:port` */
  readonly url: string;
  /** PEM of the only authority to trust there; the system's where absent. */
  readonly ca: string | undefined;
  /** Its name as a member of the store's cluster, where it is one. */
  readonly node?: string | undefined;
}

export interface CoordinatorDirectoryOptions {
  readonly store: Store;
  /** Whether others may share the store. A coordinator that is alone has no record and no others. */
  readonly shared: boolean;
  readonly id: string;
  /** Of our own user, which the others accept too: who fails over keeps his token. */
  readonly tokens: FixedTokens;
  readonly node?: string | undefined;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** One that is silent for so long is no coordinator any more. */
  readonly leaseSeconds?: number;
}

const LEASE_SECONDS = 5;
const RENEWALS_PER_LEASE = 3;
const LEAVE_MS = 1000;

export class CoordinatorDirectory implements Disposable {
  private readonly records: WatchedRecords<typeof CoordinatorRecord>;
  private readonly changes = new Emitter<void>();
  private readonly owned = new DisposableStore();
  private readonly sharedTokens: SharedTokens;
  private secret: ClusterSecret | undefined;
  private lease: string | undefined;
  private renewal = noDisposable;
  private renewing: Promise<void> | undefined;

  /** Another coordinator came, went or moved. */
  readonly onChanged = this.changes.event;

  constructor(private readonly options: CoordinatorDirectoryOptions) {
    const {store, clock, logger, id} = options;
    const prefix = SYSTEM_KEYS.coordinators;
    this.owned.add(this.changes);
    this.records = this.owned.add(
      new WatchedRecords({store, clock, logger, prefix, schema: CoordinatorRecord}),
    );
    this.sharedTokens = this.owned.add(new SharedTokens(options));
    this.owned.add(
      this.records.onChange(({now, before}) => {
        if ((now ?? before)?.value.id === id || sameDoor(now, before)) return;
        this.changes.emit();
      }),
    );
  }

  /** Resolves when the others are known and can be told from strangers. */
  async start(): Promise<void> {
    const {shared, store, id, random} = this.options;
    if (!shared) return;
    this.secret = await ClusterSecret.open(store, id, random);
    await Promise.all([this.records.start(), this.sharedTokens.start()]);
  }

  /** The other coordinators that live, in the order of their ids. */
  others(): readonly OtherCoordinator[] {
    return [...this.records.all()]
      .map(({value: {id, url, ca, node}}) => ({id, url, ca, ...(node === undefined ? {} : {node})}))
      .filter(({id}) => id !== this.options.id)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** A bearer token for the doors of the others. Nobody else may see it. */
  credential(): string {
    assert(this.secret, 'a coordinator that is alone has nobody to prove itself to');
    return this.secret.tokenOf(this.options.id);
  }

  /** Who shows a token of another coordinator, or one that is another's user's; undefined when it is neither. */
  verify(token: string): Principal | undefined {
    return this.secret?.verify(token) ?? this.sharedTokens.verify(token);
  }

  /** Tells the others where our door is, from now on until `stop`. */
  async announce(door: {readonly url: string; readonly ca: string | undefined}): Promise<void> {
    const {shared, clock, id, node, version, leaseSeconds = LEASE_SECONDS} = this.options;
    if (!shared) return;
    const record: CoordinatorRecord = {
      v: RECORD_VERSION,
      principal: `coordinator:${id}`,
      id,
      url: door.url,
      ...(door.ca === undefined ? {} : {ca: door.ca}),
      ...(node === undefined ? {} : {node}),
      version,
      since: clock.wallNow(),
    };
    await this.renew(record);
    this.renewal = every(clock, (leaseSeconds * 1000) / RENEWALS_PER_LEASE, () => {
      this.renewing ??= this.renew(record)
        .catch((error: unknown) => this.notRenewed(error))
        .finally(() => {
          this.renewing = undefined;
        });
    });
  }

  dispose(): void {
    this.renewal.dispose();
    this.owned.dispose();
  }

  /** Leaves, so that nobody has to wait for the lease to end. */
  async stop(): Promise<void> {
    this.dispose();
    const {clock} = this.options;
    const over = new AbortController();
    // Without a majority nothing is revoked, and the lease ends by itself.
    await Promise.race([this.leave(), delay(clock, LEAVE_MS, over.signal).catch(() => undefined)]);
    over.abort();
  }

  private async leave(): Promise<void> {
    await this.renewing;
    if (this.lease === undefined) return;
    await this.options.store.revokeLease(this.lease).catch((error: unknown) => this.notRenewed(error));
  }

  private async renew(record: CoordinatorRecord): Promise<void> {
    const {store, leaseSeconds = LEASE_SECONDS} = this.options;
    if (this.lease !== undefined && (await store.keepAlive(this.lease))) return;
    // The first time, or after a pause that was longer than the lease.
    const lease = await store.grantLease(leaseSeconds);
    await store.txn({then: [putRecord(`${SYSTEM_KEYS.coordinators}${record.id}`, record, lease.id)]});
    this.lease = lease.id;
  }

  private notRenewed(error: unknown): void {
    if (isCoordinatorError(error, 'closed')) return;
    this.options.logger.debug('the record of this coordinator was not renewed', {error});
  }
}

type Known = WatchedRecord<CoordinatorRecord>;

function sameDoor(now: Known | undefined, before: Known | undefined): boolean {
  return now?.value.url === before?.value.url && now?.value.ca === before?.value.ca;
}
