/** Checks that the audit records of one writer are whole, in order and unaltered. Pure. */
import {createHash} from 'node:crypto';
import type {AuditRecord} from '../protocol/model/facts.ts';
import {canonicalJson} from '../runtime/json.ts';

export interface KeyedAuditRecord {
  readonly key: string;
  readonly value: AuditRecord;
}

export type ChainVerdict =
  | {readonly kind: 'intact'; readonly records: number}
  | {readonly kind: 'broken'; readonly key: string; readonly reason: string};

/** Hex SHA-256 of everything in the record but its own hash. */
export function auditHash(record: Omit<AuditRecord, 'hash'>): string {
  const {hash: _own, ...content} = record as AuditRecord;
  return createHash('sha256').update(canonicalJson(content)).digest('hex');
}

/** Writer, epoch and sequence in the key of an audit record. */
export function auditPlace(key: string): {writer: string; epoch: number; sequence: number} | undefined {
  const match = /\/audit\/(.+)\/(\d{8})\/(\d{12})$/.exec(key);
  const [, writer, epoch, sequence] = match ?? [];
  return writer === undefined ? undefined : {writer, epoch: Number(epoch), sequence: Number(sequence)};
}

/** Records of an epoch that may follow the one that the next epoch is linked to: a transaction whose outcome was unknown. */
const LATE_RECORDS = 1;

/**
 * `records` are all of one writer, in order of their keys. `anchor` is the hash that the first of them follows: '' at the beginning of the
 * log. That the newest records are missing cannot be seen from the others: compare the last hash with one that was kept elsewhere.
 */
export function verifyChain(records: readonly KeyedAuditRecord[], anchor = ''): ChainVerdict {
  let epoch: KeyedAuditRecord[] = [];
  for (const record of records) {
    const place = auditPlace(record.key);
    const broken = (reason: string): ChainVerdict => ({kind: 'broken', key: record.key, reason});
    const {value} = record;
    if (!place) return broken('this is no key of an audit record');
    if (
      value['writer'] !== place.writer ||
      value['epoch'] !== place.epoch ||
      value.sequence !== place.sequence
    )
      return broken('the record was written for another place');
    if (auditHash(value) !== value.hash) return broken('the record was altered');
    const before = epoch.at(-1);
    if (before && before.value['epoch'] === place.epoch) {
      if (value.sequence !== before.value.sequence + 1) return broken('a record before it is missing');
      if (value.previous !== before.value.hash) return broken('it does not follow the record before it');
      epoch.push(record);
      continue;
    }
    const links = before ? epoch.slice(-1 - LATE_RECORDS).map(link => link.value.hash) : [anchor];
    if (!links.includes(value.previous)) return broken('its epoch does not follow the one before');
    epoch = [record];
  }
  return {kind: 'intact', records: records.length};
}
