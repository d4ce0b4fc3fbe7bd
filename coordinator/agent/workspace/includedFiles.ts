/** Puts the files into a worktree that a plan includes beside the repository, where git does not see them. */
import {readFile} from 'node:fs/promises';
import type {ArtifactSource} from '../../artifacts/artifactCache.ts';
import type {GitRepository} from '../../artifacts/git/gitRepository.ts';
import {includedPaths, unpackIncluded} from '../../artifacts/includeArchive.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {AttemptFolder} from './attemptFolder.ts';
import {excludeNames, literalPattern} from './attemptRepository.ts';

/** What they may not hide: the tracked files of `start`. */
export interface IncludedOver {
  readonly cache: GitRepository;
  readonly start: string;
}

/** The archive's paths. Errors: `config` (one of them is tracked), those of the artifact source. */
export async function placeIncluded(
  artifacts: ArtifactSource,
  sha256: string,
  folder: AttemptFolder,
  {cache, start}: IncludedOver,
  signal?: AbortSignal,
): Promise<string[]> {
  const archive = await artifacts.use(sha256, file => readFile(file), signal);
  const paths = includedPaths(archive);
  const args = ['--literal-pathspecs', 'ls-tree', '-r', '-z', '--name-only', '--full-tree', start, '--'];
  const tracked = paths.length > 0 ? await cache.text([...args, ...paths], {signal}) : '';
  if (tracked !== '') {
    const names = tracked.split('\0').filter(name => name !== '');
    throw new CoordinatorError(
      'config',
      `workspace.include names files that are tracked: ${names.slice(0, 10).join(', ')}`,
      {hint: 'every worktree has them already; take them out of workspace.include'},
    );
  }
  await excludeNames(folder, paths.map(literalPattern));
  await unpackIncluded(archive, folder.worktree);
  return paths;
}
