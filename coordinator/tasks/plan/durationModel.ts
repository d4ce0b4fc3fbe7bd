/** How long a task is expected to run, for ranking only. */
import {estimateOf} from '../../balancing/taskClass.ts';
import type {TaskSpecification} from '../../protocol/plan/plan.ts';

/** Milliseconds that one attempt is expected to take. */
export type DurationModel = (task: TaskSpecification) => number;

/** As long as nothing is learned. */
export const constantDurations: DurationModel = estimateOf;
