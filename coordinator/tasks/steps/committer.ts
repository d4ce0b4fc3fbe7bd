/**
 * Turns steps into fenced transactions: many steps share one, several are under way at once. A step whose comparisons fail is handed back with
 * what is in the store now, the others of its transaction go again without it. Steps that touch one key must not be submitted at once.
 *
 * An unknown outcome (a timeout) is resolved by sending the same step again: it compares a key that it writes, so it applies at most once, and
 * a step that finds its own writes in place was applied.
 */
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {delay} from '../../runtime/clock.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {compareHolds} from '../../store/compare.ts';
import {type Compare, type KeyValue, type Op, STORE_LIMITS, type Store, type Txn} from '../../store/store.ts';

/** The keys that a failed transaction was compared with, as they are. */
export type CurrentKeys = ReadonlyMap<string, KeyValue>;

export interface Step {
  /** At least one compared key is written by the step; every comparison is of a revision. */
  readonly compare: readonly Compare[];
  readonly ops: readonly Op[];
  committed(revision: number): void;
  /** The comparisons do not hold. */
  refused(current: CurrentKeys): void;
  /** The step alone breaks a limit of the store. */
  tooLarge?(error: Error): void;
  /** The lead is lost or the store closed: whether it was applied is not known. */
  abandoned?(): void;
}

interface Queued {
  readonly step: Step;
  /** An earlier try may have been applied. */
  unknown: boolean;
}

/** Characters of one transaction; three bytes is the most that one takes. */
const MAX_TXN_CHARS = Math.floor(STORE_LIMITS.maxTxnBytes / 3) - 4096;
const RETRY_MS = 200;

export class Committer {
  private waiting: Queued[] = [];
  private head = 0;
  private inFlight = 0;
  private scheduled = false;
  private stopped = false;
  private readonly stopSignal = new AbortController();

  constructor(
    private readonly store: Store,
    private readonly fence: Compare,
    private readonly options: {
      readonly clock: Clock;
      readonly logger: Logger;
      readonly maxInFlight: number;
      /** The fence does not hold any more. */
      readonly onFenced: () => void;
      /** A step's callback threw. */
      readonly onFault: (error: unknown) => void;
    },
  ) {}

  submit(step: Step): void {
    if (this.stopped) {
      step.abandoned?.();
      return;
    }
    this.waiting.push({step, unknown: false});
    this.pump();
  }

  /**
   * Resolves to the revision, or to undefined when the comparisons did not hold; rejects with `limit` when it is too large for the store, with
   * an `AbortError` when the lead was lost.
   */
  run(compare: readonly Compare[], ops: readonly Op[]): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      this.submit({
        compare,
        ops,
        committed: resolve,
        refused: () => resolve(undefined),
        tooLarge: reject,
        abandoned: () => reject(leadLost()),
      });
    });
  }

  /** The fence alone, for transactions that others send. */
  get guard(): Compare {
    return this.fence;
  }

  /** Steps that wait or are under way. */
  get pending(): number {
    return this.waiting.length - this.head + this.inFlight;
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.stopSignal.abort(leadLost());
    const left = this.waiting.slice(this.head);
    this.waiting = [];
    this.head = 0;
    this.abandon(left);
  }

  /** Waits a turn, so that what is decided together travels together. */
  private pump(): void {
    if (this.scheduled || this.inFlight >= this.options.maxInFlight) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      try {
        while (!this.stopped && this.inFlight < this.options.maxInFlight && this.head < this.waiting.length)
          this.launch(this.takeBatch());
      } catch (error) {
        this.options.onFault(error);
      }
    });
  }

  private takeBatch(): Queued[] {
    const batch: Queued[] = [];
    let compares = 1;
    let ops = 0;
    let chars = 0;
    for (; this.head < this.waiting.length; this.head++) {
      const next = this.waiting[this.head] as Queued;
      const {step} = next;
      compares += step.compare.length;
      ops += step.ops.length;
      chars += charsOf(step.ops);
      const full =
        compares > STORE_LIMITS.maxOpsPerTxn || ops > STORE_LIMITS.maxOpsPerTxn || chars > MAX_TXN_CHARS;
      if (full && batch.length > 0) break;
      batch.push(next);
    }
    if (this.head > 1024 && this.head * 2 > this.waiting.length) {
      this.waiting.splice(0, this.head);
      this.head = 0;
    }
    return batch;
  }

  private launch(batch: Queued[]): void {
    this.inFlight += 1;
    void this.commit(batch)
      .catch((error: unknown) => this.options.onFault(error))
      .then(() => {
        this.inFlight -= 1;
        this.pump();
      });
  }

  private async commit(batch: Queued[]): Promise<void> {
    const txn = this.txnOf(batch);
    for (;;) {
      const result = await this.store.txn(txn).catch((error: unknown) => this.failed(batch, error));
      if (result === 'over') return;
      if (result === 'again') continue;
      if (result.succeeded) for (const {step} of batch) this.tell(() => step.committed(result.revision));
      else await this.lookInto(batch, txn);
      return;
    }
  }

  /** Reads what was compared. Asked for only now: refusals are rare, and the question would go to the log with every transaction. */
  private async lookInto(batch: Queued[], {compare = []}: Txn): Promise<void> {
    const keys = new Set(compare.map(({key}) => key));
    const look: Txn = {then: [...keys].map(key => ({kind: 'get', key}))};
    for (;;) {
      const result = await this.store.txn(look).catch((error: unknown) => this.failed(batch, error));
      if (result === 'over') return;
      if (result === 'again') continue;
      this.sortOut(batch, currentKeys(result.responses));
      return;
    }
  }

  private async failed(batch: Queued[], error: unknown): Promise<'again' | 'over'> {
    if (isCoordinatorError(error, 'limit') && !this.stopped) {
      this.divide(batch, error);
      return 'over';
    }
    if (this.stopped || !this.mayRetry(error, batch)) {
      this.options.logger.error('a transaction of the lead failed', {error, steps: batch.length});
      this.abandon(batch);
      if (!this.stopped) this.options.onFenced();
      return 'over';
    }
    await delay(this.options.clock, RETRY_MS, this.stopSignal.signal).catch(() => undefined);
    if (!this.stopped) return 'again';
    this.abandon(batch);
    return 'over';
  }

  private abandon(batch: readonly Queued[]): void {
    for (const {step} of batch) this.tell(() => step.abandoned?.());
  }

  /** A callback that throws must not keep the others of its transaction from hearing. */
  private tell(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.options.onFault(error);
    }
  }

  /** Finds the step that is too large: each goes again on its own. */
  private divide(batch: readonly Queued[], error: Error): void {
    const [only, ...others] = batch;
    if (only && others.length === 0) {
      const {step} = only;
      this.options.logger.error('a step of the lead breaks a limit of the store', {error});
      this.tell(() => (step.tooLarge ? step.tooLarge(error) : step.abandoned?.()));
      // Nobody can go on without it.
      if (!step.tooLarge) this.options.onFault(error);
      return;
    }
    for (const queued of batch) this.launch([queued]);
  }

  private mayRetry(error: unknown, batch: Queued[]): boolean {
    if (isCoordinatorError(error, 'timeout')) {
      for (const queued of batch) queued.unknown = true;
      return true;
    }
    return isCoordinatorError(error, 'unavailable') || isCoordinatorError(error, 'diskFull');
  }

  private txnOf(batch: readonly Queued[]): Txn {
    const compare = [this.fence];
    const shared = new Map<string, Compare>([[this.fence.key, this.fence]]);
    const ops: Op[] = [];
    for (const {step} of batch) {
      for (const one of step.compare) {
        const other = shared.get(one.key);
        if (other && isSameCompare(one, other)) continue;
        if (!other) shared.set(one.key, one);
        compare.push(one);
      }
      ops.push(...step.ops);
    }
    return {compare, then: ops};
  }

  /** The transaction was refused: finds out whose fault it was. */
  private sortOut(batch: readonly Queued[], current: Map<string, KeyValue>): void {
    if (!compareHolds(this.fence, current.get(this.fence.key))) {
      this.abandon(batch);
      this.options.onFenced();
      return;
    }
    const again: Queued[] = [];
    for (const queued of batch) {
      const {step} = queued;
      if (step.compare.every(compare => compareHolds(compare, current.get(compare.key)))) again.push(queued);
      else {
        const applied = queued.unknown ? appliedAt(step, current) : undefined;
        this.tell(() => (applied === undefined ? step.refused(current) : step.committed(applied)));
      }
    }
    if (again.length > 0) this.waiting.splice(this.head, 0, ...again);
  }
}

function isSameCompare(a: Compare, b: Compare): boolean {
  return a.target === b.target && a.op === b.op && a.operand === b.operand;
}

export function leadLost(): Error {
  return new DOMException('this coordinator does not lead any more', 'AbortError');
}

function charsOf(ops: readonly Op[]): number {
  let chars = 0;
  for (const op of ops) chars += op.kind === 'put' ? op.key.length + op.value.length : 64;
  return chars;
}

function currentKeys(responses: readonly {kind: string; kvs?: readonly KeyValue[]}[]): Map<string, KeyValue> {
  const current = new Map<string, KeyValue>();
  for (const response of responses) for (const kv of response.kvs ?? []) current.set(kv.key, kv);
  return current;
}

/** The revision at which every compared key got what the step writes, if it did. */
function appliedAt(step: Step, current: CurrentKeys): number | undefined {
  let revision: number | undefined;
  const compared = new Set(step.compare.map(compare => compare.key));
  for (const op of step.ops) {
    if (op.kind === 'delete' && compared.has(op.key) && current.has(op.key)) return undefined;
    if (op.kind !== 'put' || !compared.has(op.key)) continue;
    const kv = current.get(op.key);
    if (kv?.value !== op.value || (revision !== undefined && kv.modRevision !== revision)) return undefined;
    revision = kv.modRevision;
  }
  return revision;
}
