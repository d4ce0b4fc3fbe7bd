/** Brings the replica of an agent up to date: takes its offline writes, and tells it what changed beyond its version vector. */
import type {MemoryChange, OfflineWrite, StateSynced, VersionVector} from '../protocol/commands/memory.ts';
import {MemoryMark, type WriteOutcome} from '../protocol/model/memory.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {assert} from '../runtime/assert.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {Principal} from '../security/principal.ts';
import {readRecords} from '../store/records.ts';
import type {KeyValue} from '../store/store.ts';
import type {MemoryScope} from './memoryScope.ts';
import {storedMemory} from './memoryValue.ts';
import type {OfflineMerge} from './offlineMerge.ts';

export interface ReplicaState {
  readonly have: VersionVector;
  readonly writes: readonly OfflineWrite[];
}

interface Delta {
  readonly revision: number;
  readonly changes: readonly MemoryChange[];
  readonly reset: boolean;
  readonly more: boolean;
}

/** Of no value. */
const NO_CHECKSUM = '0'.repeat(64);
const MAX_CHANGES = 512;
const MAX_BYTES = 2 * 1024 * 1024;

export class MemorySync {
  constructor(
    private readonly scope: MemoryScope,
    private readonly merge: OfflineMerge,
  ) {}

  /** Rejects as the store does: what was taken by then is not taken again by the next call. */
  async sync(sessionId: string, {have, writes}: ReplicaState, principal: Principal): Promise<StateSynced> {
    this.scope.checkTenant(principal);
    const outcomes: WriteOutcome[] = [];
    for (const write of writes) outcomes.push(await this.merge.take(sessionId, write, principal));
    const ended = !(await this.scope.worksFor(sessionId, principal));
    const {revision, changes, reset, more} = ended
      ? {revision: have.revision, changes: [], reset: false, more: false}
      : await this.delta(sessionId, have);
    const vector = await this.vector(sessionId, principal, revision);
    return {vector, outcomes, changes: [...changes], reset, more, ended};
  }

  /** Keys in the order of their last changes; a revision is never divided. Deletions are known for as long as the session is. */
  private async delta(sessionId: string, have: VersionVector): Promise<Delta> {
    const {store, keys} = this.scope;
    const reset = have.revision === 0 || have.store !== store.status().incarnation;
    const from = reset ? 0 : have.revision;
    const values = await store.range(keys.memory(sessionId));
    const {revision} = values;
    const gone = reset
      ? []
      : (await store.range(keys.memoryDeletions(sessionId), {atRevision: revision})).kvs;
    const live = new Set(values.kvs.map(({key}) => key.slice(keys.memory(sessionId).length)));
    const changed = [
      ...values.kvs.map(kv => ({kv, key: kv.key.slice(keys.memory(sessionId).length), isGone: false})),
      ...gone
        .map(kv => ({kv, key: kv.key.slice(keys.memoryDeletions(sessionId).length), isGone: true}))
        .filter(({key}) => !live.has(key)),
    ]
      .filter(({kv}) => kv.modRevision > from)
      .sort((a, b) => a.kv.modRevision - b.kv.modRevision);
    return page(changed, revision, reset);
  }

  private async vector(sessionId: string, {agentId}: Principal, revision: number): Promise<VersionVector> {
    assert(agentId !== undefined, 'replicas are of agents');
    const {store, keys} = this.scope;
    const prefix = `${keys.memoryMarks(sessionId)}${agentId}/`;
    const {records} = await readRecords(store, MemoryMark, prefix);
    const writers = records.map(({key, value}) => [key.slice(prefix.length), value.sequence] as const);
    return {store: store.status().incarnation, revision, writers: Object.fromEntries(writers)};
  }
}

function page(
  changed: readonly {kv: KeyValue; key: string; isGone: boolean}[],
  revision: number,
  reset: boolean,
): Delta {
  const changes: MemoryChange[] = [];
  let bytes = 0;
  for (const {kv, key, isGone} of changed) {
    const last = changes.at(-1);
    const full = changes.length >= MAX_CHANGES || bytes >= MAX_BYTES;
    if (last && full && last.revision !== kv.modRevision)
      return {revision: last.revision, changes, reset, more: true};
    changes.push(isGone ? {key, revision: kv.modRevision} : change(key, kv));
    bytes += kv.value.length;
  }
  return {revision, changes, reset, more: false};
}

/** A value that is damaged must not keep the others from the replica: it is told with a checksum that it does not have. */
function change(key: string, kv: KeyValue): MemoryChange {
  const {version, modRevision: revision} = kv;
  try {
    return {key, revision, entry: {record: storedMemory(kv).value, version}};
  } catch (error) {
    if (!isCoordinatorError(error, 'corrupt')) throw error;
    const record = {v: RECORD_VERSION, principal: '', value: null, timestamp: 0, checksum: NO_CHECKSUM};
    return {key, revision, entry: {record, version}};
  }
}
