/** Commits as files: a bundle holds one commit with its history down to its prerequisites. Where bundles are kept is the artifact store's matter. */
import {stat} from 'node:fs/promises';
import type {CommitBundle} from '../../protocol/model/session.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {ArtifactSource} from '../artifactCache.ts';
import {checkedCommit, commitRef, type GitRepository} from './gitRepository.ts';

/**
 * Writes `commit` without what `exclude` reach to `file`. `empty` when the excluded commits have all of it. `prerequisites` are those excluded
 * commits that the repository knows: a receiver that has them, with their history, can import the bundle.
 */
export async function writeBundle(
  repository: GitRepository,
  options: {commit: string; exclude: readonly string[]; file: string; signal?: AbortSignal | undefined},
): Promise<{kind: 'empty'} | {kind: 'written'; bytes: number; prerequisites: string[]}> {
  const {commit, file, signal} = options;
  const candidates = [...new Set(options.exclude.map(checkedCommit))];
  const found = await repository.objects(candidates, signal);
  const prerequisites = candidates.filter((_, index) => found[index]?.type === 'commit');
  const excluded = prerequisites.map(id => `^${id}\n`).join('');
  const first = await repository.text(['rev-list', '--max-count=1', '--stdin'], {
    input: `${checkedCommit(commit)}\n${excluded}`,
    signal,
  });
  if (first === '') return {kind: 'empty'};
  const ref = commitRef(commit);
  await repository.setRef(ref, commit, signal);
  await repository.run(['bundle', 'create', '--quiet', file, '--stdin'], {
    input: `${ref}\n${excluded}`,
    signal,
  });
  return {kind: 'written', bytes: (await stat(file)).size, prerequisites};
}

/**
 * Makes every bundle's commit present and kept, fetching only what is missing. `bundles` come prerequisites first. Errors: those of the source,
 * `git` (a bundle that does not import, such as one whose prerequisites are missing), `corrupt` (a bundle without its commit).
 */
export async function importBundles(
  repository: GitRepository,
  bundles: readonly CommitBundle[],
  source: ArtifactSource,
  signal?: AbortSignal,
): Promise<void> {
  const kept = await repository.keptCommits(signal);
  for (const {commit, sha256} of bundles) {
    if (kept.has(commit)) continue;
    // Present without a ref of its own: complete only where a kept commit leads to it, else a killed import may have left it.
    if (!(await isReachable(repository, commit, signal))) {
      await source.use(sha256, file => importBundle(repository, file, commit, signal), signal);
    }
    await repository.setRef(commitRef(commit), commit, signal);
    kept.add(commit);
  }
}

async function isReachable(
  repository: GitRepository,
  commit: string,
  signal?: AbortSignal,
): Promise<boolean> {
  if (!(await repository.hasCommit(commit, signal))) return false;
  const args = ['for-each-ref', '--count=1', '--format=%(refname)', '--contains', commit];
  return (await repository.text(args, {signal})) !== '';
}

async function importBundle(
  repository: GitRepository,
  file: string,
  commit: string,
  signal?: AbortSignal,
): Promise<void> {
  const ref = commitRef(commit);
  const quiet = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance'];
  await repository.run(['fetch', ...quiet, file, `+${ref}:${ref}`], {signal});
  const arrived = await repository.text(['rev-parse', '--verify', ref], {signal});
  if (arrived === commit) return;
  await repository.deleteRefs([ref], signal);
  throw new CoordinatorError('corrupt', `the bundle of ${commit} brought ${arrived}`);
}
