/** How long a task takes of which nothing is known but its kind. Pure. */
import type {TaskWork} from './plan.ts';

/** Milliseconds. */
export const EXPECTED_MS: Readonly<Record<TaskWork['kind'], number>> = {
  prompt: 180_000,
  run: 20_000,
  merge: 2000,
  noop: 1,
};
