/** Turns what became of the work into the report that the hub gets. Pure. */
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import type {Failure, FailureKind} from '../../protocol/model/task.ts';
import type {DriverOutcome} from '../driver.ts';
import {clipText} from './clipEvent.ts';

const MAX_MESSAGE = 8192;

export function failed(kind: FailureKind, message: string, conflict?: Failure['conflict']): AttemptReport {
  return {outcome: 'failed', failure: {kind, message: clipText(message, MAX_MESSAGE), conflict}};
}

export function succeeded(
  summary: string,
  value: Extract<DriverOutcome, {kind: 'succeeded'}>['result'],
): AttemptReport {
  return {outcome: 'succeeded', result: {summary: clipText(summary, MAX_MESSAGE), value}};
}

export const CANCELLED: AttemptReport = {outcome: 'cancelled'};

/** The driver's reasons are failure kinds of the protocol by name. */
export function reportOf(outcome: DriverOutcome): AttemptReport {
  switch (outcome.kind) {
    case 'succeeded':
      return succeeded(outcome.summary, outcome.result);
    case 'failed':
      return failed(outcome.reason, outcome.message);
    case 'cancelled':
      return CANCELLED;
  }
}
