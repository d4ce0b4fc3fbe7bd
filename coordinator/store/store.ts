/**
 * The one seam for durable facts, shaped like etcd's v3 API so that etcd can be a driver of it.
 *
 * Keys and values are strings (UTF-8). One revision counts every transaction that changed something. The limits below are what every driver
 * can keep, and every driver enforces them.
 */
import type {Disposable} from '../runtime/disposable.ts';

export interface StoreLimits {
  readonly maxOpsPerTxn: number;
  readonly maxTxnBytes: number;
  readonly maxRecordBytes: number;
  readonly maxKeyBytes: number;
}

export const STORE_LIMITS: StoreLimits = {
  maxOpsPerTxn: 128,
  maxTxnBytes: 1024 * 1024,
  maxRecordBytes: 64 * 1024,
  maxKeyBytes: 512,
};

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** Revision that created the key's present incarnation. */
  readonly createRevision: number;
  /** Revision of the last change. */
  readonly modRevision: number;
  /** Changes since the creation, 1 for a new key. */
  readonly version: number;
  /** The lease that deletes the key when it ends. */
  readonly lease?: string | undefined;
}

/** A condition on one key. An absent key has create revision, mod revision and version 0, and compares false against any value. */
export type Compare =
  | {
      readonly key: string;
      readonly target: 'create' | 'mod' | 'version';
      readonly op: '=' | '!=' | '<' | '>';
      readonly operand: number;
    }
  | {readonly key: string; readonly target: 'value'; readonly op: '=' | '!='; readonly operand: string};

export type Op =
  | {readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: string | undefined}
  | {readonly kind: 'delete'; readonly key: string}
  | {readonly kind: 'deletePrefix'; readonly prefix: string}
  | {readonly kind: 'get'; readonly key: string}
  | {readonly kind: 'range'; readonly prefix: string; readonly limit?: number};

/** All of `then` is applied when every comparison holds, else all of `else`. No key may be written twice in one branch. */
export interface Txn {
  readonly compare?: readonly Compare[];
  readonly then: readonly Op[];
  readonly else?: readonly Op[];
}

export type OpResponse =
  | {readonly kind: 'put'}
  | {readonly kind: 'delete'; readonly deleted: number}
  | {readonly kind: 'range'; readonly kvs: readonly KeyValue[]};

/** `revision` is the transaction's own when it changed something, else the store's at that moment. */
export interface TxnResult {
  readonly succeeded: boolean;
  readonly revision: number;
  readonly responses: readonly OpResponse[];
}

/** `strong` is linearizable; `local` is what this node has applied. */
export type ReadConsistency = 'strong' | 'local';

export interface ReadOptions {
  readonly atRevision?: number;
  readonly consistency?: ReadConsistency;
}

export interface RangeOptions extends ReadOptions {
  readonly limit?: number;
  /** Return only keys that follow this one in the chosen order: a cursor for paging. */
  readonly after?: string;
  readonly order?: 'ascending' | 'descending';
}

export interface RangeResult {
  readonly kvs: readonly KeyValue[];
  readonly revision: number;
  /** True when `limit` cut the answer. */
  readonly more: boolean;
}

export interface StoreEvent {
  readonly kind: 'put' | 'delete';
  readonly key: string;
  /** The new state; for a delete the value is '' and `modRevision` that of the delete. */
  readonly kv: KeyValue;
  readonly previous?: KeyValue | undefined;
}

/** One revision whole, in order, once. `compacted` ends the watch: the caller takes a new snapshot. */
export type WatchMessage =
  | {readonly kind: 'events'; readonly revision: number; readonly events: readonly StoreEvent[]}
  | {readonly kind: 'compacted'; readonly compactRevision: number}
  | {readonly kind: 'closed'; readonly error?: Error | undefined};

export interface WatchOptions {
  /** First revision wanted; default: the next one. Below the compaction revision the answer is `compacted`. */
  readonly fromRevision?: number;
}

export interface Lease {
  readonly id: string;
  readonly ttlSeconds: number;
}

/** How far what `local` reads and watches show here may be behind what was acknowledged anywhere. */
export interface Staleness {
  /** A `local` read that begins now shows everything up to here. */
  readonly revision: number;
  /** And everything that was acknowledged so many milliseconds ago. */
  readonly ageMs: number;
}

export interface StoreStatus {
  readonly driver: 'embedded' | 'etcd';
  /** Changes when the store was restored from a backup: fences and cursors of another incarnation are refused. */
  readonly incarnation: string;
  readonly revision: number;
  readonly compactRevision: number;
  readonly keys: number;
  readonly bytesOnDisk: number;
  readonly term: number;
  readonly leader: string | undefined;
  readonly isLeader: boolean;
  readonly members: readonly {
    readonly id: string;
    readonly address: string;
    readonly role: 'voter' | 'learner';
  }[];
  /** Set when writes are refused, with the reason for a person. */
  readonly degraded?: string | undefined;
}

/**
 * Failures are `CoordinatorError`s: `limit` (a limit of the contract), `unavailable` (no majority, or still recovering: surely not applied),
 * `timeout` (unknown: it may or may not have been applied), `diskFull` (surely not applied), `notFound` (no such lease, or a revision that
 * was compacted), `corrupt`, `closed`.
 */
export interface Store {
  get(key: string, options?: ReadOptions): Promise<KeyValue | undefined>;
  range(prefix: string, options?: RangeOptions): Promise<RangeResult>;
  txn(txn: Txn): Promise<TxnResult>;
  /** Listeners run in order of revision, outside the transaction that caused them, and must not throw. */
  watch(prefix: string, options: WatchOptions, listener: (message: WatchMessage) => void): Disposable;
  /** Whole seconds, at least 1. The lease may end late, never early. */
  grantLease(ttlSeconds: number): Promise<Lease>;
  /** Resolves to false when the lease is gone. */
  keepAlive(leaseId: string): Promise<boolean>;
  revokeLease(leaseId: string): Promise<void>;
  /** Forgets history below `revision`. */
  compact(revision: number): Promise<void>;
  /** Every live key under `prefix` at one revision, in key order. */
  backup(prefix: string): Promise<{revision: number; incarnation: string; kvs: AsyncIterable<KeyValue>}>;
  status(): StoreStatus;
  /** By proof, not by hope: of something that was asked of the others, or written, at that time, and came back. */
  staleness(): Staleness;
  close(): Promise<void>;
}
