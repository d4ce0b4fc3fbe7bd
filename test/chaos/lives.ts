/** A session that was rolled back and resumed has lived twice, and so have the tasks that were not done when it was resumed. */
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import type {Outcome} from './outcome.ts';

export interface Life {
  /** What the task was at the end of it. */
  readonly record: TaskRecord;
  readonly attempts: readonly AttemptRecord[];
  /** Its attempts may have been ended by the rollback. */
  readonly isFirstOfTwo: boolean;
}

/** Reviews and compensations are about one attempt after the other and have one life. */
export function livesOf(task: TaskRecord, {state, rollback}: Pick<Outcome, 'state' | 'rollback'>): Life[] {
  const attempts = attemptsOf(task.id, state.attempts);
  const before = rollback?.state.tasks.get(task.id);
  if (!before || task.about || before.state === 'succeeded')
    return [{record: task, attempts, isFirstOfTwo: false}];
  const isEarly = ({number}: AttemptRecord): boolean => number <= before.attempts;
  return [
    {record: before, attempts: attempts.filter(isEarly), isFirstOfTwo: true},
    {record: task, attempts: attempts.filter(attempt => !isEarly(attempt)), isFirstOfTwo: false},
  ];
}

export function attemptsOf(taskId: string, attempts: ReadonlyMap<string, AttemptRecord>): AttemptRecord[] {
  return [...attempts.values()].filter(attempt => attempt.taskId === taskId);
}

/** The attempt and those whose conversation it went on with, the newest first. */
export function conversationOf(
  attempt: AttemptRecord,
  attempts: ReadonlyMap<string, AttemptRecord>,
): AttemptRecord[] {
  const before = attempts.get(attempt.continued?.attemptId ?? '');
  return before ? [attempt, ...conversationOf(before, attempts)] : [attempt];
}
