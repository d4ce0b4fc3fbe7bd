/** What a run of a plan under faults came to: the records, the result, and what was really executed and answered. */
import type {RehearsalRequest} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {attemptId} from '../../coordinator/protocol/ids.ts';
import type {SessionState} from '../support/sessionRun.ts';
import type {Execution} from './ground.ts';

/** A rollback to a point, as things were when it was over and nothing was done again yet. */
export interface RolledBack {
  readonly point: string;
  /** The task whose gate wanted it. */
  readonly judge: string;
  /** Whether a task, or the one whose part it is, is behind the point. */
  isBehind(taskId: string): boolean;
  /** Whether a command undoes it. */
  isCompensated(taskId: string): boolean;
  readonly state: SessionState;
  /** Names of the results that were there. */
  readonly refs: readonly string[];
  /** Rows that had arrived. */
  readonly seen: number;
}

/** Everything that is known of a run after its end. */
export interface Outcome {
  readonly state: SessionState;
  readonly tree: string;
  /** Tasks with a gate that fails once: nothing else may fail. */
  readonly gated: ReadonlySet<string>;
  readonly executions: ReadonlyMap<string, readonly Execution[]>;
  readonly spared: ReadonlySet<string>;
  /** Tasks whose first attempt makes way for their parts. */
  readonly divided?: ReadonlySet<string>;
  readonly rollback?: RolledBack | undefined;
  /** Attempts of compensations, in the order in which they undid something. */
  readonly undoings?: readonly string[];
  /** Answers that the pretended model gave, by attempt. */
  readonly answers: ReadonlyMap<string, number>;
  readonly seconds: number;
  readonly folder: string;
}

/** Answers that the pretended model gave, by attempt of the session. */
export function answersIn(requests: readonly RehearsalRequest[], sessionId: string): Map<string, number> {
  const answers = new Map<string, number>();
  for (const {taskId, attempt, status} of requests) {
    if (taskId === undefined || status !== 200) continue;
    const id = attemptId(sessionId, taskId, attempt ?? 0);
    answers.set(id, (answers.get(id) ?? 0) + 1);
  }
  return answers;
}

/** One line about it. */
export function outcomeLine({state, seconds, tree, rollback}: Outcome): string {
  const attempts = [...state.attempts.values()];
  const count = (outcome: string): number => attempts.filter(attempt => attempt.outcome === outcome).length;
  return [
    `${seconds.toFixed(0).padStart(4)} s`,
    `${attempts.length} attempts`,
    ...(rollback ? [`${rolledBack(rollback.state)} tasks undone`] : []),
    `${attempts.filter(({continued}) => continued).length} continued`,
    ...['succeeded', 'failed', 'lost', 'stale', 'cancelled'].map(outcome => `${count(outcome)} ${outcome}`),
    `${state.refusals.length} refusals`,
    `$${state.session?.spentUsd.toFixed(3)}`,
    `tree ${tree.slice(0, 10)}`,
  ].join(', ');
}

function rolledBack({tasks}: SessionState): number {
  return [...tasks.values()].filter(({state}) => state === 'rolledBack').length;
}
