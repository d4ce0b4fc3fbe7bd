/** One coordinator holds the lead: a key under a lease. Its create revision fences everything that the lead writes. */
import type {Logger} from '../../observability/logger.ts';
import {LeadRecord} from '../../protocol/model/facts.ts';
import {SYSTEM_KEYS} from '../../protocol/model/keys.ts';
import {parseRecord, RECORD_VERSION} from '../../protocol/model/record.ts';
import {type Clock, delay, every} from '../../runtime/clock.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {absent, putRecord} from '../../store/records.ts';
import type {KeyValue, Store} from '../../store/store.ts';

/** The lead, held. */
export interface Held {
  readonly createRevision: number;
  /** The store's revision when it was taken: what is there now is what the lead starts from. */
  readonly revision: number;
  readonly lease: string;
}

export interface ElectionOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Unique to this coordinator's data: whoever else says it is a process of ours that is gone. */
  readonly coordinator: string;
  readonly ttlSeconds: number;
}

const RETRY_MS = 500;

export class Election {
  constructor(private readonly options: ElectionOptions) {}

  /** Resolves when the lead is ours; rejects with the signal's reason. */
  async campaign(signal: AbortSignal): Promise<Held> {
    const {store, clock, logger, coordinator} = this.options;
    for (;;) {
      signal.throwIfAborted();
      try {
        const present = await store.get(SYSTEM_KEYS.lead);
        if (!present) {
          const held = await this.take();
          if (held) return held;
        } else if (leaderOf(present) === coordinator) await this.clear(present);
        else await this.vacancy(present, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error)) throw error;
        logger.debug('the lead could not be asked for', {error});
        await delay(clock, RETRY_MS, signal);
      }
    }
  }

  /** Renews the lease until the returned function is called. `lost` is called once, when the lead may be somebody else's. */
  hold(held: Held, lost: (reason: string) => void): () => void {
    const {store, clock, ttlSeconds} = this.options;
    let renewedAt = clock.now();
    let over = false;
    const end = (reason: string): void => {
      if (over) return;
      over = true;
      timer.dispose();
      lost(reason);
    };
    const renew = (): void => {
      const askedAt = clock.now();
      store.keepAlive(held.lease).then(
        alive => {
          if (alive) renewedAt = askedAt;
          else end('its lease ended');
        },
        (error: unknown) => {
          if (!isPassing(error)) end('the store is closed or broken');
          else if (clock.now() - renewedAt > ttlSeconds * 1000) end('its lease could not be renewed in time');
        },
      );
    };
    const timer = every(clock, (ttlSeconds * 1000) / 3, renew);
    return () => {
      over = true;
      timer.dispose();
    };
  }

  /** Gives the lead up at once, so that nobody has to wait for the lease to end. */
  async resign(held: Held): Promise<void> {
    await this.options.store.revokeLease(held.lease);
  }

  async leader(): Promise<string | undefined> {
    const present = await this.options.store.get(SYSTEM_KEYS.lead, {consistency: 'local'});
    return present && leaderOf(present);
  }

  private async take(): Promise<Held | undefined> {
    const {store, clock, coordinator, ttlSeconds} = this.options;
    const lease = await store.grantLease(ttlSeconds);
    const record: LeadRecord = {
      v: RECORD_VERSION,
      principal: `coordinator:${coordinator}`,
      coordinator,
      since: clock.wallNow(),
    };
    const {succeeded, revision} = await store.txn({
      compare: [absent(SYSTEM_KEYS.lead)],
      then: [putRecord(SYSTEM_KEYS.lead, record, lease.id)],
    });
    if (succeeded) return {createRevision: revision, revision, lease: lease.id};
    await store.revokeLease(lease.id);
    return undefined;
  }

  private async clear(present: KeyValue): Promise<void> {
    await this.options.store.txn({
      compare: [{key: present.key, target: 'create', op: '=', operand: present.createRevision}],
      then: [{kind: 'delete', key: present.key}],
    });
  }

  /** Resolves when the present holder's key is gone. */
  private vacancy(present: KeyValue, signal: AbortSignal): Promise<void> {
    const {store} = this.options;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        watch.dispose();
        reject(signal.reason);
      };
      const watch = store.watch(present.key, {fromRevision: present.modRevision + 1}, message => {
        const isGone = message.kind !== 'events' || message.events.some(event => event.kind === 'delete');
        if (!isGone) return;
        watch.dispose();
        signal.removeEventListener('abort', abort);
        resolve();
      });
      signal.addEventListener('abort', abort, {once: true});
    });
  }
}

function leaderOf(kv: KeyValue): string {
  return parseRecord(LeadRecord, kv.key, kv.value).coordinator;
}

function isPassing(error: unknown): boolean {
  return (
    isCoordinatorError(error, 'unavailable') ||
    isCoordinatorError(error, 'timeout') ||
    isCoordinatorError(error, 'diskFull')
  );
}
