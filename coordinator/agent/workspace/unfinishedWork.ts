/** Puts the unfinished work of an earlier attempt into a fresh worktree: files as they were, its branch where it was. What was staged is not staged any more. */
import {copyFile, rm} from 'node:fs/promises';
import path from 'node:path';
import {GitRepository} from '../../artifacts/git/gitRepository.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {AttemptFolder, AttemptGit} from './attemptFolder.ts';
import {controlOf} from './attemptRepository.ts';
import {startIndex} from './changedPaths.ts';

/** Commits that the cache has. */
export interface UnfinishedWork {
  readonly start: string;
  readonly head: string;
  readonly commit: string;
}

const MERGE_FILES = ['MERGE_HEAD', 'MERGE_MODE', 'MERGE_MSG'];

/** Throws `incompatible` when the work began elsewhere, `git` otherwise; the worktree is of no use then. */
export async function restoreWork(
  cache: GitRepository,
  folder: AttemptFolder,
  git: AttemptGit,
  work: UnfinishedWork,
  signal?: AbortSignal,
): Promise<void> {
  if (work.start !== git.start || !(await cache.isAncestor(git.start, work.head, signal)))
    throw new CoordinatorError(
      'incompatible',
      `the unfinished work began at ${work.start}, not at ${git.start}`,
    );
  // What was changed is told against the start of the first attempt.
  await copyFile(folder.index, startIndex(folder));
  await controlOf(cache, folder).run(['read-tree', '--reset', '-u', work.commit], {signal});
  if (work.head === git.start) return;
  const gitDir = path.join(folder.worktree, '.git');
  const own = new GitRepository(cache.git, gitDir, {GIT_WORK_TREE: folder.worktree}, folder.worktree);
  await own.setRef(`refs/heads/${git.branch}`, work.head, signal);
  await own.run(['read-tree', '--reset', work.head], {signal});
  for (const name of MERGE_FILES) await rm(path.join(gitDir, name), {force: true});
}
