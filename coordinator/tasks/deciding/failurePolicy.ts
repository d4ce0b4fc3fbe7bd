/** What a failure means for its task: another try, another machine, waiting, or the end. Pure. */

import type {FailureKind} from '../../protocol/model/task.ts';
import type {RetryPolicy} from '../../protocol/plan/plan.ts';

/**
 * `retry`: the work itself failed, another try may help. `elsewhere`: the machine is at fault. `later`: the account hit its limit, nobody is at
 * fault. `final`: another try would end the same way. `merge`: the inputs conflict. `budget`: it
 * ran out of its allotment, which need not be all there is.
 */
export type FailureHandling = 'retry' | 'elsewhere' | 'later' | 'final' | 'merge' | 'budget';

export const FAILURE_HANDLING: Readonly<Record<FailureKind, FailureHandling>> = {
  exit: 'retry',
  gate: 'retry',
  timeout: 'retry',
  api: 'retry',
  maxTurns: 'retry',
  crashed: 'retry',
  internal: 'retry',
  workspace: 'elsewhere',
  auth: 'elsewhere',
  missing: 'elsewhere',
  rateLimit: 'later',
  conflict: 'merge',
  deadline: 'final',
  budget: 'budget',
  secrets: 'final',
  refused: 'final',
  losses: 'final',
  dependency: 'final',
  cancelled: 'final',
};

/** Wait before the retry after `retries` earlier ones: doubled each time, capped, and half of it drawn by `random` in [0, 1). */
export function backoffMs(policy: RetryPolicy, retries: number, random: number): number {
  const whole = Math.min(policy.maxBackoffMs, policy.backoffMs * 2 ** Math.min(retries, 30));
  return Math.round(whole / 2 + (whole / 2) * random);
}
