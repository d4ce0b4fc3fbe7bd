/** etcd's messages as the store's, and the store's transactions as etcd's. Pure. */
import type {IKeyValue, IRequestOp, ITxnRequest, ITxnResponse} from 'etcd3';
import {unreachable} from '../../runtime/assert.ts';
import type {Compare, KeyValue, Op, OpResponse, Txn, TxnResult} from '../store.ts';
import type {KeySpace} from './keySpace.ts';

/** Revisions are exact in a number: nobody writes 2^53 times. */
export function keyValueOf(kv: IKeyValue, key: string): KeyValue {
  const plain = {
    key,
    value: kv.value.toString('utf8'),
    createRevision: Number(kv.create_revision),
    modRevision: Number(kv.mod_revision),
    version: Number(kv.version),
  };
  return kv.lease === '0' ? plain : {...plain, lease: kv.lease};
}

/** Of keys in a range of the store's. */
export function keyValuesOf(kvs: readonly IKeyValue[], space: KeySpace): KeyValue[] {
  return kvs.map(kv => keyValueOf(kv, space.nameOf(kv.key) ?? ''));
}

export function txnRequest(txn: Txn, space: KeySpace): ITxnRequest {
  return {
    compare: (txn.compare ?? []).map(compare => compareRequest(compare, space)),
    success: txn.then.map(op => opRequest(op, space)),
    failure: (txn.else ?? []).map(op => opRequest(op, space)),
  };
}

export function txnResult(txn: Txn, response: ITxnResponse, space: KeySpace): TxnResult {
  const {succeeded} = response;
  const ops = (succeeded ? txn.then : txn.else) ?? [];
  const responses = ops.map((op, index): OpResponse => {
    const one = response.responses[index];
    switch (op.kind) {
      case 'put':
        return {kind: 'put'};
      case 'delete':
      case 'deletePrefix':
        return {kind: 'delete', deleted: Number(one?.response_delete_range.deleted ?? 0)};
      default:
        return {kind: 'range', kvs: keyValuesOf(one?.response_range.kvs ?? [], space)};
    }
  });
  return {succeeded, revision: Number(response.header.revision), responses};
}

/** Whether an operation of a transaction changed something. */
export function isChange(response: OpResponse): boolean {
  return response.kind === 'put' || (response.kind === 'delete' && response.deleted > 0);
}

const RESULT = {'=': 'Equal', '!=': 'NotEqual', '<': 'Less', '>': 'Greater'} as const;

function compareRequest(compare: Compare, space: KeySpace) {
  const common = {key: space.key(compare.key), result: RESULT[compare.op]};
  switch (compare.target) {
    case 'create':
      return {...common, target: 'Create' as const, create_revision: compare.operand};
    case 'mod':
      return {...common, target: 'Mod' as const, mod_revision: compare.operand};
    case 'version':
      return {...common, target: 'Version' as const, version: compare.operand};
    case 'value':
      return {...common, target: 'Value' as const, value: Buffer.from(compare.operand)};
    default:
      return unreachable(compare);
  }
}

function opRequest(op: Op, space: KeySpace): IRequestOp {
  switch (op.kind) {
    case 'put':
      return {
        request_put: {key: space.key(op.key), value: Buffer.from(op.value), lease: op.lease ?? 0},
      };
    case 'delete':
      return {request_delete_range: {key: space.key(op.key)}};
    case 'deletePrefix':
      return {request_delete_range: space.range(op.prefix)};
    case 'get':
      return {request_range: {key: space.key(op.key)}};
    case 'range':
      return {request_range: {...space.range(op.prefix), limit: op.limit ?? 0}};
    default:
      return unreachable(op);
  }
}
