/** What a key has, as a version that may be in conflict with another: a value, or its deletion. */

import type {MemoryRecord} from '../protocol/model/facts.ts';
import {MemoryDeletion} from '../protocol/model/memory.ts';
import {HUB, type VectorClock} from '../protocol/vectorClock.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {JsonValue} from '../runtime/json.ts';
import {found, type Stored, storedRecord} from '../store/records.ts';
import type {Compare, KeyValue} from '../store/store.ts';
import type {MemoryScope} from './memoryScope.ts';
import {clockOf, storedMemory} from './memoryValue.ts';

export interface Present {
  readonly value: JsonValue | undefined;
  readonly clock: VectorClock;
  /** Of the last change; 0 when nobody knows of any. */
  readonly revision: number;
  /** 0: there is no such key. */
  readonly version: number;
  readonly record: MemoryRecord | undefined;
  /** Its value is damaged: nothing may be made of it. */
  readonly unreadable: boolean;
  /** Holds while the key has this very version. */
  readonly same: Compare;
}

/** Rejects with `notFound` for a revision that was compacted. */
export async function presentValue(
  scope: MemoryScope,
  sessionId: string,
  key: string,
  atRevision?: number,
): Promise<Present> {
  const at = scope.keys.memoryKey(sessionId, key);
  const deletionKey = scope.keys.memoryDeletion(sessionId, key);
  const [kv, gone] =
    atRevision === undefined
      ? await readBoth(scope, at, deletionKey)
      : [await scope.store.get(at, {atRevision}), undefined];
  const same: Compare = {key: at, target: 'mod', op: '=', operand: kv?.modRevision ?? 0};
  if (kv) return {...valueIn(kv), revision: kv.modRevision, version: kv.version, same};
  const deletion = gone && storedRecord(MemoryDeletion, gone);
  const revision = deletion?.modRevision ?? 0;
  const clock = deletion?.value.clock ?? (revision > 0 ? {[HUB]: revision} : {});
  return {value: undefined, record: undefined, unreadable: false, clock, revision, version: 0, same};
}

async function readBoth(
  {store}: MemoryScope,
  key: string,
  deletionKey: string,
): Promise<[KeyValue | undefined, KeyValue | undefined]> {
  const {responses} = await store.txn({
    then: [
      {kind: 'get', key},
      {kind: 'get', key: deletionKey},
    ],
  });
  return [found(responses[0]), found(responses[1])];
}

function valueIn(kv: KeyValue): Pick<Present, 'value' | 'clock' | 'record' | 'unreadable'> {
  let stored: Stored<MemoryRecord>;
  try {
    stored = storedMemory(kv);
  } catch (error) {
    if (!isCoordinatorError(error, 'corrupt')) throw error;
    return {value: undefined, clock: {[HUB]: kv.modRevision}, record: undefined, unreadable: true};
  }
  return {value: stored.value.value, clock: clockOf(stored), record: stored.value, unreadable: false};
}
