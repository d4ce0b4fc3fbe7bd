/**
 * Makes one coordinator's artifacts whole again: what records name, and another has, and this one lacks, is fetched. Each repairs its own disk, so
 * that all of them together repair the cluster: whatever one of them still has gets to every other. Nothing is deleted here.
 */
import type {Logger} from '../../observability/logger.ts';
import {type Clock, every} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore, toDisposable} from '../../runtime/disposable.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import type {ArtifactStore} from '../artifactStore.ts';
import {namedArtifacts} from '../namedArtifacts.ts';
import {blobsOf} from '../textArtifacts.ts';
import type {Holders} from './holders.ts';
import type {ReplicatedArtifacts} from './replicatedArtifacts.ts';
import {Slots} from './slots.ts';

export interface RepairOptions {
  /** This coordinator's own. */
  readonly store: ArtifactStore;
  readonly replicated: ReplicatedArtifacts;
  readonly holders: Holders;
  readonly tenants: readonly string[];
  /** Every record of a tenant, and what names artifacts beside them. */
  readonly records: (tenant: string) => Promise<AsyncIterable<{readonly value: string}>>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Repaired {
  readonly fetched: number;
  readonly bytes: number;
  /** Named, seen at another, and not here yet. */
  readonly missing: number;
  /** Others that could not say what they have. */
  readonly silent: number;
}

export class Repair implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  /** Somebody came or went during a look. */
  private again = false;
  /** Looks in a row that left something undone. */
  private undone = 0;
  private soon: Disposable | undefined;

  constructor(private readonly options: RepairOptions) {}

  /** From now on: soon, whenever somebody comes or goes, and now and then. */
  start(): void {
    const {clock, holders, replicated} = this.options;
    this.owned.add(toDisposable(() => this.stopping.abort(closing())));
    this.owned.add(toDisposable(() => this.soon?.dispose()));
    this.owned.add(holders.onChanged(() => this.changed()));
    this.owned.add(every(clock, replicated.settings.repairMs, () => this.look()));
    this.lookSoon();
  }

  dispose(): void {
    this.owned.dispose();
  }

  /** One look at what the others have, now. */
  async pass(tenant: string): Promise<Repaired> {
    const {store, replicated, records} = this.options;
    const {others, silent} = await this.listed(tenant);
    const own = store.tenant(tenant);
    for await (const sha256 of own.digests()) others.delete(sha256);
    const total = {fetched: 0, bytes: 0, missing: 0, silent};
    if (others.size === 0) return total;
    const read = blobsOf(replicated.tenant(tenant)).find;
    const named = await namedArtifacts({records: await records(tenant), read});
    const wanted = [...others].filter(sha256 => named.has(sha256));
    const slots = new Slots(replicated.settings.repairFetches);
    const fetchOne = async (sha256: string): Promise<void> => {
      this.stopping.signal.throwIfAborted();
      if (await this.fetched(tenant, sha256)) {
        total.fetched += 1;
        total.bytes += (await own.size(sha256)) ?? 0;
      } else total.missing += 1;
    };
    await Promise.all(wanted.map(sha256 => slots.run(() => fetchOne(sha256))));
    return total;
  }

  private async listed(tenant: string): Promise<{others: Set<string>; silent: number}> {
    const {holders, replicated, logger} = this.options;
    const others = new Set<string>();
    let silent = 0;
    const list = async (holder: ReturnType<Holders['others']>[number]): Promise<void> => {
      try {
        const link = replicated.clients.link(holder, tenant);
        for (const sha256 of await link.digests(this.stopping.signal)) others.add(sha256);
      } catch (error) {
        this.stopping.signal.throwIfAborted();
        silent += 1;
        logger.debug('a coordinator did not list its artifacts', {
          id: holder.id,
          error: describeError(error),
        });
      }
    };
    await Promise.all(holders.others().map(list));
    return {others, silent};
  }

  private async fetched(tenant: string, sha256: string): Promise<boolean> {
    try {
      return await this.options.replicated.tenant(tenant).fetch(sha256);
    } catch (error) {
      this.options.logger.warn('an artifact that should be here could not be fetched', {
        sha256,
        error: describeError(error),
      });
      return false;
    }
  }

  private changed(): void {
    this.undone = 0;
    this.lookSoon();
  }

  private lookSoon(): void {
    const {clock, replicated} = this.options;
    const {repairSoonMs, repairMs} = replicated.settings;
    const pause = Math.min(repairMs, repairSoonMs * 2 ** this.undone);
    this.soon?.dispose();
    this.soon = clock.schedule(pause, () => this.look(), {background: true});
  }

  private look(): void {
    if (this.stopping.signal.aborted) return;
    if (this.running) {
      this.again = true;
      return;
    }
    this.again = false;
    this.running = this.passAll().then(isDone => {
      this.running = undefined;
      this.undone = isDone ? 0 : this.undone + 1;
      if ((this.again || !isDone) && !this.stopping.signal.aborted) this.lookSoon();
    });
  }

  /** Whether nothing is left to do. Never rejects. */
  private async passAll(): Promise<boolean> {
    const {tenants, logger, holders} = this.options;
    if (holders.others().length === 0) return true;
    let isDone = true;
    for (const tenant of tenants) {
      try {
        const {fetched, bytes, missing, silent} = await this.pass(tenant);
        if (fetched > 0)
          logger.info('artifacts were missing here and were fetched', {tenant, fetched, bytes});
        if (missing > 0) logger.warn('artifacts that should be here are still missing', {tenant, missing});
        isDone &&= missing === 0 && silent === 0;
      } catch (error) {
        isDone = false;
        if (!this.stopping.signal.aborted)
          logger.warn('artifacts could not be looked through; it is tried again', {tenant, error});
      }
    }
    return isDone;
  }
}

function closing(): CoordinatorError {
  return new CoordinatorError('closed', 'the coordinator is stopping');
}
