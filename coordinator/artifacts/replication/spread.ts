/**
 * Copies of one coordinator's artifacts to the others. Whoever asks waits until a majority has the artifact on disk; the rest get it too, unasked.
 * What was missed meanwhile is repair.ts.
 */
import {setMaxListeners} from 'node:events';
import type {Logger} from '../../observability/logger.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import {deferred} from '../../runtime/deferred.ts';
import {type Disposable, DisposableStore, toDisposable} from '../../runtime/disposable.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../../runtime/errors.ts';
import type {ArtifactStore} from '../artifactStore.ts';
import type {StoredArtifact} from '../tenantArtifacts.ts';
import type {HolderClients} from './holderClients.ts';
import {type Holder, type Holders, majorityOf} from './holders.ts';
import type {ReplicationSettings} from './replicationSettings.ts';

/** One artifact on its way to one holder; all who want it there share it. */
interface Push {
  readonly done: Promise<void>;
  readonly progress: {bytes: number};
}

export interface SpreadParts {
  readonly store: ArtifactStore;
  readonly holders: Holders;
  readonly clients: HolderClients;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: ReplicationSettings;
}

export class Spread implements Disposable {
  private readonly pushes = new Map<string, Push>();
  private readonly stopping = new AbortController();

  constructor(private readonly parts: SpreadParts) {
    // Each artifact on its way listens to it, however many there are.
    setMaxListeners(0, this.stopping.signal);
  }

  /** Whether there is anybody to send to, or to wait for. */
  get isNeeded(): boolean {
    const {holders} = this.parts;
    return holders.others().length > 0 || lacking(holders, 0) > 0;
  }

  /**
   * Resolves once a majority has it, this coordinator's disk with it; `content` is needed while it is not there yet. Errors: `unavailable` when it
   * gets no further for `patienceMs`.
   */
  async toMajority(tenant: string, stored: StoredArtifact, content?: Uint8Array): Promise<void> {
    if (!this.isNeeded) return;
    const run = new SpreadRun(this.parts, this.stopping.signal, stored, holder =>
      this.push(holder, tenant, stored, content),
    );
    try {
      await run.majority.promise;
    } finally {
      run.dispose();
    }
  }

  dispose(): void {
    this.stopping.abort(new CoordinatorError('closed', 'the coordinator is stopping'));
  }

  private push(holder: Holder, tenant: string, stored: StoredArtifact, content?: Uint8Array): Push {
    const key = `${holder.id} ${tenant} ${stored.sha256}`;
    const running = this.pushes.get(key);
    if (running) return running;
    const {clients, store} = this.parts;
    const {client, slots} = clients.link(holder, tenant);
    const own = store.tenant(tenant);
    const source = content ?? {file: own.blobFile(stored.sha256), known: stored};
    const progress = {bytes: 0};
    const send = async (): Promise<void> => {
      try {
        await client.upload(source, this.stopping.signal, progress);
      } catch (error) {
        // The other is right to refuse it, unless it was falsified on its way.
        if (!isCoordinatorError(error, 'corrupt') || (await own.verify(stored.sha256)) === 'sound')
          throw error;
        throw new CoordinatorError('notFound', `the copy of ${stored.sha256} here is broken`, {cause: error});
      }
    };
    const done = slots.run(send).finally(() => this.pushes.delete(key));
    const push = {done, progress};
    this.pushes.set(key, push);
    return push;
  }
}

/** Those that count and have yet to get an artifact which `copies` of the others have. */
function lacking(holders: Holders, copies: number): number {
  const {total, own} = holders.counted();
  return majorityOf(total) - (own ? 1 : 0) - copies;
}

/** One wait for a majority. */
class SpreadRun implements Disposable {
  readonly majority = deferred<void>();
  private readonly owned = new DisposableStore();
  private readonly over = new AbortController();
  /** By holder: what is on its way, or was taken. */
  private readonly states = new Map<string, Push | 'taken'>();
  /** Why it was not taken last. */
  private readonly faults = new Map<string, unknown>();
  private progressed: number;
  private bytes = 0;

  constructor(
    private readonly parts: SpreadParts,
    stopping: AbortSignal,
    private readonly stored: StoredArtifact,
    private readonly push: (holder: Holder) => Push,
  ) {
    const {holders, clock} = parts;
    this.progressed = clock.now();
    this.majority.promise.catch(() => undefined);
    const onStop = (): void => this.majority.reject(stopping.reason);
    stopping.addEventListener('abort', onStop, {once: true});
    this.owned.add(toDisposable(() => stopping.removeEventListener('abort', onStop)));
    this.owned.add(holders.onChanged(() => this.sendAll()));
    this.watchPatience();
    this.sendAll();
  }

  dispose(): void {
    this.over.abort();
    this.owned.dispose();
  }

  private sendAll(): void {
    for (const holder of this.parts.holders.others())
      if (!this.states.has(holder.id)) void this.send(holder.id);
    this.count();
  }

  /** Again and again, until it has it, is gone, or nobody waits any more. */
  private async send(id: string): Promise<void> {
    const {holders, clock, settings} = this.parts;
    for (;;) {
      const holder = holders.others().find(other => other.id === id);
      if (!holder || this.over.signal.aborted) break;
      const push = this.push(holder);
      this.states.set(id, push);
      try {
        await push.done;
        this.states.set(id, 'taken');
        this.faults.delete(id);
        this.progressed = clock.now();
        this.count();
        return;
      } catch (error) {
        this.faults.set(id, error);
        if (isCoordinatorError(error, 'notFound')) this.majority.reject(broken(this.stored, error));
        this.parts.logger.debug('an artifact was not taken', {
          by: id,
          sha256: this.stored.sha256,
          error: describeError(error),
        });
      }
      await delay(clock, settings.retryMs, this.over.signal).catch(() => undefined);
    }
    this.states.delete(id);
  }

  private count(): void {
    if (lacking(this.parts.holders, this.copies) <= 0) this.majority.resolve();
  }

  private get copies(): number {
    const counting = this.parts.holders.others().filter(({counts}) => counts);
    return counting.filter(({id}) => this.states.get(id) === 'taken').length;
  }

  private watchPatience(): void {
    const {clock, settings} = this.parts;
    const left = this.progressed + settings.patienceMs - clock.now();
    const timer = clock.schedule(Math.max(1, Math.min(left, 1000)), () => {
      this.owned.delete(timer);
      let bytes = 0;
      for (const state of this.states.values()) if (state !== 'taken') bytes += state.progress.bytes;
      if (bytes > this.bytes) this.progressed = clock.now();
      this.bytes = bytes;
      if (clock.now() < this.progressed + settings.patienceMs) this.watchPatience();
      else this.majority.reject(this.fault());
    });
    this.owned.add(timer);
  }

  private fault(): CoordinatorError {
    const {holders} = this.parts;
    const {total, own} = holders.counted();
    const have = this.copies + (own ? 1 : 0);
    const faults = [...this.faults].map(([id, error]) => `${id}: ${describeError(error)}`);
    const unseen = total - (own ? 1 : 0) - holders.others().filter(({counts}) => counts).length;
    if (unseen > 0) faults.push(unseen === 1 ? '1 is not there' : `${unseen} are not there`);
    return new CoordinatorError(
      'unavailable',
      `artifact ${this.stored.sha256} is on ${have} of ${total} coordinators, ${majorityOf(total)} have to have it (${faults.join('; ')})`,
      {
        hint: 'Nothing that was acknowledged is lost, and what was sent is kept here. Start the coordinators that are missing, or mend the way to them, and try again.',
      },
    );
  }
}

function broken({sha256}: StoredArtifact, cause: unknown): CoordinatorError {
  return new CoordinatorError(
    'unavailable',
    `artifact ${sha256} did not match its name on this coordinator's disk and was set aside`,
    {cause, hint: 'Send it again.'},
  );
}
