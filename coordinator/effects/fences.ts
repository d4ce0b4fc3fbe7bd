/**
 * Admits the effects of attempts to the store: each is one transaction that compares the attempt's live key. What comes too late is refused
 * and recorded for people, in one transaction too, so that no completion can be accepted and refused. What an effect writes is left to its
 * service.
 */
import type {Logger} from '../observability/logger.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {type Fence, parseAttemptId} from '../protocol/ids.ts';
import {AttemptRecord, type RefusalRecord} from '../protocol/model/attempt.ts';
import {type TenantKeys, tenantKeys} from '../protocol/model/keys.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {assert} from '../runtime/assert.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {Principal} from '../security/principal.ts';
import {fenceHolds, found, putRecord, type Stored, unchanged} from '../store/records.ts';
import type {Compare, Op, OpResponse, Store, Txn} from '../store/store.ts';
import {TxnGathering} from '../store/txnGathering.ts';
import {RecordCache} from './recordCache.ts';

/** One effect that an attempt asks for. `detail` says to a person what it was. */
export interface Effect {
  readonly fence: Fence;
  readonly principal: Principal;
  readonly kind: RefusalRecord['effect'];
  readonly detail: string;
}

/** `lost`: the fence held but another comparison did not; `responses` are those of the caller's `else`. */
export type FencedOutcome =
  | {readonly kind: 'done'; readonly revision: number; readonly responses: readonly OpResponse[]}
  | {readonly kind: 'lost'; readonly responses: readonly OpResponse[]};
/** `stale`: the fence has fallen and nothing is recorded of that. */
export type FencedTry = FencedOutcome | {readonly kind: 'stale'; readonly responses: readonly OpResponse[]};

export interface FenceSettings {
  /** Attempt records kept in memory. */
  readonly maxCachedAttempts: number;
  /** Refusals that are recorded of one attempt; a zombie that goes on is refused without a trace. */
  readonly maxRefusals: number;
  /** Tries of a read-modify-write that others keep overtaking. */
  readonly maxTries: number;
}

export const FENCE_SETTINGS: FenceSettings = {maxCachedAttempts: 20_000, maxRefusals: 16, maxTries: 16};

export interface FencesOptions {
  readonly store: Store;
  readonly tenant: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings?: Partial<FenceSettings>;
}

const MAX_DETAIL = 2048;

export class Fences implements Disposable {
  /** Attempt records as far as they are known; every write compares what it was made from. */
  readonly attempts: RecordCache<typeof AttemptRecord>;

  readonly store: Store;
  readonly keys: TenantKeys;
  readonly settings: FenceSettings;
  private readonly gathering: TxnGathering;
  /** Of the store: fences of another one never hold. */
  readonly incarnation: string;

  constructor(private readonly options: FencesOptions) {
    const {store, tenant, logger} = options;
    this.store = store;
    this.gathering = new TxnGathering(store);
    this.incarnation = store.status().incarnation;
    this.keys = tenantKeys(tenant);
    this.settings = {...FENCE_SETTINGS, ...options.settings};
    const prefix = `${this.keys.base}attempts/`;
    this.attempts = new RecordCache(store, AttemptRecord, prefix, this.settings.maxCachedAttempts, logger);
  }

  dispose(): void {
    this.attempts.dispose();
  }

  /**
   * The attempt that a fence names, after a look at who asks: an agent may use the fences of the attempts that were placed on it, a client
   * none. Errors: `forbidden`, `invalidParams`, `staleFence` when the attempt is unknown.
   */
  async attemptOf(fence: Fence, principal: Principal): Promise<Stored<AttemptRecord>> {
    if (!parseAttemptId(fence.attempt))
      throw new ProtocolError('invalidParams', `not an attempt id: ${fence.attempt}`);
    assert(principal.tenant === this.options.tenant, `a principal of tenant ${principal.tenant} came here`);
    if (principal.role === 'client') throw new ProtocolError('forbidden', 'a client holds no fence');
    const attempt = await this.attempts.read(this.keys.attempt(fence.attempt));
    if (!attempt) throw staleFence(fence, 'there is no such attempt');
    if (principal.role === 'agent' && principal.agentId !== attempt.value.agentId)
      throw new ProtocolError('forbidden', `attempt ${fence.attempt} was not placed on this agent`);
    return attempt;
  }

  /** As `attemptOf`, for what a backup may not do while the attempt that it runs beside has the fence of their task: `forbidden` then. */
  async aloneOf(fence: Fence, principal: Principal): Promise<Stored<AttemptRecord>> {
    const attempt = await this.attemptOf(fence, principal);
    const {backup, backupOf} = attempt.value;
    if (!backup) return attempt;
    throw new ProtocolError(
      'forbidden',
      `attempt ${fence.attempt} runs beside ${backupOf?.attemptId ?? 'another'}, which has the fence of their task: nothing was written`,
    );
  }

  /** Commits `txn` if the fence stands. Throws `staleFence` after recording the refusal. */
  async commit(effect: Effect, txn: Txn): Promise<FencedOutcome> {
    const outcome = await this.tryCommit(effect.fence, txn);
    return outcome.kind === 'stale' ? this.refuse(effect) : outcome;
  }

  /** As `commit`, for callers that look at a fallen fence themselves. `responses` of `stale` are those of `else`, where it was reached. */
  async tryCommit(fence: Fence, txn: Txn): Promise<FencedTry> {
    if (!this.isOfThisStore(fence)) return {kind: 'stale', responses: []};
    const liveKey = this.keys.live(fence.attempt);
    const result = await this.gathering.txn({
      compare: [fenceHolds(liveKey, fence), ...(txn.compare ?? [])],
      then: txn.then,
      else: [{kind: 'get', key: liveKey}, ...(txn.else ?? [])],
    });
    if (result.succeeded) return {kind: 'done', revision: result.revision, responses: result.responses};
    const [live, ...responses] = result.responses;
    return {kind: found(live)?.createRevision === fence.revision ? 'lost' : 'stale', responses};
  }

  /** Writes the attempt's record anew, and `also` with it, if its fence stands. Errors: `staleFence`, `overloaded`. */
  async rewrite(
    effect: Effect,
    attempt: Stored<AttemptRecord>,
    rewritten: (before: AttemptRecord) => {readonly value: AttemptRecord; readonly also?: readonly Op[]},
  ): Promise<void> {
    let before = attempt;
    for (let tries = this.settings.maxTries; tries > 0; tries--) {
      const {value, also = []} = rewritten(before.value);
      const outcome = await this.commit(effect, {
        compare: [unchanged(before)],
        then: [putRecord(before.key, value), ...also],
        else: [{kind: 'get', key: before.key}],
      });
      if (outcome.kind === 'done') {
        this.attempts.wrote(before, value, outcome.revision);
        return;
      }
      const now = found(outcome.responses[0]);
      if (!now) break;
      before = this.attempts.take(now);
    }
    throw new ProtocolError('overloaded', `the record of attempt ${effect.fence.attempt} is contended`);
  }

  /** Fences of a store before its restoration from a backup never hold again. */
  isOfThisStore(fence: Fence): boolean {
    return fence.store === this.incarnation;
  }

  /** Records the refusal of `effect`, unless the fence stands after all, and throws `staleFence`. */
  async refuse(effect: Effect): Promise<never> {
    const {fence} = effect;
    const key = this.keys.attempt(fence.attempt);
    let attempt = await this.attempts.read(key);
    for (let tries = this.settings.maxTries; tries > 0 && attempt; tries--) {
      if (attempt.value.refused >= this.settings.maxRefusals) break;
      const value = refusedOnce(attempt.value);
      const result = await this.store.txn({
        compare: [unchanged(attempt), ...this.fallen(fence)],
        then: [putRecord(key, value), this.refusal(effect, value.refused)],
        else: [{kind: 'get', key}],
      });
      if (result.succeeded) {
        this.attempts.wrote(attempt, value, result.revision);
        break;
      }
      const now = found(result.responses[0]);
      if (now && now.modRevision === attempt.modRevision) break;
      attempt = now && this.attempts.take(now);
    }
    throw staleFence(fence, 'the attempt was ended or replaced');
  }

  private fallen(fence: Fence): Compare[] {
    if (!this.isOfThisStore(fence)) return [];
    return [{key: this.keys.live(fence.attempt), target: 'create', op: '!=', operand: fence.revision}];
  }

  private refusal(effect: Effect, number: number): ReturnType<typeof putRecord> {
    const {fence, principal, kind, detail} = effect;
    const record: RefusalRecord = {
      v: RECORD_VERSION,
      principal: principal.id,
      attemptId: fence.attempt,
      agentId: principal.agentId,
      effect: kind,
      detail: detail.slice(0, MAX_DETAIL),
      fence,
      at: this.options.clock.wallNow(),
    };
    return putRecord(this.keys.refusal(fence.attempt, String(number).padStart(4, '0')), record);
  }
}

/** Errors: `invalidParams`. Whether the fence stands is another question. */
export function requireFenceOf(attemptId: string, fence: Fence): void {
  if (fence.attempt !== attemptId)
    throw new ProtocolError('invalidParams', 'the fence is that of another attempt');
}

/** `data` tells the agent which attempt to kill. */
export function staleFence(fence: Fence, reason: string): ProtocolError {
  const message = `the fence of attempt ${fence.attempt} has fallen: ${reason}; nothing was written`;
  return new ProtocolError('staleFence', message, {attemptId: fence.attempt});
}

function refusedOnce(attempt: AttemptRecord): AttemptRecord {
  const outcome = attempt.outcome === 'lost' ? 'stale' : attempt.outcome;
  return {...attempt, outcome, refused: attempt.refused + 1};
}
