/** Why the work of an attempt is stopped from outside, and what that makes of its report. Pure. */
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {CANCELLED, failed} from './attemptReport.ts';

export type StopCause =
  | {readonly kind: 'cancelled'; readonly reason: string}
  | {readonly kind: 'timeout'}
  | {readonly kind: 'deadline'}
  | {readonly kind: 'stale'}
  | {readonly kind: 'agentStopped'};

/** The reason of the abort signal of its work. */
export function stopReason(cause: StopCause): CoordinatorError {
  return new CoordinatorError('cancelled', `the attempt was stopped: ${cause.kind}`);
}

/** Undefined when nothing stopped it, or when there is nobody to report to. */
export function reportOfStop(cause: StopCause | undefined, timeoutMs: number): AttemptReport | undefined {
  switch (cause?.kind) {
    case 'cancelled':
      return CANCELLED;
    case 'timeout':
      return failed('timeout', `did not finish within ${Math.round(timeoutMs / 1000)} s of work`);
    case 'deadline':
      return failed('deadline', 'did not finish before its deadline');
    default:
      return undefined;
  }
}
