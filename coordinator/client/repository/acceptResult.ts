/** Takes a fetched result into the branch that a person has checked out: with their identity, signature and hooks, or not at all. */
import {existsSync} from 'node:fs';
import path from 'node:path';
import {splitNul} from '../../artifacts/git/gitCommand.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import type {LocalRepository} from './localRepository.ts';

export interface AcceptOptions {
  /** Branch or commit, such as `mcpx/s-9f2c41d07be3`. */
  readonly result: string;
  /** `squash`: one commit without the history of the session. `merge`: a merge commit. */
  readonly mode: 'squash' | 'merge';
  readonly message: string;
}

/** Except for `accepted` the checkout is as it was. */
export type AcceptedResult =
  | {readonly kind: 'accepted'; readonly commit: string}
  /** The checkout contains all of it already. */
  | {readonly kind: 'nothing'}
  | {readonly kind: 'dirty'; readonly paths: readonly string[]}
  /** Such as a rebase that waits to be continued. */
  | {readonly kind: 'busy'; readonly operation: string}
  | {readonly kind: 'conflict'; readonly paths: readonly string[]}
  /** git, a hook or the signing refused; in their words. */
  | {readonly kind: 'refused'; readonly message: string};

const OPERATIONS = [
  ['MERGE_HEAD', 'merge'],
  ['rebase-merge', 'rebase'],
  ['rebase-apply', 'rebase'],
  ['CHERRY_PICK_HEAD', 'cherry-pick'],
  ['REVERT_HEAD', 'revert'],
] as const;

/** Errors: `git` (no such result, no checkout). */
export async function acceptResult(
  repository: LocalRepository,
  options: AcceptOptions,
  signal?: AbortSignal,
): Promise<AcceptedResult> {
  const head = await repository.resolve('HEAD', signal);
  const result = await repository.resolve(options.result, signal);
  if (repository.bare || head === undefined) {
    throw new CoordinatorError('git', `${repository.root} has nothing checked out to accept a result into`);
  }
  if (result === undefined) {
    throw new CoordinatorError('git', `${repository.root} has no ${JSON.stringify(options.result)}`, {
      hint: 'fetch the result first',
    });
  }
  const obstacle =
    (await obstacleOf(repository, signal)) ?? (await wouldConflict(repository, head, result, signal));
  if (obstacle) return obstacle;
  const steps =
    options.mode === 'merge'
      ? [['merge', '--no-ff', '--no-edit', '-m', options.message, result]]
      : [
          ['merge', '--squash', '--ff', '--quiet', result],
          ['commit', '--quiet', '--cleanup=whitespace', '-m', options.message],
        ];
  try {
    // Not to be interrupted half way: the signal is looked at between the steps only.
    for (const step of steps) {
      signal?.throwIfAborted();
      const done = await repository.act(step, {okCodes: ANY_FAILURE});
      if (done.code === 0) continue;
      await restore(repository, head);
      const words = `${done.stdout.toString('utf8')}\n${done.stderr}`.trim();
      return {kind: 'refused', message: words || `git ${step[0]} gave no reason`};
    }
  } catch (error) {
    await restore(repository, head);
    throw error;
  }
  return {kind: 'accepted', commit: (await repository.resolve('HEAD')) ?? head};
}

const ANY_FAILURE = Array.from({length: 255}, (_, code) => code + 1);

async function obstacleOf(
  repository: LocalRepository,
  signal?: AbortSignal,
): Promise<AcceptedResult | undefined> {
  for (const [file, operation] of OPERATIONS) {
    if (existsSync(path.join(repository.gitDir, file))) return {kind: 'busy', operation};
  }
  const args = [
    'status',
    '--porcelain=v1',
    '-z',
    '--untracked-files=no',
    '--no-renames',
    '--ignore-submodules=dirty',
  ];
  const entries = splitNul((await repository.read(args, {signal})).stdout);
  const paths = entries.map(entry => entry.subarray(3).toString('utf8'));
  return paths.length > 0 ? {kind: 'dirty', paths} : undefined;
}

/** Tries the merge beside the repository first: most conflicts are found before anything was touched. */
async function wouldConflict(
  repository: LocalRepository,
  head: string,
  result: string,
  signal?: AbortSignal,
): Promise<AcceptedResult | undefined> {
  const scratch = await repository.scratch(head);
  try {
    const options = {env: scratch.objectsHere, okCodes: [1], signal};
    const args = ['merge-tree', '--write-tree', '--name-only', '--no-messages', '-z', head, result];
    const merged = await repository.read(args, options);
    const [tree, ...paths] = splitNul(merged.stdout).map(field => field.toString('utf8'));
    if (merged.code !== 0) return {kind: 'conflict', paths: paths.filter(name => name !== '')};
    const current = await repository.readText(['rev-parse', `${head}^{tree}`], {signal});
    return tree === current ? {kind: 'nothing'} : undefined;
  } finally {
    await scratch.dispose();
  }
}

/** Back to `head`, keeping what else changed meanwhile; what must be overwritten is named in the error and stays readable. */
async function restore(repository: LocalRepository, head: string): Promise<void> {
  try {
    await repository.write(['reset', '--quiet', '--merge', head]);
  } catch (error) {
    // A hook may have edited the merged files, which then cannot be put back without giving up its edits.
    const saved = await repository.readText(['stash', 'create']);
    await repository.write(['reset', '--quiet', '--hard', head]);
    if (saved === '') return;
    throw new CoordinatorError('git', `the result was not accepted: ${describeError(error)}`, {
      cause: error,
      hint: `the checkout is as it was; what a hook left in it is in commit ${saved}`,
    });
  }
}
