/** Which of a task's attempts stands for it: two may run at once, and the one with the highest number need not be the one that won. Pure. */
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import type {TaskRecord} from '../../protocol/model/task.ts';

/** The current one, or else the one by which the task came to where it is. `attempts` are those of the task, by number. */
export function attemptThatCounts(
  {currentAttempt, lastAttempt}: Pick<TaskRecord, 'currentAttempt' | 'lastAttempt'>,
  attempts: readonly AttemptRecord[],
): AttemptRecord | undefined {
  const id = currentAttempt ?? lastAttempt;
  return attempts.find(attempt => attempt.id === id) ?? attempts.at(-1);
}
