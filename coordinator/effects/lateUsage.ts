/**
 * Spend that is told of an attempt after its end. That is accounting and no effect, so it needs no fence: the record takes it, and a mark tells
 * the lead to add the difference to the totals of task, session and day.
 */
import type {LateUsageRecord} from '../protocol/model/attempt.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {mergeUsage, sameUsage, type Usage} from '../protocol/usage.ts';
import type {Principal} from '../security/principal.ts';
import {putRecord} from '../store/records.ts';
import type {Fences} from './fences.ts';
import {rewriteAttempt} from './rewriteAttempt.ts';

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
  await rewriteAttempt(fences, attemptId, before => {
    if (before.state !== 'ended' || before.report || before.agentId !== principal.agentId) return;
    const value = {
      ...before,
      usage: mergeUsage(before.usage, usage),
      counted: before.counted ?? before.usage,
    };
    if (sameUsage(value.usage, before.usage)) return;
    const mark: LateUsageRecord = {v: RECORD_VERSION, principal: principal.id};
    return {value, also: [putRecord(fences.keys.lateUsage(attemptId), mark)]};
  });
}
