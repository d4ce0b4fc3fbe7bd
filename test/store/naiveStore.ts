/** The state machine in the most obvious way: every revision is a whole copy of all keys. Properties compare the real one with it. */
import type {
  Compare,
  KeyValue,
  Op,
  OpResponse,
  StoreEvent,
  Txn,
  TxnResult,
} from '../../coordinator/store/store.ts';

type Keys = ReadonlyMap<string, KeyValue>;

const byBytes = (a: KeyValue, b: KeyValue): number => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));

export class NaiveStore {
  /** Index is the revision. */
  private readonly revisions: Keys[] = [new Map()];
  private readonly changes: (readonly StoreEvent[])[] = [[]];
  private readonly leases = new Set<string>();

  get revision(): number {
    return this.revisions.length - 1;
  }

  get(key: string, revision = this.revision): KeyValue | undefined {
    return this.revisions[revision]?.get(key);
  }

  range(prefix: string, revision = this.revision): KeyValue[] {
    const keys = [...(this.revisions[revision] ?? new Map<string, KeyValue>()).values()];
    return keys.filter(kv => kv.key.startsWith(prefix)).sort(byBytes);
  }

  events(revision: number): readonly StoreEvent[] {
    return this.changes[revision] ?? [];
  }

  grantLease(id: string): void {
    this.leases.add(id);
  }

  endLease(id: string): void {
    if (!this.leases.delete(id)) return;
    const keys = this.range('')
      .filter(kv => kv.lease === id)
      .map(kv => kv.key);
    this.write(keys.sort().map(key => ({kind: 'delete', key})));
  }

  /** Undefined when a lease is missing. */
  txn(txn: Txn): TxnResult | undefined {
    const succeeded = (txn.compare ?? []).every(compare => this.holds(compare));
    const ops = succeeded ? txn.then : (txn.else ?? []);
    if (ops.some(op => op.kind === 'put' && op.lease !== undefined && !this.leases.has(op.lease)))
      return undefined;
    const responses = this.write(ops);
    return {succeeded, revision: this.revision, responses};
  }

  private write(ops: readonly Op[]): OpResponse[] {
    const revision = this.revision + 1;
    const keys = new Map(this.revisions.at(-1));
    const events: StoreEvent[] = [];
    const remove = (key: string): number => {
      const previous = keys.get(key);
      if (!previous) return 0;
      keys.delete(key);
      const kv = {key, value: '', createRevision: 0, modRevision: revision, version: 0};
      events.push({kind: 'delete', key, kv, previous});
      return 1;
    };
    const under = (prefix: string): KeyValue[] =>
      [...keys.values()].filter(kv => kv.key.startsWith(prefix)).sort(byBytes);
    const apply = (op: Op): OpResponse => {
      if (op.kind === 'get') return {kind: 'range', kvs: under(op.key).filter(kv => kv.key === op.key)};
      if (op.kind === 'range') return {kind: 'range', kvs: under(op.prefix).slice(0, op.limit)};
      if (op.kind === 'delete') return {kind: 'delete', deleted: remove(op.key)};
      if (op.kind === 'deletePrefix')
        return {kind: 'delete', deleted: under(op.prefix).reduce((sum, kv) => sum + remove(kv.key), 0)};
      const previous = keys.get(op.key);
      const kv = {
        key: op.key,
        value: op.value,
        createRevision: previous?.createRevision ?? revision,
        modRevision: revision,
        version: (previous?.version ?? 0) + 1,
        ...(op.lease === undefined ? {} : {lease: op.lease}),
      };
      keys.set(op.key, kv);
      events.push({kind: 'put', key: op.key, kv, ...(previous ? {previous} : {})});
      return {kind: 'put'};
    };
    const responses = ops.map(apply);
    if (events.length > 0) {
      this.revisions.push(keys);
      this.changes.push(events);
    }
    return responses;
  }

  private holds(compare: Compare): boolean {
    const kv = this.get(compare.key);
    if (compare.target === 'value')
      return kv !== undefined && (kv.value === compare.operand) === (compare.op === '=');
    const actual =
      {create: kv?.createRevision, mod: kv?.modRevision, version: kv?.version}[compare.target] ?? 0;
    return {
      '=': actual === compare.operand,
      '!=': actual !== compare.operand,
      '<': actual < compare.operand,
      '>': actual > compare.operand,
    }[compare.op];
  }
}
