/** Typed records over the store: parsing at the edge, and the operations and comparisons that transactions are made of. */
import type * as z from 'zod';
import type {Fence} from '../protocol/ids.ts';
import {encodeRecord, parseRecord} from '../protocol/model/record.ts';
import type {Compare, KeyValue, Op, OpResponse, Store} from './store.ts';

/** A record with what a later transaction compares. */
export interface Stored<T> {
  readonly key: string;
  readonly value: T;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

export function storedRecord<S extends z.ZodType>(schema: S, kv: KeyValue): Stored<z.infer<S>> {
  return {
    key: kv.key,
    value: parseRecord(schema, kv.key, kv.value),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
  };
}

export async function readRecord<S extends z.ZodType>(
  store: Store,
  schema: S,
  key: string,
): Promise<Stored<z.infer<S>> | undefined> {
  const kv = await store.get(key);
  return kv && storedRecord(schema, kv);
}

export async function readRecords<S extends z.ZodType>(
  store: Store,
  schema: S,
  prefix: string,
): Promise<{records: Stored<z.infer<S>>[]; revision: number}> {
  const {kvs, revision} = await store.range(prefix);
  return {records: kvs.map(kv => storedRecord(schema, kv)), revision};
}

export function putRecord(key: string, value: object, lease?: string): Op {
  return {kind: 'put', key, value: encodeRecord(value), lease};
}

/** Holds while nobody changed the record since it was read. */
export function unchanged(stored: {readonly key: string; readonly modRevision: number}): Compare {
  return {key: stored.key, target: 'mod', op: '=', operand: stored.modRevision};
}

export function absent(key: string): Compare {
  return {key, target: 'create', op: '=', operand: 0};
}

export function exists(key: string): Compare {
  return {key, target: 'create', op: '!=', operand: 0};
}

/** Holds while the attempt's live key is the very one that its fence names. The store incarnation is compared by the caller. */
export function fenceHolds(liveKey: string, fence: Fence): Compare {
  return {key: liveKey, target: 'create', op: '=', operand: fence.revision};
}

/** What a `get` of a transaction found. */
export function found(response: OpResponse | undefined): KeyValue | undefined {
  return response?.kind === 'range' ? response.kvs[0] : undefined;
}
