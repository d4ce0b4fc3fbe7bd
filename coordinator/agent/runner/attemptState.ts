/** The states of an attempt on its agent, each with what holds only there, and the moves between them. Pure. */
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import {assert} from '../../runtime/assert.ts';
import type {DriverRun} from '../driver.ts';

export type AttemptEnd =
  /** The hub has the completion and needs the worktree no more. */
  | 'released'
  /** Its fence has fallen: nothing of it counts. */
  | 'stale'
  /** The agent stopped first; a completion that was written down is reported after the next start. */
  | 'agentStopped';

export type AttemptState =
  | {readonly kind: 'preparing'}
  | {readonly kind: 'running'; readonly run: DriverRun}
  /** A person is asked, `asked` times at once; the clock stands still. */
  | {readonly kind: 'waiting'; readonly run: DriverRun; readonly asked: number}
  /** The work is over; what it left is brought to where others can have it. */
  | {readonly kind: 'saving'}
  | {readonly kind: 'reporting'; readonly report: AttemptReport}
  /** The hub has the completion; its gates run in the worktree. */
  | {readonly kind: 'gated'}
  /** The hub has the completion of a failure, and says soon whether somebody wants to see the worktree. */
  | {readonly kind: 'held'}
  | {readonly kind: 'ended'; readonly how: AttemptEnd};

export const PREPARING: AttemptState = {kind: 'preparing'};

/** Also again, with another conversation, when the first could not be taken up. */
export function started(state: AttemptState, run: DriverRun): AttemptState {
  assert(
    state.kind === 'preparing' || state.kind === 'running',
    `an attempt that is ${state.kind} cannot start`,
  );
  return {kind: 'running', run};
}

export function personAsked(state: AttemptState): AttemptState {
  assert(state.kind === 'running' || state.kind === 'waiting', `an attempt that is ${state.kind} cannot ask`);
  return {kind: 'waiting', run: state.run, asked: state.kind === 'waiting' ? state.asked + 1 : 1};
}

/** Also when the question was withdrawn. An attempt that has moved on meanwhile stays where it is. */
export function personAnswered(state: AttemptState): AttemptState {
  if (state.kind !== 'waiting') return state;
  return state.asked > 1 ? {...state, asked: state.asked - 1} : {kind: 'running', run: state.run};
}

export function savesResult(state: AttemptState): AttemptState {
  assert(occupiesSlot(state), `an attempt that is ${state.kind} has no result to save`);
  return {kind: 'saving'};
}

export function reported(state: AttemptState, report: AttemptReport): AttemptState {
  assert(occupiesSlot(state), `an attempt that is ${state.kind} cannot report`);
  return {kind: 'reporting', report};
}

export function awaitsGates(state: AttemptState): AttemptState {
  assert(state.kind === 'reporting', `an attempt that is ${state.kind} has no gates to wait for`);
  return {kind: 'gated'};
}

export function awaitsRelease(state: AttemptState): AttemptState {
  assert(state.kind === 'reporting', `an attempt that is ${state.kind} cannot wait for its release`);
  return {kind: 'held'};
}

export function ended(state: AttemptState, how: AttemptEnd): AttemptState {
  return state.kind === 'ended' ? state : {kind: 'ended', how};
}

/** Its work goes on, may still begin, or is being saved. */
export function occupiesSlot(state: AttemptState): boolean {
  return (
    state.kind === 'preparing' ||
    state.kind === 'running' ||
    state.kind === 'waiting' ||
    state.kind === 'saving'
  );
}

export function runOf(state: AttemptState): DriverRun | undefined {
  return state.kind === 'running' || state.kind === 'waiting' ? state.run : undefined;
}
