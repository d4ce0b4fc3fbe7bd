/**
 * An attempt's worktree with a git repository of its own that borrows the cache's objects.
 *
 * A linked worktree would share configuration, hooks, stash, refs and garbage collection with every other attempt, and needs write access to the
 * common repository. Here the work may do to its repository whatever it likes. Ours never run with that repository's configuration, which the
 * work controls: they use the cache's git directory with an index of their own, and read the attempt's commits by a fetch.
 */
import {appendFile, copyFile, mkdir, readFile, realpath, rm, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {splitNul} from '../../artifacts/git/gitCommand.ts';
import {GitRepository} from '../../artifacts/git/gitRepository.ts';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import type {AttemptFolder} from './attemptFolder.ts';
import type {MergedInputs} from './mergeInputs.ts';

/** Added to the environment of the work: git must never find a repository above the worktree when its own is broken. */
export function worktreeEnv(folder: AttemptFolder): Record<string, string> {
  return {GIT_CEILING_DIRECTORIES: folder.path};
}

/** The cache's repository seen through the attempt's worktree, with an index that only we use. */
export function controlOf(cache: GitRepository, folder: AttemptFolder): GitRepository {
  return cache.withWorkTree(folder.worktree, folder.index);
}

/** Makes `.git` in the worktree, whose files are checked out already: a branch at `merged.head`, and a merge in progress for what conflicts. */
export async function createAttemptRepository(
  cache: GitRepository,
  folder: AttemptFolder,
  branch: string,
  merged: MergedInputs,
  signal?: AbortSignal,
): Promise<void> {
  const {git} = cache;
  const gitDir = path.join(folder.worktree, '.git');
  const format = merged.head.length === 64 ? 'sha256' : 'sha1';
  const init = ['init', '--quiet', '--template=', `--object-format=${format}`, `--initial-branch=${branch}`];
  await git.run([...init, folder.worktree], {cwd: folder.path, signal});
  await mkdir(path.join(gitDir, 'info'), {recursive: true});
  await mkdir(path.join(gitDir, 'objects', 'info'), {recursive: true});
  await writeFile(
    path.join(gitDir, 'objects', 'info', 'alternates'),
    `${path.join(cache.folder, 'objects')}\n`,
  );
  const own = new GitRepository(git, gitDir, {GIT_WORK_TREE: folder.worktree});
  await appendFile(path.join(gitDir, 'config'), OWN_CONFIG);
  await own.setRef(`refs/heads/${branch}`, merged.head, signal);
  await copyFile(folder.index, path.join(gitDir, 'index'));
  if (merged.unmerged.length > 0) await leaveMergeInProgress(own, gitDir, merged, signal);
}

/** What the machine's own configuration must not change for the work: identity, line ends, hooks, signing, background jobs. */
const OWN_CONFIG = `[user]
	name = MCPX
	email = mcpx@localhost
[core]
	autocrlf = false
	longPaths = true
	fsmonitor = false
	hooksPath = .git/hooks
[commit]
	gpgSign = false
[tag]
	gpgSign = false
[gc]
	auto = 0
[maintenance]
	auto = false
[merge]
	conflictStyle = zdiff3
[push]
	default = nothing
`;

async function leaveMergeInProgress(
  own: GitRepository,
  gitDir: string,
  merged: MergedInputs,
  signal?: AbortSignal,
): Promise<void> {
  const zero = '0'.repeat(merged.head.length);
  const lines: string[] = [];
  for (const [name, stages] of merged.stages) lines.push(`0 ${zero} 0\t${name}`, ...stages);
  const input = Buffer.from(lines.map(line => `${line}\0`).join(''), 'latin1');
  await own.run(['update-index', '-z', '--index-info'], {input, signal});
  const sides = merged.conflicts.map(({theirs}) => theirs.taskId).join(', ');
  await writeFile(path.join(gitDir, 'MERGE_HEAD'), merged.unmerged.map(commit => `${commit}\n`).join(''));
  await writeFile(path.join(gitDir, 'MERGE_MODE'), '');
  await writeFile(path.join(gitDir, 'MERGE_MSG'), `Merge ${sides}\n`);
}

/**
 * Makes sure that the worktree is what it should be: git, started in it the way the work will start it, finds this repository, this branch and
 * this commit, and nothing is there that the commit has not. Throws `git` when not. Answers what a person should know.
 */
export async function verifyIsolation(
  cache: GitRepository,
  folder: AttemptFolder,
  branch: string,
  merged: MergedInputs,
  signal?: AbortSignal,
): Promise<string[]> {
  const at = {cwd: folder.worktree, env: worktreeEnv(folder), signal};
  const found = await cache.git.text(
    ['rev-parse', '--show-toplevel', '--absolute-git-dir', 'HEAD', '--symbolic-full-name', 'HEAD'],
    at,
  );
  const [top = '', gitDir = '', head, ref] = found.split('\n');
  const worktree = await realpath(folder.worktree);
  const same =
    (await realpath(top)) === worktree &&
    (await realpath(gitDir)) === path.join(worktree, '.git') &&
    head === merged.head &&
    ref === `refs/heads/${branch}`;
  if (!same) {
    throw new CoordinatorError('git', `${folder.worktree} is not a worktree of its own: git found ${found}`);
  }
  if (merged.unmerged.length > 0) return [];
  const {stdout} = await cache.git.run(['status', '--porcelain=v1', '-z', '--no-renames'], at);
  const entries = splitNul(stdout).map(entry => entry.toString('utf8'));
  const wrong = entries.filter(entry => !entry.startsWith(' M '));
  if (wrong.length > 0) {
    throw new CoordinatorError('git', `a fresh worktree is not clean: ${wrong.slice(0, 10).join(', ')}`, {
      hint: 'two names in this commit may be one on this file system',
    });
  }
  // Files whose stored line ends disagree with .gitattributes look changed in every checkout, also in a person's own.
  if (entries.length === 0) return [];
  const names = entries.slice(0, 10).map(entry => entry.slice(3));
  return [
    `${entries.length} files look changed in a fresh checkout (line ends or filters): ${names.join(', ')}`,
  ];
}

/** Adds names that git never sees in this attempt: neither the work's git nor ours. */
export async function excludeNames(folder: AttemptFolder, patterns: readonly string[]): Promise<void> {
  const lines = patterns.map(pattern => `${pattern}\n`).join('');
  await appendFile(folder.exclude, lines);
  await appendFile(path.join(folder.worktree, '.git', 'info', 'exclude'), lines);
}

/** Options by which our git leaves out what was excluded by us, and what the work excluded in its own repository. */
export async function excludeOptions(folder: AttemptFolder): Promise<string[]> {
  const both = `${folder.exclude}.all`;
  const own = path.join(folder.worktree, '.git', 'info', 'exclude');
  await writeFile(both, `${await readText(own)}\n${await readText(folder.exclude)}`);
  return ['-c', `core.excludesFile=${both}`];
}

/** The commit at the attempt's HEAD, brought into the cache; undefined when its repository has no HEAD that can be read. */
export async function fetchHead(
  cache: GitRepository,
  folder: AttemptFolder,
  ref: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const gitDir = path.join(folder.worktree, '.git');
  const listed = await cache.run(['ls-remote', '--quiet', gitDir, 'HEAD'], {okCodes: [1, 2, 128], signal});
  if (listed.code !== 0 || listed.stdout.length === 0) return undefined;
  const quiet = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-maintenance'];
  await cache.run(['fetch', ...quiet, gitDir, `+HEAD:${ref}`], {signal});
  return cache.text(['rev-parse', '--verify', ref], {signal});
}

export async function removeStaleLock(folder: AttemptFolder): Promise<void> {
  await rm(`${folder.index}.lock`, {force: true});
}

/** A pattern that matches exactly this path from the root of the worktree. */
export function literalPattern(name: string): string {
  return `/${name.replace(/[\\*?[\]!# ]/g, '\\$&')}`;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || systemErrorCode(error) === 'ENOTDIR') return '';
    throw error;
  }
}
