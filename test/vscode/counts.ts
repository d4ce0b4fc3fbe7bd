/** How a suite ended, as the test command sums it up. */
import {existsSync, readFileSync} from 'node:fs';
import * as z from 'zod';

export const Counts = z.object({
  passes: z.int().nonnegative(),
  failures: z.int().nonnegative(),
  pending: z.int().nonnegative(),
  /** Full titles of what is pending. */
  skipped: z.array(z.string()),
  /** Full titles of what failed, with the first line of why. */
  failed: z.array(z.string()),
  /** What failed and passed in another window. */
  unsteady: z.array(z.string()).default([]),
});
export type Counts = z.infer<typeof Counts>;

export function addCounts(a: Counts, b: Counts): Counts {
  return {
    passes: a.passes + b.passes,
    failures: a.failures + b.failures,
    pending: a.pending + b.pending,
    skipped: [...a.skipped, ...b.skipped],
    failed: [...a.failed, ...b.failed],
    unsteady: [...a.unsteady, ...b.unsteady],
  };
}

export const NOTHING: Counts = {passes: 0, failures: 0, pending: 0, skipped: [], failed: [], unsteady: []};

/** What no test told. */
export function failure(why: string): Counts {
  return {...NOTHING, failures: 1, failed: [why]};
}

/** A suite that left no counts failed, and so did one that ended badly without a failed test. */
export function countsOf(suite: string, file: string, endedWell: boolean): Counts {
  if (!existsSync(file)) return failure(`${suite}: it ended without a verdict`);
  const counts = Counts.parse(JSON.parse(readFileSync(file, 'utf8')));
  return endedWell || counts.failures > 0 ? counts : addCounts(counts, failure(`${suite}: it ended badly`));
}

/** A fault of the code is there in the second window too; what is not is told all the same. */
export function inSecondWindow(first: Counts, second: Counts): Counts {
  if (second.failures > 0 || second.passes === 0) return first;
  return {...second, unsteady: [...first.failed, ...second.unsteady]};
}
