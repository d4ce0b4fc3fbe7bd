/** The artifacts of one coordinator, with those of the others behind them where there are others: opened, served, kept whole and swept. */
import {artifactRequests} from '../artifacts/artifactRequests.ts';
import {ArtifactStore} from '../artifacts/artifactStore.ts';
import type {Holders} from '../artifacts/replication/holders.ts';
import {Repair} from '../artifacts/replication/repair.ts';
import {replicaRequests} from '../artifacts/replication/replicaRequests.ts';
import {ReplicatedArtifacts} from '../artifacts/replication/replicatedArtifacts.ts';
import type {ServedArtifacts, ServedTenants} from '../artifacts/servedArtifacts.ts';
import {sweepArtifacts} from '../artifacts/sweepArtifacts.ts';
import {blobsOf} from '../artifacts/textArtifacts.ts';
import type {CoordinatorDirectory} from '../cluster/coordinatorDirectory.ts';
import type {Settings} from '../config.ts';
import type {SessionHistory} from '../history/sessionHistory.ts';
import type {Route} from '../hub/httpFront.ts';
import type {Logger} from '../observability/logger.ts';
import {tenantKeys} from '../protocol/model/keys.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {Random} from '../runtime/random.ts';
import type {KeyValue, Store} from '../store/store.ts';
import {artifactHolders} from './artifactHolders.ts';

export interface CoordinatorArtifactsOptions {
  readonly folder: string;
  readonly tenant: string;
  readonly store: Store;
  readonly coordinators: CoordinatorDirectory;
  /** Our name as a member of the store's cluster, where we are one. */
  readonly node: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: Settings;
}

export class CoordinatorArtifacts implements ServedTenants, Disposable {
  private readonly owned = new DisposableStore();

  private constructor(
    private readonly options: CoordinatorArtifactsOptions,
    /** What is on this disk. */
    private readonly own: ArtifactStore,
    private readonly replicated: ReplicatedArtifacts,
    private readonly holders: Holders,
  ) {
    this.owned.add(replicated);
  }

  static async open(options: CoordinatorArtifactsOptions): Promise<CoordinatorArtifacts> {
    const {folder, store, coordinators, node, clock, random, logger, settings} = options;
    const {maxArtifactBytes, artifactWaitMs, artifactRepairMs} = settings;
    const own = await ArtifactStore.open({folder, clock, random, logger, limits: {maxArtifactBytes}});
    const holders = artifactHolders(store, coordinators, node);
    const replicated = new ReplicatedArtifacts({
      ...{store: own, holders, clock, random, logger},
      settings: {patienceMs: artifactWaitMs, repairMs: artifactRepairMs},
    });
    return new CoordinatorArtifacts(options, own, replicated, holders);
  }

  tenant(name: string): ServedArtifacts {
    return this.replicated.tenant(name);
  }

  /** For agents and clients, and for the other coordinators. */
  routes(): Route[] {
    const {logger} = this.options;
    return [
      (request, response, principal) =>
        artifactRequests(
          this.replicated,
          (_request, {tenant}) =>
            tenant === principal.tenant
              ? {kind: 'allowed'}
              : {kind: 'denied', status: 403, message: "another tenant's artifacts"},
          logger,
        )(request, response),
      (request, response, {role}) =>
        replicaRequests(this.own, () => role === 'peer', logger)(request, response),
    ];
  }

  /** From now on what records name comes here when another coordinator has it. */
  keepWhole(): void {
    const {tenant, clock, logger} = this.options;
    const repair = new Repair({
      ...{
        store: this.own,
        replicated: this.replicated,
        holders: this.holders,
        tenants: [tenant],
        clock,
        logger,
      },
      records: () => this.records(),
    });
    this.owned.add(repair).start();
  }

  /** Drops uploads that nobody goes on with, and what nothing names. */
  async clean(history: SessionHistory): Promise<void> {
    const {tenant, clock, logger, settings} = this.options;
    await this.own.dropStaleUploads();
    const before = clock.wallNow() - settings.keepArtifactsMs;
    const swept = await sweepArtifacts(this.own.tenant(tenant), {
      records: history.namedWith(await this.records()),
      before,
      read: blobsOf(this.replicated.tenant(tenant)).find,
    });
    if (swept.deleted > 0) logger.info('artifacts that nothing names were deleted', {...swept});
  }

  dispose(): void {
    this.owned.dispose();
  }

  private async records(): Promise<AsyncIterable<KeyValue>> {
    const {store, tenant} = this.options;
    return (await store.backup(tenantKeys(tenant).base)).kvs;
  }
}
