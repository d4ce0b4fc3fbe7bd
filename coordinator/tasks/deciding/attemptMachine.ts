/** The legal transitions of an attempt, by name. `report` is written by whoever accepts the agent's completion, the others by the lead. */
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import {assert} from '../../runtime/assert.ts';
import type {Transition} from './taskMachine.ts';

export type AttemptState = AttemptRecord['state'];

export const ATTEMPT_TRANSITIONS = {
  start: {from: ['assigned'], to: 'running'},
  report: {from: ['assigned', 'running'], to: 'reported'},
  verify: {from: ['reported'], to: 'verifying'},
  end: {from: ['assigned', 'running', 'reported', 'verifying'], to: 'ended'},
} as const satisfies Readonly<Record<string, Transition<AttemptState>>>;

export type AttemptTransition = keyof typeof ATTEMPT_TRANSITIONS;

export function isLegalAttemptTransition(state: AttemptState, name: AttemptTransition): boolean {
  return (ATTEMPT_TRANSITIONS[name].from as readonly AttemptState[]).includes(state);
}

export function attemptTransition(
  record: AttemptRecord,
  name: AttemptTransition,
  patch: Partial<AttemptRecord> = {},
): AttemptRecord {
  assert(isLegalAttemptTransition(record.state, name), `attempt ${record.id}: ${name} from ${record.state}`);
  return {...record, ...patch, state: ATTEMPT_TRANSITIONS[name].to};
}
