/** Finds and packs the files of `workspace.include`: what a checkout has beside its commits, such as `.env`. */
import {splitNul} from '../../artifacts/git/gitCommand.ts';
import {INCLUDE_LIMITS, type IncludeLimits, packIncluded} from '../../artifacts/includeArchive.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {LocalRepository} from './localRepository.ts';

export interface IncludedFiles {
  readonly paths: readonly string[];
  /** For the artifact store. */
  readonly archive: Buffer;
}

/**
 * `patterns` are git pathspecs from the root of the repository: files, folders, or globs. Errors: `notFound` (a pattern without a file), `config`
 * (only tracked files match it: they travel with the commit), `limit`.
 */
export async function includeFiles(
  repository: LocalRepository,
  patterns: readonly string[],
  limits: IncludeLimits = INCLUDE_LIMITS,
  signal?: AbortSignal,
): Promise<IncludedFiles> {
  const paths = new Set<string>();
  for (const pattern of patterns) {
    const found = await list(repository, ['--others'], pattern, signal);
    for (const name of found) {
      // The archive's names are text, and a repository inside this one is not a file.
      if (name.endsWith('/') || name.includes('\uFFFD')) {
        throw new CoordinatorError('config', `workspace.include: ${JSON.stringify(name)} cannot be sent`);
      }
      paths.add(name);
    }
    if (found.length > 0) continue;
    const tracked = await list(repository, ['--cached'], pattern, signal);
    if (tracked.length > 0) {
      throw new CoordinatorError('config', `workspace.include: ${pattern} is tracked by git`, {
        hint: 'every worktree has it already; take it out of workspace.include',
      });
    }
    throw new CoordinatorError(
      'notFound',
      `workspace.include: nothing in ${repository.root} matches ${pattern}`,
    );
  }
  return {paths: [...paths].sort(), archive: await packIncluded(repository.root, [...paths], limits)};
}

async function list(
  repository: LocalRepository,
  which: readonly string[],
  pattern: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const {stdout} = await repository.read(['ls-files', '-z', ...which, '--', `:(top,glob)${pattern}`], {
    signal,
  });
  return splitNul(stdout).map(name => name.toString('utf8'));
}
