/** Finds conflicts of a kept merge that the work left as they were. That a resolution is right is for gates to say. */
import {existsSync} from 'node:fs';
import path from 'node:path';
import {splitNul} from '../../artifacts/git/gitCommand.ts';
import type {GitRepository} from '../../artifacts/git/gitRepository.ts';
import type {AttemptFolder, AttemptGit} from './attemptFolder.ts';

const OPENING = /^<{7}(?: |$)/m;
const CLOSING = /^>{7}(?: |$)/m;

/**
 * A text conflict is unresolved while its file has both an opening and a closing marker. A conflict without markers (binary files, a deletion
 * against a change) is unresolved while the file is as the merge left it and nobody staged or committed it.
 */
export async function unresolvedPaths(
  cache: GitRepository,
  control: GitRepository,
  folder: AttemptFolder,
  git: AttemptGit,
  result: {commit: string; head: string},
  signal?: AbortSignal,
): Promise<string[]> {
  const paths = [...new Set(git.conflicts.flatMap(conflict => conflict.paths))];
  const unstaged =
    result.head === git.start ? await stillUnmerged(control, folder, signal) : new Set<string>();
  const blobs = await cache.objects(
    paths.flatMap(name => [`${result.commit}:${name}`, `${git.markedTree}:${name}`]).filter(isOneLine),
    signal,
  );
  const unresolved: string[] = [];
  let at = 0;
  for (const name of paths) {
    if (!isOneLine(name)) continue;
    const [now, marked] = blobs.slice(at, at + 2);
    at += 2;
    const marks = now?.type === 'blob' && (await hasMarkers(cache, now.id, signal));
    if (marks || (now?.id === marked?.id && unstaged.has(name))) unresolved.push(name);
  }
  return unresolved;
}

export function hasConflictMarkers(text: string): boolean {
  return OPENING.test(text) && CLOSING.test(text);
}

/** `cat-file --batch-check` reads one object name a line. */
function isOneLine(name: string): boolean {
  return !name.includes('\n');
}

async function hasMarkers(cache: GitRepository, blob: string, signal?: AbortSignal): Promise<boolean> {
  const {stdout} = await cache.run(['cat-file', 'blob', blob], {signal});
  return hasConflictMarkers(stdout.toString('latin1'));
}

async function stillUnmerged(
  control: GitRepository,
  folder: AttemptFolder,
  signal?: AbortSignal,
): Promise<Set<string>> {
  const own = path.join(folder.worktree, '.git', 'index');
  if (!existsSync(own)) return new Set();
  const env = {GIT_INDEX_FILE: own};
  const {stdout} = await control.run(['ls-files', '-z', '--unmerged'], {env, signal});
  return new Set(splitNul(stdout).map(entry => entry.subarray(entry.indexOf(0x09) + 1).toString('utf8')));
}
