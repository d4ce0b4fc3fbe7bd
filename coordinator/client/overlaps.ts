/** Which paths several attempts change at the same time: each works in a clone of its own, so that these are likely to conflict. Pure. */
import type {AttemptRecord} from '../protocol/model/attempt.ts';

export interface Overlap {
  readonly sessionId: string;
  /** From the root of the worktree. A folder that is new as a whole ends with a slash. */
  readonly path: string;
  /** Ids, in order; of at least two tasks. */
  readonly attempts: readonly string[];
}

type Changing = Pick<AttemptRecord, 'id' | 'sessionId' | 'taskId' | 'state' | 'paths'>;

/** By session, then by path. Attempts that have ended count for nothing, nor do two attempts of one task: only one of these counts in the end. */
export function overlaps(attempts: Iterable<Changing>): Overlap[] {
  const sessions = new Map<string, Map<string, Changing[]>>();
  for (const attempt of attempts) {
    if (attempt.state === 'ended') continue;
    const paths = sessions.get(attempt.sessionId) ?? new Map<string, Changing[]>();
    sessions.set(attempt.sessionId, paths);
    for (const name of new Set(attempt.paths?.names)) {
      const changing = paths.get(name) ?? [];
      changing.push(attempt);
      paths.set(name, changing);
    }
  }
  const found: Overlap[] = [];
  for (const [sessionId, paths] of sessions)
    for (const [path, changing] of paths)
      if (new Set(changing.map(({taskId}) => taskId)).size > 1)
        found.push({sessionId, path, attempts: changing.map(({id}) => id).sort()});
  return found.sort((a, b) => compare(a.sessionId, b.sessionId) || compare(a.path, b.path));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
