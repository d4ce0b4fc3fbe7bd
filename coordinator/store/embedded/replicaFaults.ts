/** What can go wrong with a replica, in words that say what is lost and what to do. Pure. */
import {CoordinatorError, describeError, isCoordinatorError, systemErrorCode} from '../../runtime/errors.ts';

export function isOutOfSpace(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Why nothing is written while the disk is full. */
export function describeFullDisk(error: unknown): string {
  return `the disk is full (${describeError(error)}): nothing acknowledged is lost, free some space to go on`;
}

/** After a failed flush the kernel may have dropped the data, and a second one would report success: never retry. */
export function failedWrite(error: unknown): CoordinatorError {
  if (systemErrorCode(error) === undefined) return failedApply(error);
  return new CoordinatorError('corrupt', 'the disk failed a write of the log', {
    cause: error,
    hint: 'Nothing acknowledged is lost as far as the disk kept it. Check the disk, then start the coordinator again.',
  });
}

/** A fault of ours: the state in memory cannot be trusted any more. */
export function failedApply(error: unknown): CoordinatorError {
  return isCoordinatorError(error)
    ? error
    : new CoordinatorError('internal', 'applying the log failed', {cause: error});
}

export function removedFromCluster(id: string): CoordinatorError {
  return new CoordinatorError('closed', `${id} was removed from the cluster`, {
    hint: 'Nothing acknowledged is lost: the others have it. To come back, start with an empty data directory and a new name.',
  });
}

/** Of a write that was under way: `when` says what came between. */
export function unknownOutcome(when: string, cause?: Error): CoordinatorError {
  return new CoordinatorError('timeout', when, {cause});
}

/** Of a replica that still runs, for a person; undefined when it works. */
export function describeWaiting({
  flushMs,
  flushLimitMs,
  leaderlessMs,
  leaderlessLimitMs,
}: Readonly<Record<'flushMs' | 'flushLimitMs' | 'leaderlessMs' | 'leaderlessLimitMs', number>>):
  | string
  | undefined {
  if (flushMs > flushLimitMs) return `the disk has not finished a write for ${Math.round(flushMs / 1000)} s`;
  return leaderlessMs > leaderlessLimitMs
    ? `no majority of the cluster has had a leader for ${Math.round(leaderlessMs / 1000)} s: nothing is lost, writes wait`
    : undefined;
}
