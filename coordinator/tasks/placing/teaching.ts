/** What an attempt that is over teaches about its agent. Pure. */
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import {FAILURE_HANDLING} from '../deciding/failurePolicy.ts';

export interface Lesson {
  readonly durationMs: number;
  /** `stopped`: it was ended from outside, and would have taken longer. */
  readonly outcome: 'succeeded' | 'failed' | 'stopped';
}

/** Undefined: what became of it says nothing of how the agent works. */
export function lessonOf(record: AttemptRecord): Lesson | undefined {
  const {outcome, failure, report, assignedAt, startedAt, endedAt, activeMs, recheckOf} = record;
  if (recheckOf !== undefined || endedAt === undefined) return undefined;
  const durationMs = activeMs ?? endedAt - (startedAt ?? assignedAt);
  if (durationMs <= 0) return undefined;
  if (outcome === 'succeeded') return {durationMs, outcome};
  if (outcome === 'failed' && failure && FAILURE_HANDLING[failure.kind] === 'retry')
    return {durationMs, outcome};
  const wasWorking = startedAt !== undefined && report === undefined;
  return outcome === 'cancelled' && wasWorking ? {durationMs, outcome: 'stopped'} : undefined;
}
