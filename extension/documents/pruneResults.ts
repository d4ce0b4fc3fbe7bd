/** Deletes repositories of results and worktrees of conflicts that nobody has looked at for long, or that are too many. A repository stays as long as one of its worktrees. */
import {readdir, readFile, rename, rm, stat, utimes} from 'node:fs/promises';
import path from 'node:path';
import {systemErrorCode} from '../../coordinator/runtime/errors.ts';

export interface PruneOptions {
  /** Bare repositories, `NAME.git`. */
  readonly results: string;
  /** Worktrees of these repositories. */
  readonly conflicts: string;
  /** Wall time in ms. */
  readonly now: number;
  readonly maxAgeMs?: number;
  /** Of each kind. */
  readonly maxCount?: number;
}

const DEFAULT_MAX_AGE_MS = 14 * 86_400_000;
const DEFAULT_MAX_COUNT = 16;
/** What is being deleted is called so first: nothing is found half deleted. */
const GONE = '.gone';

interface Kept {
  readonly name: string;
  readonly usedAt: number;
}

export async function pruneResults(options: PruneOptions): Promise<void> {
  const {results, conflicts} = options;
  const needed = new Set<string>();
  for (const name of await pruneFolder(conflicts, options, () => false)) {
    const repository = await repositoryOf(path.join(conflicts, name));
    if (repository !== undefined) needed.add(repository);
  }
  await pruneFolder(results, options, name => needed.has(name));
}

/** It counts as looked at now. */
export async function markUsed(folder: string, now: number): Promise<void> {
  const at = new Date(now);
  await utimes(folder, at, at);
}

/** The names of those that stay. */
async function pruneFolder(
  parent: string,
  {now, maxAgeMs = DEFAULT_MAX_AGE_MS, maxCount = DEFAULT_MAX_COUNT}: PruneOptions,
  isNeeded: (name: string) => boolean,
): Promise<string[]> {
  const kept = await newestFirst(parent);
  const stay: string[] = [];
  for (const [index, {name, usedAt}] of kept.entries()) {
    if (isNeeded(name) || (index < maxCount && now - usedAt <= maxAgeMs)) stay.push(name);
    else await deleteFolder(path.join(parent, name));
  }
  return stay;
}

async function newestFirst(parent: string): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (const name of await namesIn(parent)) {
    const folder = path.join(parent, name);
    if (name.endsWith(GONE)) await rm(folder, {recursive: true, force: true});
    else kept.push({name, usedAt: (await stat(folder)).mtimeMs});
  }
  return kept.sort((a, b) => b.usedAt - a.usedAt);
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function deleteFolder(folder: string): Promise<void> {
  const gone = `${folder}${GONE}`;
  await rename(folder, gone);
  await rm(gone, {recursive: true, force: true});
}

/** The repository's folder name; undefined for what is no worktree. */
async function repositoryOf(worktree: string): Promise<string | undefined> {
  const file = await readFile(path.join(worktree, '.git'), 'utf8').catch(() => '');
  return /[\\/]([^\\/]+\.git)[\\/]worktrees[\\/]/.exec(file)?.[1];
}
