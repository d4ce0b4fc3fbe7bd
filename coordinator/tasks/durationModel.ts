/** How long a task is expected to run, for ranking only. A constant per kind of work until something is learned. */
import type {TaskSpecification} from '../protocol/plan/plan.ts';

/** Milliseconds that one attempt is expected to take. */
export type DurationModel = (task: TaskSpecification) => number;

const EXPECTED_MS: Readonly<Record<TaskSpecification['work']['kind'], number>> = {
  prompt: 180_000,
  run: 20_000,
  merge: 2000,
  noop: 1,
};

/** Never longer than the task's timeout allows. */
export const constantDurations: DurationModel = task => Math.min(EXPECTED_MS[task.work.kind], task.timeoutMs);
