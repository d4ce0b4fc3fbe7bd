/**
 * The artifacts of a cluster as every one of its coordinators serves them: what is written is on a majority of disks before it is acknowledged, and
 * what is read is fetched where it is not here. With one coordinator it adds nothing to that coordinator's store.
 */
import {createHash} from 'node:crypto';
import type {Readable} from 'node:stream';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import type {Random} from '../../runtime/random.ts';
import type {ArtifactStore} from '../artifactStore.ts';
import type {AppendResult, Upload, UploadState} from '../partialUploads.ts';
import type {ServedArtifacts, ServedTenants} from '../servedArtifacts.ts';
import type {OpenedArtifact, StoredArtifact, TenantArtifacts} from '../tenantArtifacts.ts';
import {Fetches} from './fetches.ts';
import {HolderClients} from './holderClients.ts';
import type {Holders} from './holders.ts';
import {REPLICATION_SETTINGS, type ReplicationSettings} from './replicationSettings.ts';
import {Spread} from './spread.ts';

export interface ReplicatedArtifactsOptions {
  /** This coordinator's own. */
  readonly store: ArtifactStore;
  readonly holders: Holders;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings?: Partial<ReplicationSettings>;
}

export class ReplicatedArtifacts implements ServedTenants, Disposable {
  readonly settings: ReplicationSettings;
  readonly clients: HolderClients;
  private readonly spread: Spread;
  private readonly fetches: Fetches;
  private readonly tenants = new Map<string, ReplicatedTenant>();

  constructor(private readonly options: ReplicatedArtifactsOptions) {
    const {store, holders, clock, logger} = options;
    const settings = {...REPLICATION_SETTINGS, ...options.settings};
    this.settings = settings;
    this.clients = new HolderClients(holders, options, settings);
    const parts = {store, holders, clients: this.clients, clock, logger, settings};
    this.spread = new Spread(parts);
    this.fetches = new Fetches(parts);
  }

  tenant(name: string): ReplicatedTenant {
    let tenant = this.tenants.get(name);
    if (!tenant) {
      const own = this.options.store.tenant(name);
      tenant = new ReplicatedTenant(
        own,
        this.spread,
        (stored, content) => this.spread.toMajority(name, stored, content),
        sha256 => this.fetches.fetch(name, sha256),
      );
      this.tenants.set(name, tenant);
    }
    return tenant;
  }

  /** Transfers under way end with `closed`. */
  dispose(): void {
    this.spread.dispose();
    this.fetches.dispose();
    this.clients.dispose();
  }
}

export class ReplicatedTenant implements ServedArtifacts {
  readonly uploads: ServedArtifacts['uploads'];

  constructor(
    private readonly own: TenantArtifacts,
    private readonly others: Pick<Spread, 'isNeeded'>,
    private readonly spread: (stored: StoredArtifact, content?: Uint8Array) => Promise<void>,
    /** Whether it is here now; see `Fetches`. */
    readonly fetch: (sha256: string) => Promise<boolean>,
  ) {
    const spreadStored = async <T extends UploadState | AppendResult>(
      upload: Upload,
      state: T,
    ): Promise<T> => {
      // Also when it was here before: an earlier sender may have left before a majority had it.
      if (state.kind === 'stored') await spread({sha256: upload.sha256, bytes: state.bytes});
      return state;
    };
    this.uploads = {
      state: async upload => spreadStored(upload, await own.uploads.state(upload)),
      append: async (upload, offset, content) =>
        spreadStored(upload, await own.uploads.append(upload, offset, content)),
    };
  }

  /** Resolves once a majority has it on disk. Errors: those of `TenantArtifacts.put` and of `Spread.toMajority`. */
  async put(
    content: Readable | Uint8Array,
    options: {expectedSha256?: string; signal?: AbortSignal} = {},
  ): Promise<StoredArtifact> {
    if (content instanceof Uint8Array && this.others.isNeeded) return this.putEverywhere(content, options);
    const stored = await this.own.put(content, options);
    await this.spread(stored);
    return stored;
  }

  /** On all disks at the same time. */
  private async putEverywhere(
    content: Uint8Array,
    options: {expectedSha256?: string; signal?: AbortSignal},
  ): Promise<StoredArtifact> {
    const sha256 = createHash('sha256').update(content).digest('hex');
    const known = {sha256, bytes: content.length};
    const [stored] = await Promise.all([this.own.put(content, options), this.spread(known, content)]);
    return stored;
  }

  async open(
    sha256: string,
    range: {offset?: number; length?: number} = {},
  ): Promise<OpenedArtifact | undefined> {
    const here = await this.own.open(sha256, range);
    if (here) return here;
    return (await this.fetch(sha256)) ? this.own.open(sha256, range) : undefined;
  }

  async size(sha256: string): Promise<number | undefined> {
    const here = await this.own.size(sha256);
    if (here !== undefined) return here;
    return (await this.fetch(sha256)) ? this.own.size(sha256) : undefined;
  }
}
