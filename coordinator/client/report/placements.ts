/** Where the attempts of a task ran and why, and what the task waits for, as a session's rows tell it. Pure. */
import type {Row} from '../../protocol/commands/watch.ts';
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import type {TaskRecord} from '../../protocol/model/task.ts';
import {explainBackup} from './explainBackup.ts';
import {explainDecision} from './explainDecision.ts';

export interface Placement {
  readonly attempt: AttemptRecord;
  /** A sentence each. */
  readonly text: readonly string[];
}

export interface TaskPlacements {
  readonly task: TaskRecord;
  /** By the attempts' numbers. */
  readonly placements: readonly Placement[];
}

/** Undefined when the session has no such task. */
export function placementsOf(rows: Iterable<Row>, taskId: string): TaskPlacements | undefined {
  let task: TaskRecord | undefined;
  const attempts: AttemptRecord[] = [];
  for (const row of rows) {
    if (row.kind === 'task' && row.task.id === taskId) task = row.task;
    else if (row.kind === 'attempt' && row.attempt.taskId === taskId) attempts.push(row.attempt);
  }
  if (!task) return undefined;
  attempts.sort((a, b) => a.number - b.number);
  const placements = attempts.map(attempt => ({attempt, text: sentences(attempt)}));
  return {task, placements};
}

function sentences(attempt: AttemptRecord): readonly string[] {
  const {agentId, placement} = attempt;
  const placed = placement ? explainDecision(agentId, placement) : ['How it was placed is not recorded.'];
  return [...explainBackup(attempt), ...placed];
}
