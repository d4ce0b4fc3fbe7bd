/** Whether a comparison of a transaction holds for a key as it is. Pure. */
import {unreachable} from '../runtime/assert.ts';
import type {Compare, KeyValue} from './store.ts';

const REVISION_FIELD = {create: 'createRevision', mod: 'modRevision', version: 'version'} as const;

/** `kv`: the key's present state, undefined when it is absent. */
export function compareHolds(compare: Compare, kv: KeyValue | undefined): boolean {
  if (compare.target === 'value') {
    if (!kv) return false;
    return compare.op === '=' ? kv.value === compare.operand : kv.value !== compare.operand;
  }
  const actual = kv ? kv[REVISION_FIELD[compare.target]] : 0;
  const {op, operand} = compare;
  switch (op) {
    case '=':
      return actual === operand;
    case '!=':
      return actual !== operand;
    case '<':
      return actual < operand;
    case '>':
      return actual > operand;
    default:
      return unreachable(op);
  }
}
