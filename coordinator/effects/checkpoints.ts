/**
 * Checkpoints of conversations in the store: the newest of each task, written under the fence of the attempt that made it, found by the attempt
 * that comes after. When one is of no use any more is the lead's to say, and what happened after it is in the transcripts.
 */
import type {CheckpointOpen, CheckpointSave, CheckpointTaken} from '../protocol/commands/checkpoint.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {type Fence, parseAttemptId} from '../protocol/ids.ts';
import type {AttemptRecord} from '../protocol/model/attempt.ts';
import {CheckpointRecord} from '../protocol/model/checkpoint.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Principal} from '../security/principal.ts';
import {readRecord, type Stored} from '../store/records.ts';
import {type Effect, type Fences, requireFenceOf, staleFence} from './fences.ts';
import {boundedPut} from './recordSize.ts';

export interface CheckpointsOptions {
  readonly fences: Fences;
  readonly clock: Clock;
}

export class Checkpoints {
  constructor(private readonly options: CheckpointsOptions) {}

  /** Replaces the task's checkpoint. Errors: `staleFence`, `forbidden`, `tooLarge`, `invalidParams`. */
  async save(params: CheckpointSave, principal: Principal): Promise<Record<string, never>> {
    const {fence, checkpoint} = params;
    const {fences, clock} = this.options;
    const {sessionId, taskId, agentId} = (await this.attemptOf(params, principal, 'alone')).value;
    const key = fences.keys.checkpoint(sessionId, taskId);
    const record: CheckpointRecord = {
      v: RECORD_VERSION,
      principal: principal.id,
      attemptId: fence.attempt,
      agentId,
      at: clock.wallNow(),
      checkpoint,
    };
    const detail = `after ${checkpoint.calls} tool calls`;
    const effect: Effect = {fence, principal, kind: 'checkpoint', detail};
    const outcome = await fences.commit(effect, {compare: [], then: [boundedPut(key, record)]});
    if (outcome.kind !== 'done') throw new ProtocolError('overloaded', 'a checkpoint was not written');
    return {};
  }

  /** The checkpoint that the attempt may go on from. Errors: `staleFence`, `forbidden`, `invalidParams`. */
  async newest(params: CheckpointOpen, principal: Principal): Promise<CheckpointRecord | undefined> {
    const {sessionId, taskId, number, backup} = (await this.attemptOf(params, principal)).value;
    const {fences} = this.options;
    await this.checkFence(params.fence);
    // A second attempt is a fresh try.
    if (backup) return undefined;
    const record = await readRecord(
      fences.store,
      CheckpointRecord,
      fences.keys.checkpoint(sessionId, taskId),
    );
    const before = record && parseAttemptId(record.value.attemptId)?.number;
    return before !== undefined && before < number ? record?.value : undefined;
  }

  /** Notes in the attempt's record what it went on from. Errors: `staleFence`, `forbidden`, `invalidParams`, `overloaded`. */
  async taken(params: CheckpointTaken, principal: Principal): Promise<Record<string, never>> {
    const {fence, from} = params;
    const {fences} = this.options;
    const effect: Effect = {fence, principal, kind: 'checkpoint', detail: `goes on from ${from.attemptId}`};
    const attempt = await this.attemptOf(params, principal);
    await fences.rewrite(effect, attempt, before => ({value: {...before, continued: from}}));
    return {};
  }

  private attemptOf(
    {attemptId, fence}: {readonly attemptId: string; readonly fence: Fence},
    principal: Principal,
    who: 'any' | 'alone' = 'any',
  ): Promise<Stored<AttemptRecord>> {
    requireFenceOf(attemptId, fence);
    const {fences} = this.options;
    return who === 'alone' ? fences.aloneOf(fence, principal) : fences.attemptOf(fence, principal);
  }

  private async checkFence(fence: Fence): Promise<void> {
    const {fences} = this.options;
    const live = fences.isOfThisStore(fence)
      ? await fences.store.get(fences.keys.live(fence.attempt))
      : undefined;
    if (live?.createRevision !== fence.revision) throw staleFence(fence, 'the attempt was ended or replaced');
  }
}
