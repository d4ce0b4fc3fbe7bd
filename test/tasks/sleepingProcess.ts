/** A store and a clock as a process sees them that is stopped and continued: while it sleeps nothing is sent, nothing arrives and no timer fires. */
import {type Clock, systemClock} from '../../coordinator/runtime/clock.ts';
import {type Deferred, deferred} from '../../coordinator/runtime/deferred.ts';
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import type {Store, Txn, TxnResult, WatchMessage, WatchOptions} from '../../coordinator/store/store.ts';

/** A transaction that the process sent, and what became of it. */
export interface SentTxn {
  readonly txn: Txn;
  readonly succeeded: boolean;
}

export class SleepingProcess {
  /** Transactions that write, in the order of their answers; reset it as you like. */
  sent: SentTxn[] = [];
  readonly store: Store;
  readonly clock: Clock;
  private asleep: Deferred<void> | undefined;
  private late: (() => void)[] = [];

  constructor(private readonly real: Store) {
    this.store = this.sleepingStore();
    this.clock = {
      now: () => systemClock.now(),
      wallNow: () => systemClock.wallNow(),
      schedule: (ms, fire, options) => {
        let disposed = false;
        const timer = systemClock.schedule(
          ms,
          () => this.whenAwake(() => (disposed ? undefined : fire())),
          options,
        );
        return {
          dispose() {
            disposed = true;
            timer.dispose();
          },
        };
      },
    };
  }

  sleep(): void {
    this.asleep ??= deferred<void>();
  }

  /** What waited happens in its order. */
  wake(): void {
    const {asleep} = this;
    this.asleep = undefined;
    for (const run of this.late.splice(0)) run();
    asleep?.resolve();
  }

  private whenAwake(run: () => void): void {
    if (this.asleep) this.late.push(run);
    else run();
  }

  private async awake<T>(run: () => Promise<T>): Promise<T> {
    await this.asleep?.promise;
    const result = await run();
    await this.asleep?.promise;
    return result;
  }

  private async txn(txn: Txn): Promise<TxnResult> {
    const result = await this.awake(() => this.real.txn(txn));
    if (txn.then.some(({kind}) => kind !== 'get')) this.sent.push({txn, succeeded: result.succeeded});
    return result;
  }

  private watch(
    prefix: string,
    options: WatchOptions,
    listener: (message: WatchMessage) => void,
  ): Disposable {
    let ended = false;
    const watch = this.real.watch(prefix, options, message =>
      this.whenAwake(() => (ended ? undefined : listener(message))),
    );
    return {
      dispose() {
        ended = true;
        watch.dispose();
      },
    };
  }

  private sleepingStore(): Store {
    const {real} = this;
    return {
      txn: txn => this.txn(txn),
      watch: (...args) => this.watch(...args),
      get: (...args) => this.awake(() => real.get(...args)),
      range: (...args) => this.awake(() => real.range(...args)),
      grantLease: ttl => this.awake(() => real.grantLease(ttl)),
      keepAlive: lease => this.awake(() => real.keepAlive(lease)),
      revokeLease: lease => this.awake(() => real.revokeLease(lease)),
      compact: revision => this.awake(() => real.compact(revision)),
      backup: prefix => this.awake(() => real.backup(prefix)),
      status: () => real.status(),
      staleness: () => real.staleness(),
      close: () => this.awake(() => real.close()),
    };
  }
}
