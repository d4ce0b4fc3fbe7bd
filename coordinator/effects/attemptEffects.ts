/**
 * What an attempt does to its own record and its session's refs: completion and ref updates, each one transaction under its fence. Gates and
 * what follows from a report are the lead's.
 */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import type {AttemptClaim, RefUpdate, TaskComplete, TaskCompleted} from '../protocol/commands/attempt.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {parseAttemptId} from '../protocol/ids.ts';
import type {AttemptRecord, AttemptReport} from '../protocol/model/attempt.ts';
import {RefRecord} from '../protocol/model/facts.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {mergeUsage} from '../protocol/usage.ts';
import {type Clock, delay} from '../runtime/clock.ts';
import {canonicalJson} from '../runtime/json.ts';
import type {Principal} from '../security/principal.ts';
import {absent, found, putRecord, type Stored, storedRecord, unchanged} from '../store/records.ts';
import type {Op} from '../store/store.ts';
import {type Effect, type Fences, requireFenceOf} from './fences.ts';
import {storeLateUsage} from './lateUsage.ts';
import {boundedPut} from './recordSize.ts';
import {checkRefName, ownsRefName, WIP_PREFIX} from './refNames.ts';

export interface AttemptEffectsOptions {
  readonly fences: Fences;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the attempt's last events durable: after its end they would be refused. Undefined when there are none. */
  readonly flushTranscript?: (attemptId: string) => Promise<void> | undefined;
}

/** Bytes of a report and of what its attempt changed, beside which a record has room for the evidence of gates. */
const ROOMY_BYTES = 16_384;
/** A result waits no longer for its transcript, in ms. */
const FLUSH_PATIENCE_MS = 2000;

export class AttemptEffects {
  constructor(private readonly options: AttemptEffectsOptions) {}

  /**
   * Accepts the first report under a fence, and the same report again at any time. Errors: `staleFence`, `conflict` (another report was
   * accepted), `forbidden`, `tooLarge`, `overloaded` (overtaken too often: send it again).
   */
  async complete(
    params: z.infer<typeof TaskComplete>,
    principal: Principal,
  ): Promise<z.infer<typeof TaskCompleted>> {
    const {fence, report} = params;
    requireFenceOf(params.attemptId, fence);
    const {fences} = this.options;
    let attempt = await fences.attemptOf(fence, principal);
    if (!settledBefore(attempt.value, report)) await this.flush(params.attemptId);
    for (let tries = fences.settings.maxTries; tries > 0; tries--) {
      if (settledBefore(attempt.value, report)) {
        await storeLateUsage(fences, params.attemptId, params.usage, principal);
        return {accepted: true, gates: attempt.value.gated ?? true};
      }
      if (attempt.value.state === 'ended') return this.refuseCompletion(params, principal);
      const value = reported(attempt.value, params, principal);
      const outcome = await fences.tryCommit(fence, {
        compare: [unchanged(attempt)],
        then: [boundedPut(attempt.key, value), ...this.takingFence(attempt.value, report)],
        else: [{kind: 'get', key: attempt.key}],
      });
      if (outcome.kind === 'done') {
        fences.attempts.wrote(attempt, value, outcome.revision);
        return {accepted: true, gates: value.gated ?? true};
      }
      const now = found(outcome.responses[0]);
      if (now) attempt = fences.attempts.take(now);
      else fences.attempts.forget(attempt.key);
      if (outcome.kind === 'stale' && !(now && settledBefore(attempt.value, report)))
        return this.refuseCompletion(params, principal);
    }
    throw new ProtocolError('overloaded', `the record of attempt ${params.attemptId} is contended`);
  }

  /**
   * A backup takes the fence of its task from the attempt that it runs beside, whose own falls; from then on it has effects like any other. Again
   * is the same. Errors: `staleFence` (the other one was first), `forbidden`, `overloaded`.
   */
  async claim({attemptId, fence}: AttemptClaim, principal: Principal): Promise<Record<string, never>> {
    requireFenceOf(attemptId, fence);
    const {fences} = this.options;
    const effect: Effect = {fence, principal, kind: 'completion', detail: 'its work is done'};
    await fences.rewrite(effect, await fences.attemptOf(fence, principal), before => {
      const {backup: _over, ...value} = before;
      return {value, also: this.fallOfOther(before)};
    });
    return {};
  }

  /** Points a ref of the attempt's session at a commit. Errors: `staleFence`, `forbidden` (not its ref), `invalidParams`, `overloaded`. */
  async updateRef(params: z.infer<typeof RefUpdate>, principal: Principal): Promise<Record<string, never>> {
    const {fence, name, commit, bundle, attemptId} = params;
    requireFenceOf(attemptId, fence);
    checkRefName(name);
    const {fences} = this.options;
    // A backup may show its work to people, and no more.
    const attempt = name.startsWith(WIP_PREFIX)
      ? await fences.attemptOf(fence, principal)
      : await fences.aloneOf(fence, principal);
    const {sessionId, taskId} = attempt.value;
    if (!ownsRefName(name, taskId))
      throw new ProtocolError('forbidden', `ref ${name} is neither of task ${taskId} nor under wip/`);
    const key = fences.keys.ref(sessionId, name);
    const record: RefRecord = {
      v: RECORD_VERSION,
      principal: principal.id,
      name,
      commit,
      bundle,
      attemptId,
      at: this.options.clock.wallNow(),
    };
    const effect: Effect = {fence, principal, kind: 'ref', detail: `${name} to ${commit}`};
    let before = await this.existingRef(key);
    for (let tries = fences.settings.maxTries; tries > 0; tries--) {
      if (before && parseAttemptId(before.value.attemptId)?.taskId !== taskId)
        throw new ProtocolError('forbidden', `ref ${name} belongs to attempt ${before.value.attemptId}`);
      const outcome = await fences.commit(effect, {
        compare: [before ? unchanged(before) : absent(key)],
        then: [putRecord(key, {...before?.value, ...record})],
        else: [{kind: 'get', key}],
      });
      if (outcome.kind === 'done') return {};
      const now = found(outcome.responses[0]);
      before = now && storedRecord(RefRecord, now);
    }
    throw new ProtocolError('overloaded', `ref ${name} is contended`);
  }

  /** The first success of two attempts is the only one that counts: the fence of the other falls in the same transaction. */
  private takingFence(attempt: AttemptRecord, report: AttemptReport): Op[] {
    return report.outcome === 'succeeded' ? this.fallOfOther(attempt) : [];
  }

  private fallOfOther({backup, backupOf, rival}: AttemptRecord): Op[] {
    const other = backup ? backupOf?.attemptId : rival;
    return other === undefined ? [] : [{kind: 'delete', key: this.options.fences.keys.live(other)}];
  }

  /** What was spent counts all the same. */
  private async refuseCompletion(
    {fence, report, usage}: z.infer<typeof TaskComplete>,
    principal: Principal,
  ): Promise<never> {
    const {fences} = this.options;
    if (fences.isOfThisStore(fence)) await storeLateUsage(fences, fence.attempt, usage, principal);
    const effect: Effect = {fence, principal, kind: 'completion', detail: summaryOf(report)};
    return fences.refuse(effect);
  }

  private async existingRef(key: string): Promise<Stored<RefRecord> | undefined> {
    const kv = await this.options.fences.store.get(key, {consistency: 'local'});
    return kv && storedRecord(RefRecord, kv);
  }

  /** A transcript that cannot be kept does not hold up its result. Undefined when there is nothing to wait for. */
  private flush(attemptId: string): Promise<void> | undefined {
    const {flushTranscript, clock, logger} = this.options;
    const flushed = flushTranscript?.(attemptId);
    if (!flushed) return undefined;
    const patience = new AbortController();
    const kept = flushed.catch((error: unknown) =>
      logger.warn('the end of a transcript may be lost', {attemptId, error}),
    );
    const over = delay(clock, FLUSH_PATIENCE_MS, patience.signal).catch(() => undefined);
    return Promise.race([kept, over]).finally(() => patience.abort());
  }
}

/** True when this very report stands already; throws `conflict` when another does. */
function settledBefore(attempt: AttemptRecord, report: AttemptReport): boolean {
  if (attempt.report) {
    if (canonicalJson(attempt.report) === canonicalJson(report)) return true;
    if (attempt.state !== 'ended')
      throw new ProtocolError('conflict', `attempt ${attempt.id} has reported already`, {
        outcome: attempt.report.outcome,
      });
  }
  // Nothing is lost by agreeing with a cancellation that the lead has recorded.
  return attempt.state === 'ended' && attempt.outcome === 'cancelled' && report.outcome === 'cancelled';
}

function reported(
  attempt: AttemptRecord,
  params: z.infer<typeof TaskComplete>,
  principal: Principal,
): AttemptRecord {
  const {unreachableSince: _reached, paths, backup, ...rest} = attempt;
  const isWon = params.report.outcome === 'succeeded';
  // A large report leaves no room for them, and says what was changed by its commit.
  const small = paths && Buffer.byteLength(JSON.stringify([params.report, paths])) < ROOMY_BYTES;
  return {
    ...rest,
    ...(small && {paths}),
    ...(backup && !isWon && {backup}),
    principal: principal.id,
    state: 'reported',
    report: params.report,
    usage: mergeUsage(attempt.usage, params.usage),
    startedAt: params.startedAt,
    endedAt: params.endedAt,
    activeMs: params.activeMs,
  };
}

function summaryOf(report: AttemptReport): string {
  switch (report.outcome) {
    case 'succeeded':
      return `succeeded: ${report.result.summary}${report.result.commit ? ` (${report.result.commit})` : ''}`;
    case 'failed':
      return `failed (${report.failure.kind}): ${report.failure.message}`;
    case 'cancelled':
      return 'cancelled';
  }
}
