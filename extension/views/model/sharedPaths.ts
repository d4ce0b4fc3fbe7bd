/** With which others an attempt overlaps, and on which paths: the same overlaps as everywhere, seen from each attempt. Pure. */
import {overlaps} from '../../../coordinator/client/overlaps.ts';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';

export interface SharedPaths {
  /** The other's. */
  readonly attemptId: string;
  readonly taskId: string;
  readonly paths: readonly string[];
}

/** By attempt; those that share nothing are absent. */
export function sharedPaths(attempts: readonly AttemptRecord[]): ReadonlyMap<string, readonly SharedPaths[]> {
  const taskOf = new Map(attempts.map(({id, taskId}) => [id, taskId]));
  const shared = new Map<string, Map<string, string[]>>();
  for (const {path, attempts: together} of overlaps(attempts))
    for (const one of together)
      for (const other of together) {
        if (taskOf.get(one) === taskOf.get(other)) continue;
        const ofOne = shared.get(one) ?? new Map<string, string[]>();
        shared.set(one, ofOne);
        ofOne.set(other, [...(ofOne.get(other) ?? []), path]);
      }
  return new Map(
    [...shared].map(([id, others]) => [
      id,
      [...others].map(([attemptId, paths]) => ({
        attemptId,
        taskId: taskOf.get(attemptId) ?? attemptId,
        paths,
      })),
    ]),
  );
}
