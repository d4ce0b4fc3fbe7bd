/**
 * What an attempt has changed in its worktree so far. An index of our own, which stays as the attempt began, knows each file's size and time, so
 * that only what was touched is read; the attempt's repository, whose configuration the work controls, is not asked.
 */
import {copyFile} from 'node:fs/promises';
import path from 'node:path';
import {splitNul} from '../../artifacts/git/gitCommand.ts';
import type {GitRepository} from '../../artifacts/git/gitRepository.ts';
import {type ChangedPaths, MAX_CHANGED_BYTES, MAX_CHANGED_PATHS} from '../../protocol/model/attempt.ts';
import {isCoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import type {AttemptFolder} from './attemptFolder.ts';
import {excludeOptions} from './attemptRepository.ts';

const MAX_LISTING_BYTES = 4 * 1024 ** 2;
const COPY_NEW = 1;

/** Where that index is. */
export function startIndex(folder: AttemptFolder): string {
  return path.join(folder.path, 'start.index');
}

/** Against the commit at which the attempt started. Errors: `git`. */
export async function changedPaths(
  cache: GitRepository,
  folder: AttemptFolder,
  signal?: AbortSignal,
): Promise<ChangedPaths> {
  const index = startIndex(folder);
  await copyFile(folder.index, index, COPY_NEW).catch((error: unknown) => {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  });
  const control = cache.withWorkTree(folder.worktree, index);
  const options = {signal, maxOutputBytes: MAX_LISTING_BYTES};
  const changed = ['diff', '--name-only', '-z', '--no-renames', '--no-ext-diff', '--no-textconv'];
  const added = [...(await excludeOptions(folder)), 'ls-files', '-z', '--others', '--exclude-standard'];
  const names = new Set<string>();
  let truncated = false;
  for (const [args, shorter] of [
    [changed, undefined],
    // A folder of thousands of new files, which nobody ignores, is one path then.
    [added, [...added, '--directory']],
  ] as const) {
    try {
      const output = await control.run(args, options).catch((error: unknown) => {
        if (!shorter || !isCoordinatorError(error, 'limit')) throw error;
        truncated = true;
        return control.run(shorter, options);
      });
      for (const name of splitNul(output.stdout)) names.add(name.toString('utf8'));
    } catch (error) {
      if (!isCoordinatorError(error, 'limit')) throw error;
      truncated = true;
    }
  }
  return bounded([...names].sort(), truncated);
}

/** The first of them that fit into a record. */
export function bounded(all: readonly string[], truncated: boolean): ChangedPaths {
  const names: string[] = [];
  let bytes = 0;
  for (const name of all) {
    bytes += Buffer.byteLength(JSON.stringify(name)) + 1;
    if (names.length === MAX_CHANGED_PATHS || bytes > MAX_CHANGED_BYTES) break;
    names.push(name);
  }
  return {names, truncated: truncated || names.length < all.length};
}
