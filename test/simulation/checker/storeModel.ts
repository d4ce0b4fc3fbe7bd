/**
 * The store as one sequential object: keys over revisions, transactions, leases. Written apart from the product's state machine, from the
 * contract alone. Not split by key: a transaction spans keys, and the revision counts them all, which also keeps the search narrow.
 */
import type {Compare, KeyValue, Op, OpResponse, Txn, TxnResult} from '../../../coordinator/store/store.ts';
import type {Operation, SequentialModel} from './linearize.ts';

export type StoreInput =
  | {readonly kind: 'txn'; readonly txn: Txn}
  | {readonly kind: 'get'; readonly key: string}
  | {readonly kind: 'grantLease'; readonly ttlSeconds: number}
  | {readonly kind: 'keepAlive'; readonly lease: string}
  | {readonly kind: 'revokeLease'; readonly lease: string};

export type StoreOutput =
  | {readonly kind: 'txn'; readonly result: TxnResult}
  | {readonly kind: 'noLease'}
  | {readonly kind: 'got'; readonly kv?: KeyValue | undefined}
  | {readonly kind: 'granted'; readonly lease: string}
  | {readonly kind: 'alive'; readonly alive: boolean}
  | {readonly kind: 'revoked'};

/** What the model knows besides: a lease may end by time at any moment; that it is not too early is the lease check's to say. */
export type ModelInput =
  | StoreInput
  | {readonly kind: 'expire'; readonly lease: string}
  /** Somebody was shown this revision, so it exists. */
  | {readonly kind: 'shown'; readonly revision: number};

export type ModelOutput = StoreOutput | {readonly kind: 'shown'};
export type ModelOperation = Operation<ModelInput, ModelOutput>;

export type StoreOperation = Operation<StoreInput, StoreOutput>;

export interface StoreState {
  readonly revision: number;
  readonly keys: ReadonlyMap<string, KeyValue>;
  readonly leases: ReadonlySet<string>;
}

const EMPTY: StoreState = {revision: 0, keys: new Map(), leases: new Set()};

const texts = new WeakMap<StoreState, string>();

export const storeModel: SequentialModel<StoreState, ModelInput, ModelOutput> = {
  initial: EMPTY,
  step(state, input, output) {
    switch (input.kind) {
      case 'txn':
        return stepTxn(state, input.txn, output);
      case 'get': {
        const wrong = output?.kind === 'got' && !sameKv(output.kv, state.keys.get(input.key));
        return wrong ? undefined : state;
      }
      case 'grantLease':
        // Nobody learns of a lease whose grant was not answered.
        if (output?.kind !== 'granted') return state;
        return state.leases.has(output.lease)
          ? undefined
          : {...state, leases: new Set([...state.leases, output.lease])};
      case 'keepAlive':
        return output?.kind === 'alive' && output.alive !== state.leases.has(input.lease) ? undefined : state;
      case 'revokeLease':
      case 'expire':
        return endLease(state, input.lease);
      case 'shown':
        return state.revision >= input.revision ? state : undefined;
    }
  },
  isRead: (_input, output) =>
    output.kind === 'txn'
      ? output.result.responses.every(({kind}) => kind === 'range')
      : output.kind !== 'granted' && output.kind !== 'revoked',
  key(state) {
    let text = texts.get(state);
    if (text === undefined) {
      const keys = [...state.keys.values()].map(kv => textOf(kv)).sort();
      text = `${state.revision};${keys.join(',')};${[...state.leases].sort().join(',')}`;
      texts.set(state, text);
    }
    return text;
  },
};

/** One end by time for every lease that was granted, as operations that may or may not have happened. */
export function expirationsOf(operations: readonly StoreOperation[]): ModelOperation[] {
  return operations.flatMap(({id, output, call}) =>
    output?.kind === 'granted'
      ? {
          id,
          process: 'time',
          input: {kind: 'expire', lease: output.lease},
          output: undefined,
          // Positions of others are whole numbers.
          call: call + 0.5,
          end: Number.POSITIVE_INFINITY,
        }
      : [],
  );
}

function stepTxn(state: StoreState, txn: Txn, output: ModelOutput | undefined): StoreState | undefined {
  const succeeded = (txn.compare ?? []).every(compare => holds(state, compare));
  const ops = succeeded ? txn.then : (txn.else ?? []);
  const lacksLease = ops.some(
    op => op.kind === 'put' && op.lease !== undefined && !state.leases.has(op.lease),
  );
  if (lacksLease) return output === undefined || output.kind === 'noLease' ? state : undefined;
  if (output?.kind === 'noLease') return undefined;
  const keys = new Map(state.keys);
  const revision = state.revision + 1;
  let changed = false;
  const responses = ops.map((op): OpResponse => {
    const response = apply(keys, op, revision);
    changed ||= response.kind === 'put' || (response.kind === 'delete' && response.deleted > 0);
    return response;
  });
  const next = changed ? {...state, revision, keys} : state;
  if (output?.kind !== 'txn') return next;
  const {result} = output;
  const same =
    result.succeeded === succeeded &&
    result.revision === next.revision &&
    result.responses.length === responses.length &&
    result.responses.every((response, at) => sameResponse(response, responses[at]));
  return same ? next : undefined;
}

function apply(keys: Map<string, KeyValue>, op: Op, revision: number): OpResponse {
  switch (op.kind) {
    case 'put': {
      const previous = keys.get(op.key);
      keys.set(op.key, {
        key: op.key,
        value: op.value,
        createRevision: previous?.createRevision ?? revision,
        modRevision: revision,
        version: (previous?.version ?? 0) + 1,
        lease: op.lease,
      });
      return {kind: 'put'};
    }
    case 'delete':
      return {kind: 'delete', deleted: keys.delete(op.key) ? 1 : 0};
    case 'deletePrefix': {
      const doomed = under(keys, op.prefix);
      for (const {key} of doomed) keys.delete(key);
      return {kind: 'delete', deleted: doomed.length};
    }
    case 'get': {
      const kv = keys.get(op.key);
      return {kind: 'range', kvs: kv ? [kv] : []};
    }
    case 'range':
      return {kind: 'range', kvs: under(keys, op.prefix).slice(0, op.limit)};
  }
}

function endLease(state: StoreState, lease: string): StoreState {
  if (!state.leases.has(lease)) return state;
  const leases = new Set(state.leases);
  leases.delete(lease);
  const doomed = [...state.keys.values()].filter(kv => kv.lease === lease);
  if (doomed.length === 0) return {...state, leases};
  const keys = new Map(state.keys);
  for (const {key} of doomed) keys.delete(key);
  return {revision: state.revision + 1, keys, leases};
}

function under(keys: ReadonlyMap<string, KeyValue>, prefix: string): KeyValue[] {
  return [...keys.values()]
    .filter(({key}) => key.startsWith(prefix))
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}

function holds(state: StoreState, compare: Compare): boolean {
  const kv = state.keys.get(compare.key);
  if (compare.target === 'value')
    return kv !== undefined && (kv.value === compare.operand) === (compare.op === '=');
  const {target, op, operand} = compare;
  const actual = {create: kv?.createRevision, mod: kv?.modRevision, version: kv?.version}[target] ?? 0;
  if (op === '=') return actual === operand;
  if (op === '!=') return actual !== operand;
  return op === '<' ? actual < operand : actual > operand;
}

function textOf({key, value, createRevision, modRevision, version, lease}: KeyValue): string {
  return JSON.stringify([key, value, createRevision, modRevision, version, lease ?? '']);
}

export function sameKv(a: KeyValue | undefined, b: KeyValue | undefined): boolean {
  return a === undefined || b === undefined ? a === b : textOf(a) === textOf(b);
}

function sameResponse(a: OpResponse, b: OpResponse | undefined): boolean {
  if (a.kind === 'range')
    return (
      b?.kind === 'range' && a.kvs.length === b.kvs.length && a.kvs.every((kv, at) => sameKv(kv, b.kvs[at]))
    );
  return a.kind === b?.kind && (a.kind === 'put' || (b.kind === 'delete' && a.deleted === b.deleted));
}
