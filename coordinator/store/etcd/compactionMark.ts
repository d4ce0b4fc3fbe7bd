/** The revision up to which a store's history is forgotten, as a key that all its drivers obey: etcd itself, whose history is others' too, is not compacted. */
import {CoordinatorError} from '../../runtime/errors.ts';
import type {EtcdCalls} from './calls.ts';
import type {KeySpace} from './keySpace.ts';

export async function readMark(calls: EtcdCalls, {forgotten: key}: KeySpace): Promise<number> {
  const {kvs} = await calls.read((client, options) => client.kv.range({key}, options));
  return kvs[0] ? markOf(kvs[0].value) : 0;
}

/** Resolves to the mark, which never goes back. Throws `limit` for a revision that is yet to come. */
export async function raiseMark(
  calls: EtcdCalls,
  {forgotten: key}: KeySpace,
  revision: number,
): Promise<number> {
  for (;;) {
    const {kvs, header} = await calls.read((client, options) => client.kv.range({key}, options));
    if (!Number.isSafeInteger(revision) || revision > Number(header.revision))
      throw new CoordinatorError('limit', `revision ${revision} is beyond the newest, ${header.revision}`);
    const [kv] = kvs;
    const present = kv ? markOf(kv.value) : 0;
    if (revision <= present) return present;
    const mod_revision = kv?.mod_revision ?? 0;
    const request = {
      compare: [{key, target: 'Mod' as const, result: 'Equal' as const, mod_revision}],
      success: [{request_put: {key, value: Buffer.from(String(revision))}}],
    };
    const {succeeded} = await calls.write((client, options) => client.kv.txn(request, options));
    if (succeeded) return revision;
  }
}

export function markOf(value: Buffer): number {
  const revision = Number(value.toString('utf8'));
  return Number.isSafeInteger(revision) ? revision : 0;
}
