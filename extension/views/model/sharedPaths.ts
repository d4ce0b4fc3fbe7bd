/** Which running attempts of one session change the same paths. Pure. */
import * as z from 'zod';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';

const ChangedPaths = z.object({names: z.array(z.string())});

export interface SharedPaths {
  /** The other's. */
  readonly attemptId: string;
  readonly taskId: string;
  readonly paths: readonly string[];
}

/** By attempt; those that share nothing are absent. */
export function sharedPaths(attempts: readonly AttemptRecord[]): ReadonlyMap<string, readonly SharedPaths[]> {
  const byPath = new Map<string, AttemptRecord[]>();
  for (const attempt of attempts)
    for (const path of pathsOf(attempt)) byPath.set(path, [...(byPath.get(path) ?? []), attempt]);
  const shared = new Map<string, Map<string, {taskId: string; paths: string[]}>>();
  for (const [path, together] of byPath)
    for (const one of together)
      for (const other of together) {
        if (one.taskId === other.taskId) continue;
        const ofOne = shared.get(one.id) ?? new Map<string, {taskId: string; paths: string[]}>();
        shared.set(one.id, ofOne);
        const known = ofOne.get(other.id) ?? {taskId: other.taskId, paths: []};
        ofOne.set(other.id, known);
        known.paths.push(path);
      }
  return new Map(
    [...shared].map(([id, others]) => [
      id,
      [...others].map(([attemptId, {taskId, paths}]) => ({attemptId, taskId, paths})),
    ]),
  );
}

/** What the agent has told of the files that the attempt changed so far. */
function pathsOf(attempt: AttemptRecord): readonly string[] {
  const told = ChangedPaths.safeParse(attempt['paths']);
  return told.success ? told.data.names : [];
}
