/** Every key with its retained versions, ordered; what a transaction or a lease is belongs to the state machine. */
import {KeyIndex} from './keyIndex.ts';
import type {RevisionEvents} from './revisionLog.ts';
import type {KeyValue, StoreEvent} from './store.ts';

interface KeyRecord {
  readonly key: string;
  /** The newest version; a deleted key's is a tombstone, which has version 0. */
  latest: KeyValue;
  /** Versions before `latest` that a read at a retained revision may still want, oldest first. */
  older: KeyValue[] | undefined;
}

export interface ScanOptions {
  readonly limit?: number | undefined;
  readonly after?: string | undefined;
  readonly descending?: boolean | undefined;
  /** Default: the newest. */
  readonly atRevision?: number | undefined;
}

export class VersionedKeys {
  private readonly records = new Map<string, KeyRecord>();
  private readonly index = new KeyIndex<KeyRecord>();
  private live = 0;

  /** Keys that exist now. */
  get size(): number {
    return this.live;
  }

  get(key: string): KeyValue | undefined {
    return living(this.records.get(key)?.latest);
  }

  getAt(key: string, revision: number): KeyValue | undefined {
    const record = this.records.get(key);
    return record && living(versionAt(record, revision));
  }

  put(key: string, value: string, lease: string | undefined, revision: number): StoreEvent {
    const record = this.records.get(key);
    const previous = living(record?.latest);
    const own = record?.key ?? key;
    const kv = keyValue(
      own,
      value,
      previous?.createRevision ?? revision,
      revision,
      (previous?.version ?? 0) + 1,
      lease,
    );
    this.replace(record, kv);
    if (!previous) this.live += 1;
    return previous ? {kind: 'put', key: own, kv, previous} : {kind: 'put', key: own, kv};
  }

  /** Undefined when there is no such key. */
  delete(key: string, revision: number): StoreEvent | undefined {
    const record = this.records.get(key);
    const previous = living(record?.latest);
    if (!record || !previous) return undefined;
    const kv = keyValue(record.key, '', 0, revision, 0, undefined);
    this.replace(record, kv);
    this.live -= 1;
    return {kind: 'delete', key: record.key, kv, previous};
  }

  /** Calls `visit` with the living keys under `prefix` until it returns false. */
  scan(prefix: string, options: ScanOptions, visit: (kv: KeyValue) => boolean): void {
    const at = options.atRevision;
    const each = (record: KeyRecord): boolean => {
      const kv = living(at === undefined ? record.latest : versionAt(record, at));
      return kv === undefined || visit(kv);
    };
    if (options.descending) this.index.descend(prefix, options.after, each);
    else this.index.ascend(prefix, options.after, each);
  }

  /** Scans all keys at a revision from behind `after` on, at most `records` of them, dead ones included; returns where to go on, if anywhere. */
  scanSlice(
    after: string | undefined,
    atRevision: number,
    records: number,
    visit: (kv: KeyValue) => boolean,
  ): string | undefined {
    let left = records;
    let cursor: string | undefined;
    this.index.ascend('', after, record => {
      const kv = living(versionAt(record, atRevision));
      left -= 1;
      if ((kv === undefined || visit(kv)) && left > 0) return true;
      cursor = record.key;
      return false;
    });
    return cursor;
  }

  range(prefix: string, options: ScanOptions): {kvs: KeyValue[]; more: boolean} {
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    const kvs: KeyValue[] = [];
    let more = false;
    this.scan(prefix, options, kv => {
      if (kvs.length < limit) return kvs.push(kv) > 0;
      more = true;
      return false;
    });
    return {kvs, more};
  }

  /** Drops what only reads below the end of `record` could see. Records are given in order of revision. */
  forget(record: RevisionEvents): void {
    for (const event of record.events) this.prune(event.key, record.revision);
  }

  /** Adds a version as it was written, with its own revisions: only to restore a snapshot. */
  restore(kv: KeyValue): void {
    this.replace(this.records.get(kv.key), kv);
    this.live += 1;
  }

  private replace(record: KeyRecord | undefined, kv: KeyValue): void {
    if (!record) {
      const added = {key: kv.key, latest: kv, older: undefined};
      this.records.set(kv.key, added);
      this.index.insert(added);
      return;
    }
    if (record.older) record.older.push(record.latest);
    else record.older = [record.latest];
    record.latest = kv;
  }

  private prune(key: string, revision: number): void {
    const record = this.records.get(key);
    if (!record) return;
    if (record.latest.modRevision <= revision) {
      record.older = undefined;
      if (record.latest.version > 0) return;
      this.records.delete(key);
      this.index.delete(key);
      return;
    }
    const older = record.older;
    if (!older) return;
    let keep = 0;
    while (keep + 1 < older.length && (older[keep + 1]?.modRevision ?? 0) <= revision) keep += 1;
    const first = older[keep];
    if (first?.version === 0 && first.modRevision <= revision) keep += 1;
    if (keep === older.length) record.older = undefined;
    else if (keep > 0) older.splice(0, keep);
  }
}

function living(kv: KeyValue | undefined): KeyValue | undefined {
  return kv && kv.version > 0 ? kv : undefined;
}

function versionAt(record: KeyRecord, revision: number): KeyValue | undefined {
  if (record.latest.modRevision <= revision) return record.latest;
  return record.older?.findLast(kv => kv.modRevision <= revision);
}

function keyValue(
  key: string,
  value: string,
  createRevision: number,
  modRevision: number,
  version: number,
  lease: string | undefined,
): KeyValue {
  if (lease === undefined) return {key, value, createRevision, modRevision, version};
  return {key, value, createRevision, modRevision, version, lease};
}
