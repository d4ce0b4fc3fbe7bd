/** Brings artifacts that this coordinator lacks from one that has them: once, however many want it. */
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../../runtime/errors.ts';
import type {ArtifactStore} from '../artifactStore.ts';
import type {HolderClients} from './holderClients.ts';
import {type Holder, type Holders, majorityOf} from './holders.ts';
import type {ReplicationSettings} from './replicationSettings.ts';

export interface FetchParts {
  readonly store: ArtifactStore;
  readonly holders: Holders;
  readonly clients: HolderClients;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: ReplicationSettings;
}

type Answer =
  | {readonly kind: 'has' | 'lacks'; readonly holder: Holder}
  | {readonly kind: 'silent'; readonly holder: Holder; readonly error: unknown};

export class Fetches implements Disposable {
  private readonly running = new Map<string, Promise<boolean>>();
  private readonly stopping = new AbortController();

  constructor(private readonly parts: FetchParts) {}

  /**
   * Whether it is here now. False is certain: a majority lacks it, so that it was never acknowledged. Errors: `unavailable` when that cannot be
   * known, or who has it breaks off; `diskFull`.
   */
  fetch(tenant: string, sha256: string): Promise<boolean> {
    if (this.parts.holders.others().length === 0 && this.parts.holders.counted().total <= 1)
      return Promise.resolve(false);
    const key = `${tenant}/${sha256}`;
    const running = this.running.get(key);
    if (running) return running;
    const fetching = this.fetchNow(tenant, sha256).finally(() => this.running.delete(key));
    this.running.set(key, fetching);
    return fetching;
  }

  dispose(): void {
    this.stopping.abort(new CoordinatorError('closed', 'the coordinator is stopping'));
  }

  private async fetchNow(tenant: string, sha256: string): Promise<boolean> {
    const {store, holders} = this.parts;
    // Another may have ended between the reader's look and this one.
    if (await store.tenant(tenant).has(sha256)) return true;
    const asking = this.askAll(tenant, sha256);
    const tried = new Set<string>();
    let fault: unknown;
    for await (const answer of inOrderOfArrival(asking)) {
      if (answer.kind !== 'has') continue;
      tried.add(answer.holder.id);
      try {
        await this.take(answer.holder, tenant, sha256);
        return true;
      } catch (error) {
        this.stopping.signal.throwIfAborted();
        fault = error;
        this.parts.logger.warn('an artifact could not be fetched', {
          sha256,
          from: answer.holder.id,
          error: describeError(error),
        });
      }
    }
    if (fault !== undefined) throw unfetched(sha256, fault);
    const answers = await Promise.all(asking);
    const {total, own} = holders.counted();
    const lack = answers.filter(({kind, holder}) => kind === 'lacks' && holder.counts).length + (own ? 1 : 0);
    if (lack >= majorityOf(total)) return false;
    throw this.unknown(sha256, total, answers);
  }

  private askAll(tenant: string, sha256: string): Promise<Answer>[] {
    const {holders, clients, clock, settings} = this.parts;
    const late = new AbortController();
    const timer = clock.schedule(settings.askMs, () =>
      late.abort(new CoordinatorError('unavailable', 'no answer in time')),
    );
    const signal = AbortSignal.any([late.signal, this.stopping.signal]);
    const asking = holders.others().map(async (holder): Promise<Answer> => {
      try {
        const found = await clients.link(holder, tenant).client.has(sha256, signal);
        return {kind: found ? 'has' : 'lacks', holder};
      } catch (error) {
        return {kind: 'silent', holder, error};
      }
    });
    void Promise.all(asking).then(() => timer.dispose());
    return asking;
  }

  private async take(holder: Holder, tenant: string, sha256: string): Promise<void> {
    const {store, clients, logger} = this.parts;
    const {client} = clients.link(holder, tenant);
    const {bytes} = await store
      .tenant(tenant)
      .adopt(sha256, file => client.download(sha256, file, this.stopping.signal));
    logger.debug('an artifact was fetched', {sha256, bytes, from: holder.id});
  }

  private unknown(sha256: string, total: number, answers: readonly Answer[]): CoordinatorError {
    const faults = answers.flatMap(answer =>
      answer.kind === 'silent' ? `${answer.holder.id}: ${describeError(answer.error)}` : [],
    );
    return new CoordinatorError(
      'unavailable',
      `artifact ${sha256} is not on this coordinator, and too few of the ${total} can be asked (${faults.join('; ') || 'the others are not there'})`,
      {
        hint: 'It is not lost: it is on coordinators that are away. Start them, or mend the way to them, and try again.',
      },
    );
  }
}

/** Also a copy that is gone or broken by now: the next try finds another, or that there is none. */
function unfetched(sha256: string, cause: unknown): unknown {
  if (isCoordinatorError(cause, 'diskFull')) return cause;
  return new CoordinatorError(
    'unavailable',
    `artifact ${sha256} could not be fetched from another coordinator`,
    {
      cause,
      hint: 'Nothing is lost. Try again; what arrived is kept.',
    },
  );
}

/** Each as soon as it is there. */
async function* inOrderOfArrival<T>(promises: readonly Promise<T>[]): AsyncGenerator<T> {
  const waiting = new Map(
    promises.map((promise, index) => [index, promise.then(value => ({index, value}))] as const),
  );
  while (waiting.size > 0) {
    const {index, value} = await Promise.race(waiting.values());
    waiting.delete(index);
    yield value;
  }
}
