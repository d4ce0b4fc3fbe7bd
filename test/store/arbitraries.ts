/** Random commands over few keys, so that they meet. */
import fc from 'fast-check';
import type {Command} from '../../coordinator/store/commands.ts';
import type {Compare, Op, Txn} from '../../coordinator/store/store.ts';
import {checkTxn} from '../../coordinator/store/txnLimits.ts';

export const KEYS = ['a', 'a/', 'a/b', 'a/b/c', 'ab', 'b', 'b/1', 'b/10', 'b/2', '\uffee', '😀', '😀/x'];
export const PREFIXES = ['', 'a', 'a/', 'a/b', 'b/', 'b/1', '😀', 'zz'];
const LEASES = ['l1', 'l2', 'l3'];

const key = fc.constantFrom(...KEYS);
const prefix = fc.constantFrom(...PREFIXES);
const value = fc.oneof(fc.constantFrom('', '0', '1'), fc.string({unit: 'grapheme', maxLength: 8}));
const lease = fc.option(fc.constantFrom(...LEASES), {nil: undefined, freq: 4});

const put: fc.Arbitrary<Op> = fc
  .record({key, value, lease}, {noNullPrototype: true})
  .map(op => (op.lease === undefined ? {kind: 'put', key: op.key, value: op.value} : {kind: 'put', ...op}));

const op: fc.Arbitrary<Op> = fc.oneof(
  {weight: 4, arbitrary: put},
  {weight: 2, arbitrary: key.map((key): Op => ({kind: 'delete', key}))},
  {weight: 1, arbitrary: prefix.map((prefix): Op => ({kind: 'deletePrefix', prefix}))},
  {weight: 1, arbitrary: key.map((key): Op => ({kind: 'get', key}))},
  {
    weight: 1,
    arbitrary: fc
      .tuple(prefix, fc.integer({min: 1, max: 4}))
      .map(([prefix, limit]): Op => ({kind: 'range', prefix, limit})),
  },
  {weight: 1, arbitrary: prefix.map((prefix): Op => ({kind: 'range', prefix}))},
);

const plain = {noNullPrototype: true};

const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record(
    {
      key,
      target: fc.constantFrom('create', 'mod', 'version'),
      op: fc.constantFrom('=', '!=', '<', '>'),
      operand: fc.integer({min: 0, max: 12}),
    },
    plain,
  ),
  fc.record({key, target: fc.constant('value'), op: fc.constantFrom('=', '!='), operand: value}, plain),
);

/** Transactions within the contract. */
export const txn: fc.Arbitrary<Txn> = fc
  .record(
    {
      compare: fc.array(compare, {maxLength: 2}),
      then: fc.array(op, {maxLength: 4}),
      else: fc.array(op, {maxLength: 3}),
    },
    plain,
  )
  .filter(isWithinLimits);

function isWithinLimits(candidate: Txn): boolean {
  try {
    checkTxn(candidate);
    return true;
  } catch {
    return false;
  }
}

export const command: fc.Arbitrary<Command> = fc.oneof(
  {weight: 12, arbitrary: txn.map((txn): Command => ({kind: 'txn', txn}))},
  {
    weight: 2,
    arbitrary: fc.constantFrom(...LEASES).map((id): Command => ({kind: 'grantLease', id, ttlSeconds: 5})),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...LEASES), fc.boolean())
      .map(([id, expired]): Command => ({kind: 'endLease', id, expired})),
  },
  {
    weight: 1,
    arbitrary: fc.integer({min: 0, max: 20}).map((revision): Command => ({kind: 'compact', revision})),
  },
);
