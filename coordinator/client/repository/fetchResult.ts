/** Brings a session's result into a person's repository as exactly one branch. Nothing else there changes: no other ref, index, file or setting. */
import type {ArtifactSource} from '../../artifacts/artifactCache.ts';
import {importBundles} from '../../artifacts/git/bundle.ts';
import {commitRef, type GitRepository} from '../../artifacts/git/gitRepository.ts';
import type {CommitBundle} from '../../protocol/model/session.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {LocalRepository} from './localRepository.ts';

export interface ResultBranch {
  /** Such as `mcpx/s-9f2c41d07be3`. */
  readonly branch: string;
  readonly commit: string;
  /** What leads to `commit`, prerequisites first; those whose commit is here already are not read. */
  readonly bundles: readonly CommitBundle[];
}

export type FetchedResult =
  | {readonly kind: 'created' | 'updated' | 'present'; readonly branch: string; readonly commit: string}
  /** The branch has commits that the result does not contain. */
  | {readonly kind: 'diverged'; readonly branch: string; readonly found: string}
  /** The branch would move under a checkout. */
  | {readonly kind: 'checkedOut'; readonly branch: string; readonly at: string};

/** Errors: those of the artifact source, `git`, `config` (not a branch name). */
export async function fetchResult(
  repository: LocalRepository,
  result: ResultBranch,
  source: ArtifactSource,
  signal?: AbortSignal,
): Promise<FetchedResult> {
  const {branch, commit} = result;
  const ref = `refs/heads/${branch}`;
  const valid = await repository.read(['check-ref-format', ref], {okCodes: [1], signal});
  if (valid.code !== 0)
    throw new CoordinatorError('config', `${JSON.stringify(branch)} is not a branch name`);
  const before = await repository.resolve(ref, signal);
  if (before === commit) return {kind: 'present', branch, commit};
  const scratch = await repository.scratch(commit);
  try {
    await keepPresent(scratch.repository, result.bundles, signal);
    await importBundles(scratch.repository, result.bundles, source, signal);
    if (!(await scratch.repository.hasCommit(commit, signal))) {
      throw new CoordinatorError(
        'git',
        `none of the ${result.bundles.length} bundles has the result ${commit}`,
      );
    }
    await scratch.repository.setRef(commitRef(commit), commit, signal);
    if (before !== undefined) {
      if (!(await scratch.repository.isAncestor(before, commit, signal))) {
        return {kind: 'diverged', branch, found: before};
      }
      const at = await repository.readText(['for-each-ref', '--format=%(worktreepath)', ref], {signal});
      if (at !== '') return {kind: 'checkedOut', branch, at};
    }
    const quiet = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance', '--no-prune'];
    const from = [scratch.repository.folder, `${commitRef(commit)}:${ref}`];
    await repository.write(['fetch', ...quiet, '--no-recurse-submodules', ...from], {signal});
    return {kind: before === undefined ? 'created' : 'updated', branch, commit};
  } finally {
    await scratch.dispose();
  }
}

/** Gives refs to commits that the person's repository has: a bundle is only taken on top of commits that a ref keeps. */
async function keepPresent(
  scratch: GitRepository,
  bundles: readonly CommitBundle[],
  signal?: AbortSignal,
): Promise<void> {
  const commits = [...new Set(bundles.flatMap(bundle => [...bundle.prerequisites, bundle.commit]))];
  const found = await scratch.objects(commits, signal);
  const present = commits.filter((_, index) => found[index]?.type === 'commit');
  const input = present.map(commit => `update ${commitRef(commit)} ${commit}\n`).join('');
  if (input !== '') await scratch.run(['update-ref', '--stdin'], {input, signal});
}
