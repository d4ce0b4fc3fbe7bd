/**
 * Content-addressed blobs on the disk of one coordinator, one folder a tenant. Which records name a blob, how many coordinators hold it and when
 * it may go are decisions of the callers.
 *
 * Layout: `{folder}/{tenant}/blobs/{first two digits}/{sha256}`, `…/partial/` for uploads in progress, `…/tmp/` for whole writes in progress,
 * `…/corrupt/` for blobs that no longer match their name. One process owns the folder.
 */
import {mkdir, readdir, rm} from 'node:fs/promises';
import path from 'node:path';
import type {Logger} from '../observability/logger.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Random} from '../runtime/random.ts';
import {checkedTenant, isTenantName} from './artifactName.ts';
import {BlobDisk, type OpenForWriting} from './blobDisk.ts';
import {TenantArtifacts} from './tenantArtifacts.ts';

export interface ArtifactLimits {
  /** The largest artifact accepted. */
  readonly maxArtifactBytes: number;
  /** Uploads in progress of one tenant. */
  readonly maxPartialUploads: number;
  /** Free space that artifacts never use up: the store's log may share the disk. */
  readonly reserveBytes: number;
  /** An upload without progress for this long is dropped. */
  readonly staleUploadMs: number;
}

export const ARTIFACT_LIMITS: ArtifactLimits = {
  maxArtifactBytes: 4 * 1024 ** 3,
  maxPartialUploads: 256,
  reserveBytes: 256 * 1024 ** 2,
  staleUploadMs: 24 * 60 * 60 * 1000,
};

export interface ArtifactStoreOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: Partial<ArtifactLimits>;
  /** Replaces the disk's own `open`, to simulate its faults. */
  readonly openForWriting?: OpenForWriting;
}

export class ArtifactStore {
  private readonly tenants = new Map<string, TenantArtifacts>();
  readonly limits: ArtifactLimits;
  private readonly disk: BlobDisk;

  private constructor(private readonly options: ArtifactStoreOptions) {
    this.limits = {...ARTIFACT_LIMITS, ...options.limits};
    this.disk = new BlobDisk(this.limits.reserveBytes, options.openForWriting);
  }

  /** Creates the folder where it is missing, and clears what a killed process left half written. */
  static async open(options: ArtifactStoreOptions): Promise<ArtifactStore> {
    await mkdir(options.folder, {recursive: true, mode: 0o700});
    const store = new ArtifactStore(options);
    for (const tenant of await store.tenantNames()) {
      await rm(path.join(options.folder, tenant, 'tmp'), {recursive: true, force: true});
    }
    await store.dropStaleUploads();
    return store;
  }

  /** The artifacts of one tenant; throws `config` for a name that is not one. */
  tenant(name: string): TenantArtifacts {
    let tenant = this.tenants.get(name);
    if (!tenant) {
      tenant = new TenantArtifacts({
        folder: path.join(this.options.folder, checkedTenant(name)),
        root: this.options.folder,
        disk: this.disk,
        limits: this.limits,
        clock: this.options.clock,
        random: this.options.random,
        logger: this.options.logger.with({tenant: name}),
      });
      this.tenants.set(name, tenant);
    }
    return tenant;
  }

  /** Tenants with a folder, in alphabetical order. */
  async tenantNames(): Promise<string[]> {
    const entries = await readdir(this.options.folder, {withFileTypes: true});
    return entries
      .filter(entry => entry.isDirectory() && isTenantName(entry.name))
      .map(entry => entry.name)
      .sort();
  }

  /** Drops uploads without progress for `staleUploadMs`; returns how many. Call it now and then. */
  async dropStaleUploads(): Promise<number> {
    const before = this.options.clock.wallNow() - this.limits.staleUploadMs;
    let dropped = 0;
    for (const name of await this.tenantNames())
      dropped += await this.tenant(name).uploads.dropOlderThan(before);
    return dropped;
  }
}
