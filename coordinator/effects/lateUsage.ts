/**
 * Spend that is told of an attempt after its end. That is accounting and no effect, so it needs no fence: the record takes it, and a mark tells
 * the lead to add the difference to the totals of task, session and day.
 */
import type {AttemptRecord, LateUsageRecord} from '../protocol/model/attempt.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {mergeUsage, sameUsage, type Usage} from '../protocol/usage.ts';
import type {Principal} from '../security/principal.ts';
import {found, putRecord, type Stored, unchanged} from '../store/records.ts';
import type {Fences} from './fences.ts';

/**
 * Does nothing unless the attempt is over, ran on the agent that asks, and spent more than its record says. A report has the last word on
 * what an attempt spent. Rejects as the store does.
 */
export async function storeLateUsage(
  fences: Fences,
  attemptId: string,
  usage: Usage,
  principal: Principal,
): Promise<void> {
  const {keys, attempts, settings, store} = fences;
  const key = keys.attempt(attemptId);
  let attempt: Stored<AttemptRecord> | undefined = await attempts.read(key);
  for (let tries = settings.maxTries; tries > 0 && attempt; tries--) {
    const {value: before} = attempt;
    if (before.state !== 'ended' || before.report || before.agentId !== principal.agentId) return;
    const value = {
      ...before,
      usage: mergeUsage(before.usage, usage),
      counted: before.counted ?? before.usage,
    };
    if (sameUsage(value.usage, before.usage)) return;
    const mark: LateUsageRecord = {v: RECORD_VERSION, principal: principal.id};
    const result = await store.txn({
      compare: [unchanged(attempt)],
      then: [putRecord(key, value), putRecord(keys.lateUsage(attemptId), mark)],
      else: [{kind: 'get', key}],
    });
    if (result.succeeded) {
      attempts.wrote(attempt, value, result.revision);
      return;
    }
    const now = found(result.responses[0]);
    if (!now || now.modRevision === attempt.modRevision) return;
    attempt = attempts.take(now);
  }
}
