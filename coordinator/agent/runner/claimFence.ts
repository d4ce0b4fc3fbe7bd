/**
 * Takes the fence of its task for a backup whose work is done and which wrote to shared memory: what it wrote goes out then, and before its completion
 * is on disk, since one without the other must not be. Without such writes its completion takes the fence by itself.
 */
import {isProtocolError} from '../../protocol/errors.ts';
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import {describeError, isCoordinatorError} from '../../runtime/errors.ts';
import type {Attempt} from './attempt.ts';
import {failed} from './attemptReport.ts';
import type {RunnerServices} from './runnerServices.ts';

/** How the attempt ends where it does not get it; a report where that is to be reported instead of what it has done. */
export async function claimFence(
  {assign: {attemptId, fence}, givenUp}: Attempt,
  report: AttemptReport,
  {memory, link, logger}: RunnerServices,
): Promise<'claimed' | 'stale' | 'agentStopped' | AttemptReport> {
  if (report.outcome !== 'succeeded') memory.discard(attemptId);
  if (!memory.hasStaged(attemptId)) return 'claimed';
  try {
    await link.deliver('mcpx.attempt.claim', {attemptId, fence}, {signal: givenUp});
    await memory.publish(attemptId);
    return 'claimed';
  } catch (error) {
    if (isCoordinatorError(error, 'closed')) return 'agentStopped';
    if (isProtocolError(error, 'staleFence') || givenUp.aborted) return 'stale';
    logger.warn('a backup could not take the fence of its task', {attemptId, error});
    memory.discard(attemptId);
    return failed('internal', `it could not take the fence of its task: ${describeError(error)}`);
  }
}
