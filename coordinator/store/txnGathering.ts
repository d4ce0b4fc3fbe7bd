/**
 * Gathers transactions of one turn that have nothing to do with each other into one: one log entry and one revision for many. When the whole is
 * refused, each is sent again by itself, so that every caller gets the outcome of its own comparisons.
 *
 * Gathered comparisons are all made before the first write, so what one transaction compares or reads must not be written by another.
 */
import {isCoordinatorError} from '../runtime/errors.ts';
import {type Op, type OpResponse, STORE_LIMITS, type Store, type Txn, type TxnResult} from './store.ts';

interface Gathered {
  readonly txn: Txn;
  resolve(result: TxnResult): void;
  reject(error: unknown): void;
}

/** Characters of one transaction; three bytes is the most that one takes. */
const MAX_CHARS = Math.floor(STORE_LIMITS.maxTxnBytes / 3) - 4096;

export class TxnGathering {
  private batch: Batch | undefined;

  constructor(private readonly store: Pick<Store, 'txn'>) {}

  /** As the store's own. */
  txn(txn: Txn): Promise<TxnResult> {
    return new Promise((resolve, reject) => {
      const gathered = {txn, resolve, reject};
      if (this.batch?.add(gathered)) return;
      if (this.batch) this.send(this.batch);
      const batch = new Batch();
      // What cannot be in company goes alone, after what came before it.
      if (!batch.add(gathered)) {
        this.batch = undefined;
        this.single(gathered);
        return;
      }
      this.batch = batch;
      queueMicrotask(() => {
        if (this.batch === batch) this.batch = undefined;
        this.send(batch);
      });
    });
  }

  private send(batch: Batch): void {
    const members = batch.take();
    const [first] = members;
    if (!first) return;
    if (members.length === 1) this.single(first);
    else void this.together(members);
  }

  private single({txn, resolve, reject}: Gathered): void {
    this.store.txn(txn).then(resolve, reject);
  }

  private async together(members: readonly Gathered[]): Promise<void> {
    let result: TxnResult;
    try {
      result = await this.store.txn({
        compare: members.flatMap(({txn}) => txn.compare ?? []),
        then: members.flatMap(({txn}) => txn.then),
      });
    } catch (error) {
      // One that breaks a limit must not take the others along.
      if (isCoordinatorError(error, 'limit')) for (const member of members) this.single(member);
      else for (const {reject} of members) reject(error);
      return;
    }
    if (!result.succeeded) {
      for (const member of members) this.single(member);
      return;
    }
    let at = 0;
    for (const {txn, resolve} of members) {
      const responses: OpResponse[] = result.responses.slice(at, at + txn.then.length);
      at += txn.then.length;
      resolve({succeeded: true, revision: result.revision, responses});
    }
  }
}

class Batch {
  private members: Gathered[] = [];
  private readonly written = new Set<string>();
  private readonly looked = new Set<string>();
  private compares = 0;
  private ops = 0;
  private chars = 0;

  /** False when it does not fit in here. */
  add(gathered: Gathered): boolean {
    const {compare = [], then} = gathered.txn;
    const chars = charsOf(then);
    if (
      this.compares + compare.length > STORE_LIMITS.maxOpsPerTxn ||
      this.ops + then.length > STORE_LIMITS.maxOpsPerTxn ||
      this.chars + chars > MAX_CHARS
    )
      return false;
    for (const {key} of compare) if (this.written.has(key)) return false;
    for (const op of then) {
      if (op.kind === 'range' || op.kind === 'deletePrefix' || this.written.has(op.key)) return false;
      if (op.kind !== 'get' && this.looked.has(op.key)) return false;
    }
    this.compares += compare.length;
    this.ops += then.length;
    this.chars += chars;
    for (const {key} of compare) this.looked.add(key);
    for (const op of then) if ('key' in op) (op.kind === 'get' ? this.looked : this.written).add(op.key);
    this.members.push(gathered);
    return true;
  }

  take(): Gathered[] {
    const members = this.members;
    this.members = [];
    return members;
  }
}

function charsOf(ops: readonly Op[]): number {
  let chars = 0;
  for (const op of ops) if (op.kind === 'put') chars += op.key.length + op.value.length;
  return chars;
}
