/** The limits of the store's contract, checked the same way before any driver sees a request. */
import {CoordinatorError} from '../runtime/errors.ts';
import {type Compare, type Op, STORE_LIMITS, type Txn} from './store.ts';

declare global {
  interface String {
    isWellFormed(): boolean;
  }
}

/** Longest lease: etcd's own bound. */
const MAX_TTL_SECONDS = 9_000_000_000;

/** Throws `limit` when `txn` breaks the contract: sizes, counts, or one key written twice in a branch. */
export function checkTxn(txn: Txn): void {
  const compares = txn.compare ?? [];
  const other = txn.else ?? [];
  const most = STORE_LIMITS.maxOpsPerTxn;
  if (compares.length > most || txn.then.length > most || other.length > most)
    throw new CoordinatorError('limit', `a transaction has at most ${most} operations in each part`);
  let bytes = 0;
  for (const compare of compares) bytes += checkCompare(compare);
  for (const op of txn.then) bytes += checkOp(op);
  for (const op of other) bytes += checkOp(op);
  // Three bytes is the most a UTF-16 unit takes, so small transactions need no exact count.
  if (bytes * 3 > STORE_LIMITS.maxTxnBytes && exactBytes(txn) > STORE_LIMITS.maxTxnBytes)
    throw new CoordinatorError('limit', `a transaction has at most ${STORE_LIMITS.maxTxnBytes} bytes`);
  checkWrittenOnce(txn.then);
  checkWrittenOnce(other);
}

export function checkKey(key: string): void {
  if (key.length === 0) throw new CoordinatorError('limit', 'a key is not empty');
  checkPrefix(key);
}

export function checkPrefix(prefix: string): void {
  checkText(prefix, STORE_LIMITS.maxKeyBytes, 'key');
}

export function checkTtl(ttlSeconds: number): void {
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_TTL_SECONDS)
    throw new CoordinatorError('limit', `a lease lasts whole seconds, at least 1, not ${ttlSeconds}`);
}

/** True when no branch changes anything. */
export function isReadOnly(txn: Txn): boolean {
  return txn.then.every(isRead) && (txn.else ?? []).every(isRead);
}

function isRead(op: Op): boolean {
  return op.kind === 'get' || op.kind === 'range';
}

function checkCompare(compare: Compare): number {
  checkKey(compare.key);
  if (compare.target === 'value') {
    checkText(compare.operand, STORE_LIMITS.maxRecordBytes, 'compared value');
    return compare.key.length + compare.operand.length;
  }
  if (!Number.isSafeInteger(compare.operand))
    throw new CoordinatorError('limit', `a revision or version is a whole number, not ${compare.operand}`);
  return compare.key.length;
}

function checkOp(op: Op): number {
  switch (op.kind) {
    case 'put':
      checkKey(op.key);
      checkText(op.value, STORE_LIMITS.maxRecordBytes, 'value');
      return op.key.length + op.value.length;
    case 'range':
      checkLimit(op.limit);
      checkPrefix(op.prefix);
      return op.prefix.length;
    case 'deletePrefix':
      checkPrefix(op.prefix);
      return op.prefix.length;
    default:
      checkKey(op.key);
      return op.key.length;
  }
}

export function checkLimit(limit: number | undefined): void {
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 1))
    throw new CoordinatorError('limit', `a limit is a whole number from 1, not ${limit}`);
}

function checkText(text: string, maxBytes: number, what: string): void {
  if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes)
    throw new CoordinatorError('limit', `a ${what} has at most ${maxBytes} bytes: ${text.slice(0, 60)}`);
  if (!text.isWellFormed())
    throw new CoordinatorError('limit', `a ${what} is UTF-8, without lone surrogates: ${text.slice(0, 60)}`);
}

function exactBytes(txn: Txn): number {
  let bytes = 0;
  for (const compare of txn.compare ?? []) {
    bytes += Buffer.byteLength(compare.key);
    if (compare.target === 'value') bytes += Buffer.byteLength(compare.operand);
  }
  for (const op of [...txn.then, ...(txn.else ?? [])]) {
    bytes += Buffer.byteLength('prefix' in op ? op.prefix : op.key);
    if (op.kind === 'put') bytes += Buffer.byteLength(op.value);
  }
  return bytes;
}

function checkWrittenOnce(ops: readonly Op[]): void {
  if (ops.length < 2) return;
  const keys = new Set<string>();
  const prefixes: string[] = [];
  for (const op of ops) {
    if (op.kind === 'deletePrefix') prefixes.push(op.prefix);
    else if (op.kind === 'put' || op.kind === 'delete') {
      if (keys.has(op.key)) throw writtenTwice(op.key);
      keys.add(op.key);
    }
  }
  for (const [index, prefix] of prefixes.entries()) {
    for (const key of keys) if (key.startsWith(prefix)) throw writtenTwice(key);
    for (const [at, other] of prefixes.entries())
      if (at !== index && other.startsWith(prefix)) throw writtenTwice(other);
  }
}

function writtenTwice(key: string): CoordinatorError {
  return new CoordinatorError('limit', `a transaction writes ${key} twice in one branch`);
}
