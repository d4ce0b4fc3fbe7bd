/** Several writes of shared memory as one transaction: what it compares, what it does, and what its answers say. Sending it is fencedMemory.ts. */
import {boundedPut} from '../effects/recordSize.ts';
import type {MemoryTxn, MemoryWrite} from '../protocol/commands/memory.ts';
import {ProtocolError} from '../protocol/errors.ts';
import type {MemoryDeletion} from '../protocol/model/memory.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import type {Principal} from '../security/principal.ts';
import {absent, found, putRecord, unchanged} from '../store/records.ts';
import type {Compare, KeyValue, Op, OpResponse, Txn} from '../store/store.ts';
import type {MemoryScope} from './memoryScope.ts';
import {memoryRecord} from './memoryValue.ts';

export interface ComposedWrites {
  /** `then` and `else` end with a look at each key, in the order of the writes. */
  readonly txn: Txn;
  /** The looks alone. */
  readonly looks: readonly Op[];
}

/** Reads what is to be deleted, whose last version its deletion keeps. Errors: `invalidParams` (a key twice), `tooLarge`, `conflict`, those of the store. */
export async function composeWrites(
  scope: MemoryScope,
  {sessionId, writes, fence}: MemoryTxn,
  principal: Principal,
): Promise<ComposedWrites> {
  const {keys, store, clock, instanceId} = scope;
  if (new Set(writes.map(({key}) => key)).size < writes.length)
    throw new ProtocolError('invalidParams', 'a key is written twice in one transaction', {field: 'writes'});
  const looks = writes.map(({key}): Op => ({kind: 'get', key: keys.memoryKey(sessionId, key)}));
  const before = writes.some(({kind}) => kind === 'delete') ? (await store.txn({then: looks})).responses : [];
  const compare: Compare[] = [];
  const ops: Op[] = [];
  const attempt = fence && {attemptId: fence.attempt};
  writes.forEach((write, at) => {
    const key = keys.memoryKey(sessionId, write.key);
    if (write.kind === 'put') {
      const {value, ttl, ifVersion} = write;
      const record = memoryRecord(value, principal.id, clock.wallNow(), {
        ...attempt,
        instanceId: principal.agentId ?? instanceId,
        ...(ttl !== undefined && {ttl}),
      });
      ops.push(boundedPut(key, record));
      if (ifVersion !== undefined) compare.push({key, target: 'version', op: '=', operand: ifVersion});
      return;
    }
    const kv = found(before[at]);
    const version = kv?.version ?? 0;
    if (write.ifVersion !== undefined && write.ifVersion !== version) throw conflictAt(write.key, version);
    compare.push(kv ? unchanged(kv) : absent(key));
    if (!kv) return;
    const deletion: MemoryDeletion = {
      v: RECORD_VERSION,
      principal: principal.id,
      timestamp: clock.wallNow(),
      version: kv.version,
      ...attempt,
    };
    ops.push({kind: 'delete', key}, putRecord(keys.memoryDeletion(sessionId, write.key), deletion));
  });
  return {txn: {compare, then: [...ops, ...looks], else: looks}, looks};
}

/** Versions of the keys by the looks that end `responses`; 0: no such key. */
export function versionsIn({looks}: ComposedWrites, responses: readonly OpResponse[]): number[] {
  return responses.slice(-looks.length).map(response => found(response)?.version ?? 0);
}

/** Throws `conflict` for the first write whose version was not the one that was wanted; else others wrote meanwhile what is to be deleted. */
export function checkVersions(writes: readonly MemoryWrite[], responses: readonly OpResponse[]): void {
  for (const [at, {key, ifVersion}] of writes.entries()) {
    const version = found(responses[at])?.version ?? 0;
    if (ifVersion !== undefined && ifVersion !== version) throw conflictAt(key, version);
  }
}

function conflictAt(key: string, version: number): ProtocolError {
  const message = `memory key ${key} has version ${version}; nothing of the transaction was written`;
  return new ProtocolError('conflict', message, {key, version});
}

/** The revision at which everything that the transaction puts was put together, as `kvs` of its puts show. */
export function appliedAt(puts: readonly Op[], kvs: readonly (KeyValue | undefined)[]): number | undefined {
  const [first] = kvs;
  const all = puts.every((op, at) => {
    const kv = kvs[at];
    return op.kind === 'put' && kv?.value === op.value && kv.modRevision === first?.modRevision;
  });
  return all ? first?.modRevision : undefined;
}
