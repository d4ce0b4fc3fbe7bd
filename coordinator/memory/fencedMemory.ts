/** Writes of a session's shared memory, of one key or of several at once, under versions and a fence. Writes that were made while cut off are memorySync.ts. */

import {boundedPut} from '../effects/recordSize.ts';
import type {
  MemoryDelete,
  MemoryDeleteResult,
  MemoryPut,
  MemoryPutResult,
  MemoryTxn,
  MemoryTxnResult,
} from '../protocol/commands/memory.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {type Fence, parseAttemptId} from '../protocol/ids.ts';
import type {MemoryDeletion} from '../protocol/model/memory.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {assert} from '../runtime/assert.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {Principal} from '../security/principal.ts';
import {exists, found, putRecord} from '../store/records.ts';
import type {Compare, KeyValue, Op, OpResponse, Store, Txn} from '../store/store.ts';
import type {MemoryScope} from './memoryScope.ts';
import {appliedAt, type ComposedWrites, checkVersions, composeWrites, versionsIn} from './memoryTxn.ts';
import {memoryRecord} from './memoryValue.ts';

interface Place {
  readonly sessionId: string;
  readonly key: string;
  readonly fence?: Fence | undefined;
}

export class FencedMemory {
  private readonly store: Store;

  constructor(private readonly scope: MemoryScope) {
    this.store = scope.store;
  }

  /**
   * Writes a value. An agent writes under the fence of an attempt of this session that it runs. Errors: `conflict` (`ifVersion` does not
   * hold; `data.version` is the version there is), `staleFence`, `forbidden`, `notFound` (no such session), `tooLarge`, `timeout` (unknown).
   */
  async put(params: MemoryPut, principal: Principal, changeId?: string): Promise<MemoryPutResult> {
    const {sessionId, fence, ifVersion, value, ttl} = params;
    const key = this.scope.keys.memoryKey(sessionId, params.key);
    const record = memoryRecord(value, principal.id, this.scope.clock.wallNow(), {
      ...(fence && {attemptId: fence.attempt}),
      instanceId: principal.agentId ?? this.scope.instanceId,
      ...(ttl !== undefined && {ttl}),
      ...(changeId !== undefined && {changeId}),
    });
    const put = boundedPut(key, record);
    const compare: Compare[] =
      ifVersion === undefined ? [] : [{key, target: 'version', op: '=', operand: ifVersion}];
    const get: Op = {kind: 'get', key};
    try {
      const outcome = await this.commit(params, principal, {compare, then: [put, get], else: [get]});
      if (!outcome.done) throw versionConflict(params.key, outcome.responses[0]);
      return written(found(outcome.responses[1]));
    } catch (error) {
      if (!isCoordinatorError(error, 'timeout')) throw error;
      return this.resolveUnknown(put, error);
    }
  }

  /** Deleting what is not there changes nothing. Errors: as `put`; after a `timeout` asking again finds out. */
  async delete(params: MemoryDelete, principal: Principal, changeId?: string): Promise<MemoryDeleteResult> {
    const {sessionId, fence, ifVersion} = params;
    const {keys, clock} = this.scope;
    const key = keys.memoryKey(sessionId, params.key);
    for (let tries = this.scope.fences.settings.maxTries; tries > 0; tries--) {
      const before = await this.store.get(key);
      const version = before?.version ?? 0;
      if (ifVersion !== undefined && version !== ifVersion) throw versionConflict(params.key, version);
      const deletion: MemoryDeletion = {
        v: RECORD_VERSION,
        principal: principal.id,
        timestamp: clock.wallNow(),
        version: Math.max(1, version),
        ...(fence && {attemptId: fence.attempt}),
        ...(changeId !== undefined && {changeId}),
      };
      const then: Op[] = before
        ? [{kind: 'delete', key}, putRecord(keys.memoryDeletion(sessionId, params.key), deletion)]
        : [{kind: 'get', key}];
      const same: Compare = {key, target: 'mod', op: '=', operand: before?.modRevision ?? 0};
      const outcome = await this.commit(params, principal, {compare: [same], then});
      if (outcome.done) return {deleted: before !== undefined, revision: outcome.revision};
    }
    throw new ProtocolError(
      'overloaded',
      `memory key ${params.key} is written too often; it was not deleted`,
    );
  }

  /**
   * All of the writes or none. Errors: as `put`; `conflict` names in `data` the key whose version does not hold; `invalidParams` for a key that
   * is written twice, `overloaded` when others keep writing what is to be deleted.
   */
  async txn({sessionId, writes, fence}: MemoryTxn, principal: Principal): Promise<MemoryTxnResult> {
    const {scope} = this;
    const detail = writes.map(({key}) => key).join(', ');
    for (let tries = scope.fences.settings.maxTries; tries > 0; tries--) {
      const composed = await composeWrites(scope, {sessionId, writes, fence}, principal);
      try {
        const outcome = await this.commit({sessionId, key: detail, fence}, principal, composed.txn);
        if (outcome.done)
          return {revision: outcome.revision, versions: versionsIn(composed, outcome.responses)};
        checkVersions(writes, outcome.responses);
      } catch (error) {
        if (!isCoordinatorError(error, 'timeout')) throw error;
        return this.resolveUnknownTxn(composed, error);
      }
    }
    throw new ProtocolError(
      'overloaded',
      `the memory keys ${detail} are written too often; none was changed`,
    );
  }

  private async commit(place: Place, principal: Principal, txn: Txn): Promise<Committed> {
    this.scope.checkTenant(principal);
    if (principal.role === 'agent' && !place.fence)
      throw new ProtocolError('forbidden', 'an agent writes memory under the fence of an attempt');
    return place.fence
      ? this.commitFenced(place, place.fence, principal, txn)
      : this.commitUnfenced(place, txn);
  }

  private async commitFenced(
    {sessionId, key}: Place,
    fence: Fence,
    principal: Principal,
    txn: Txn,
  ): Promise<Committed> {
    const {fences} = this.scope;
    // A client may bind its write to an attempt too; an agent has to run it.
    if (principal.role === 'agent') await fences.aloneOf(fence, principal);
    if (parseAttemptId(fence.attempt)?.sessionId !== sessionId)
      throw new ProtocolError('forbidden', `attempt ${fence.attempt} is not of session ${sessionId}`);
    const outcome = await fences.commit({fence, principal, kind: 'memory', detail: key}, txn);
    if (outcome.kind === 'lost') return {done: false, responses: outcome.responses, revision: 0};
    return {done: true, responses: outcome.responses, revision: outcome.revision};
  }

  private async commitUnfenced({sessionId}: Place, txn: Txn): Promise<Committed> {
    const session = this.scope.keys.session(sessionId);
    const {succeeded, responses, revision} = await this.store.txn({
      compare: [exists(session), ...(txn.compare ?? [])],
      then: txn.then,
      else: [{kind: 'get', key: session}, ...(txn.else ?? [])],
    });
    if (succeeded) return {done: true, responses, revision};
    const [there, ...others] = responses;
    if (!found(there)) throw new ProtocolError('notFound', `there is no session ${sessionId}`);
    return {done: false, responses: others, revision};
  }

  /** Whether a write without an answer was applied shows in the key, unless somebody has written since. */
  private async resolveUnknown(put: Op, unknown: unknown): Promise<MemoryPutResult> {
    assert(put.kind === 'put', 'a memory write is a put');
    const kv = await this.store.get(put.key);
    if (kv?.value !== put.value) throw unknown;
    return written(kv);
  }

  private async resolveUnknownTxn(composed: ComposedWrites, unknown: unknown): Promise<MemoryTxnResult> {
    const puts = composed.txn.then.filter(op => op.kind === 'put');
    const looks = puts.map(({key}): Op => ({kind: 'get', key}));
    const {responses} = await this.store.txn({then: [...looks, ...composed.looks]});
    const revision = appliedAt(puts, responses.slice(0, puts.length).map(found));
    if (revision === undefined) throw unknown;
    return {revision, versions: versionsIn(composed, responses)};
  }
}

interface Committed {
  /** False: another comparison than that of the fence did not hold; `responses` are those of the caller's `else`. */
  readonly done: boolean;
  readonly responses: readonly OpResponse[];
  readonly revision: number;
}

function written(kv: KeyValue | undefined): MemoryPutResult {
  assert(kv, 'a put is read back in its own transaction');
  return {version: kv.version, revision: kv.modRevision};
}

function versionConflict(key: string, there: OpResponse | number | undefined): ProtocolError {
  const version = typeof there === 'number' ? there : (found(there)?.version ?? 0);
  return new ProtocolError('conflict', `memory key ${key} has version ${version}`, {version});
}
