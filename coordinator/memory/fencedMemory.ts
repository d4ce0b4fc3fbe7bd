/**
 * Single keys of a session's shared memory: put under a version and a fence, and strong gets. Replicas, offline writes and conflicts are not
 * its business.
 */
import {createHash} from 'node:crypto';
import type * as z from 'zod';
import type {Fences} from '../effects/fences.ts';
import type {LiveAttempts} from '../effects/liveAttempts.ts';
import {boundedPut} from '../effects/recordSize.ts';
import type {MemoryGet, MemoryGetResult, MemoryPut, MemoryPutResult} from '../protocol/commands/attempt.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {parseAttemptId} from '../protocol/ids.ts';
import {AttemptLive} from '../protocol/model/attempt.ts';
import {MemoryRecord} from '../protocol/model/facts.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {assert} from '../runtime/assert.ts';
import type {Clock} from '../runtime/clock.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import {canonicalJson} from '../runtime/json.ts';
import type {Principal} from '../security/principal.ts';
import {exists, found, readRecords, storedRecord} from '../store/records.ts';
import type {Compare, KeyValue, Op, OpResponse, Store, Txn} from '../store/store.ts';

export interface FencedMemoryOptions {
  readonly fences: Fences;
  readonly attempts: LiveAttempts;
  readonly tenant: string;
  readonly clock: Clock;
}

type PutResult = z.infer<typeof MemoryPutResult>;

export class FencedMemory {
  private readonly store: Store;

  constructor(private readonly options: FencedMemoryOptions) {
    this.store = options.fences.store;
  }

  /**
   * Writes a value. An agent writes under the fence of an attempt of this session that it runs. Errors: `conflict` (`ifVersion` does not
   * hold; `data.version` is the version there is), `staleFence`, `forbidden`, `notFound` (no such session), `tooLarge`, `timeout` (unknown).
   */
  async put(params: z.infer<typeof MemoryPut>, principal: Principal): Promise<PutResult> {
    this.checkTenant(principal);
    const {sessionId, fence, ifVersion} = params;
    if (principal.role === 'agent' && !fence)
      throw new ProtocolError('forbidden', 'an agent writes memory under the fence of an attempt');
    const key = this.options.fences.keys.memoryKey(sessionId, params.key);
    const put = boundedPut(key, this.record(params, principal));
    const compare: Compare[] =
      ifVersion === undefined ? [] : [{key, target: 'version', op: '=', operand: ifVersion}];
    const get: Op = {kind: 'get', key};
    const txn: Txn = {compare, then: [put, get], else: [get]};
    try {
      return fence ? await this.putFenced(params, principal, txn) : await this.putUnfenced(params, txn);
    } catch (error) {
      if (!isCoordinatorError(error, 'timeout')) throw error;
      return this.resolveUnknown(put, error);
    }
  }

  /** The newest value. An agent reads the sessions that it works for. Errors: `forbidden`. */
  async get(
    {sessionId, key}: z.infer<typeof MemoryGet>,
    principal: Principal,
  ): Promise<z.infer<typeof MemoryGetResult>> {
    this.checkTenant(principal);
    if (principal.role === 'agent') await this.checkWorksFor(sessionId, principal);
    const {responses, revision} = await this.store.txn({
      then: [{kind: 'get', key: this.options.fences.keys.memoryKey(sessionId, key)}],
    });
    const kv = found(responses[0]);
    if (!kv) return {version: 0, revision};
    const {value: record, version} = storedRecord(MemoryRecord, kv);
    return {record, version, revision};
  }

  private async putFenced(
    {sessionId, key, fence}: z.infer<typeof MemoryPut>,
    principal: Principal,
    txn: Txn,
  ): Promise<PutResult> {
    const {fences} = this.options;
    assert(fence, 'a fenced put has a fence');
    // A client may bind its write to an attempt too; an agent has to run it.
    if (principal.role === 'agent') await fences.attemptOf(fence, principal);
    if (parseAttemptId(fence.attempt)?.sessionId !== sessionId)
      throw new ProtocolError('forbidden', `attempt ${fence.attempt} is not of session ${sessionId}`);
    const outcome = await fences.commit({fence, principal, kind: 'memory', detail: key}, txn);
    if (outcome.kind === 'lost') throw versionConflict(key, outcome.responses[0]);
    return written(found(outcome.responses[1]));
  }

  private async putUnfenced({sessionId, key}: z.infer<typeof MemoryPut>, txn: Txn): Promise<PutResult> {
    const session = this.options.fences.keys.session(sessionId);
    const result = await this.store.txn({
      compare: [exists(session), ...(txn.compare ?? [])],
      then: txn.then,
      else: [{kind: 'get', key: session}, ...(txn.else ?? [])],
    });
    if (result.succeeded) return written(found(result.responses[1]));
    if (!found(result.responses[0])) throw new ProtocolError('notFound', `there is no session ${sessionId}`);
    throw versionConflict(key, result.responses[1]);
  }

  /** Whether a write without an answer was applied shows in the key, unless somebody has written since. */
  private async resolveUnknown(put: Op, unknown: unknown): Promise<PutResult> {
    assert(put.kind === 'put', 'a memory write is a put');
    const kv = await this.store.get(put.key);
    if (kv?.value !== put.value) throw unknown;
    return written(kv);
  }

  private record({value, fence}: z.infer<typeof MemoryPut>, principal: Principal): MemoryRecord {
    return {
      v: RECORD_VERSION,
      principal: principal.id,
      value,
      timestamp: this.options.clock.wallNow(),
      attemptId: fence?.attempt,
      checksum: createHash('sha256').update(canonicalJson(value)).digest('hex'),
    };
  }

  private async checkWorksFor(sessionId: string, {agentId, id}: Principal): Promise<void> {
    const {attempts, fences} = this.options;
    const prefix = `${sessionId}.`;
    const known = agentId === undefined ? [] : attempts.attemptsOn(agentId);
    if (known.some(({attemptId}) => attemptId.startsWith(prefix))) return;
    // The picture in memory may lag behind an assignment.
    const {records} = await readRecords(this.store, AttemptLive, `${fences.keys.lives}${prefix}`);
    if (!records.some(({value}) => value.agentId === agentId))
      throw new ProtocolError('forbidden', `${id} has no attempt of session ${sessionId}`);
  }

  private checkTenant({tenant}: Principal): void {
    assert(tenant === this.options.tenant, `a principal of tenant ${tenant} came here`);
  }
}

function written(kv: KeyValue | undefined): PutResult {
  assert(kv, 'a put is read back in its own transaction');
  return {version: kv.version, revision: kv.modRevision};
}

function versionConflict(key: string, response: OpResponse | undefined): ProtocolError {
  const version = found(response)?.version ?? 0;
  return new ProtocolError('conflict', `memory key ${key} has version ${version}`, {version});
}
