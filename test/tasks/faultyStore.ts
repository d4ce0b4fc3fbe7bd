/** A store as a lead sees it that may die at any moment: transactions time out, applied or not, and after `kill` nothing ever answers. */

import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {Random} from '../../coordinator/runtime/random.ts';
import type {Store, Txn, TxnResult, WatchMessage, WatchOptions} from '../../coordinator/store/store.ts';

const NEVER = new Promise<never>(() => undefined);

export class FaultyStore implements Store {
  private dead = false;
  private full = false;
  /** Runs before a range is read. */
  onRange: (prefix: string) => Promise<void> = () => Promise.resolve();
  /** Says why a transaction is not applied, if it is not. */
  refuses: (txn: Txn) => Error | undefined = () => undefined;

  constructor(
    private readonly real: Store,
    private readonly random: Random,
    /** Part of the transactions that time out. */
    private readonly faults: number,
  ) {}

  kill(): void {
    this.dead = true;
  }

  /** The disk is full: nothing is written until it is freed. */
  fill(): void {
    this.full = true;
  }

  free(): void {
    this.full = false;
  }

  async txn(txn: Txn): Promise<TxnResult> {
    if (this.dead) return NEVER;
    const refusal = this.refuses(txn);
    if (refusal) throw refusal;
    if (this.full) throw new CoordinatorError('diskFull', 'no space is left');
    const draw = this.random.next();
    const fault = new CoordinatorError('timeout', 'nobody answered');
    if (draw < this.faults / 2) throw fault;
    const result = await this.real.txn(txn);
    if (this.dead) return NEVER;
    if (draw < this.faults) throw fault;
    return result;
  }

  watch(prefix: string, options: WatchOptions, listener: (message: WatchMessage) => void): Disposable {
    return this.real.watch(prefix, options, message => {
      if (!this.dead) listener(message);
    });
  }

  get: Store['get'] = (...args) => this.alive(() => this.real.get(...args));
  range: Store['range'] = (...args) =>
    this.alive(async () => {
      await this.onRange(args[0]);
      return this.real.range(...args);
    });
  grantLease: Store['grantLease'] = (...args) => this.alive(() => this.real.grantLease(...args));
  keepAlive: Store['keepAlive'] = (...args) => this.alive(() => this.real.keepAlive(...args));
  revokeLease: Store['revokeLease'] = (...args) => this.alive(() => this.real.revokeLease(...args));
  compact: Store['compact'] = (...args) => this.alive(() => this.real.compact(...args));
  backup: Store['backup'] = (...args) => this.alive(() => this.real.backup(...args));
  status: Store['status'] = () => this.real.status();
  staleness: Store['staleness'] = () => this.real.staleness();
  close: Store['close'] = () => this.alive(() => this.real.close());

  private async alive<T>(run: () => Promise<T>): Promise<T> {
    if (this.dead) return NEVER;
    const result = await run();
    return this.dead ? NEVER : result;
  }
}
