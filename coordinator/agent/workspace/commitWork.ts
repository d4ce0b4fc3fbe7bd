/**
 * Turns what an attempt left in its worktree into one commit, without touching the attempt's own repository: commits that the work made stay, what
 * it left uncommitted is added on top, inputs of a kept merge become parents. Refuses what would break or leak in somebody else's checkout.
 */
import {existsSync} from 'node:fs';
import {lstat} from 'node:fs/promises';
import path from 'node:path';
import {splitNul} from '../../artifacts/git/gitCommand.ts';
import type {GitRepository} from '../../artifacts/git/gitRepository.ts';
import {type CommitIdentity, identityEnv} from '../../artifacts/git/identity.ts';
import {systemErrorCode} from '../../runtime/errors.ts';
import type {AttemptFolder, AttemptGit} from './attemptFolder.ts';
import {controlOf, excludeOptions, fetchHead, removeStaleLock} from './attemptRepository.ts';
import {attemptRef} from './repositoryCache.ts';
import {unresolvedPaths} from './unresolvedPaths.ts';

export interface CommitRequest {
  /** Subject and body. */
  readonly message: string;
  /** Such as `{'MCPX-Session': 's-1'}`; in this order. */
  readonly trailers: Readonly<Record<string, string>>;
  readonly author: CommitIdentity;
  /** Wall time in ms. */
  readonly at: number;
}

export type CommitRefusal =
  /** The work left HEAD at a commit that does not contain the start of the attempt, or at none. */
  | 'notDescendant'
  /** A git repository inside the worktree: only an empty entry of it would be committed. */
  | 'nestedRepository'
  | 'fileTooLarge'
  /** A file of `workspace.include` is in the result or in a commit on the way to it. */
  | 'includedFile'
  | 'unresolvedConflict';

export type CommitResult =
  | {
      readonly kind: 'committed';
      readonly commit: string;
      readonly tree: string;
      readonly changedFiles: number;
    }
  /** The result is the start of the attempt. */
  | {readonly kind: 'unchanged'; readonly commit: string; readonly tree: string}
  | {
      readonly kind: 'refused';
      readonly reason: CommitRefusal;
      readonly paths: readonly string[];
      readonly message: string;
    };

export interface CommitOptions {
  readonly maxFileBytes: number;
  readonly keepAs: 'result' | 'checkpoint';
  readonly signal?: AbortSignal | undefined;
}

const SHOWN_PATHS = 20;

export async function commitWork(
  cache: GitRepository,
  folder: AttemptFolder,
  git: AttemptGit,
  request: CommitRequest,
  options: CommitOptions,
): Promise<CommitResult> {
  const {signal} = options;
  await removeStaleLock(folder);
  const head = await fetchHead(cache, folder, attemptRef(folder.name, 'head'), signal);
  if (head === undefined || !(await cache.isAncestor(git.start, head, signal))) {
    const found = head ?? 'no commit';
    return refuse(
      'notDescendant',
      [],
      `HEAD is ${found}, which does not contain ${git.start}, where the attempt began`,
    );
  }
  const control = controlOf(cache, folder);
  await control.run(['read-tree', '--reset', '-i', head], {signal});
  const unfit = await unfitFiles(control, folder, options);
  if (unfit) return unfit;
  await addEverything(control, folder, signal);
  const tree = await control.text(['write-tree'], {signal});
  const missing: string[] = [];
  for (const commit of git.unmerged)
    if (!(await cache.isAncestor(commit, head, signal))) missing.push(commit);
  const headTree = await cache.text(['rev-parse', `${head}^{tree}`], {signal});
  const commit =
    tree === headTree && missing.length === 0
      ? head
      : await commitTree(cache, tree, [head, ...missing], request, signal);
  const changes = await changesBetween(cache, git.start, commit, signal);
  const refusal = await refusedChanges(cache, control, folder, git, {commit, head, changes}, options);
  if (refusal) return refusal;
  await cache.setRef(attemptRef(folder.name, options.keepAs), commit, signal);
  return commit === git.start
    ? {kind: 'unchanged', commit, tree}
    : {kind: 'committed', commit, tree, changedFiles: changes.length};
}

export interface FileChange {
  /** Mode after the change; `000000` when the file is gone. */
  readonly mode: string;
  readonly oldMode: string;
  readonly blob: string;
  readonly status: string;
  /** Bytes of the path as latin1. */
  readonly rawPath: string;
  readonly path: string;
}

/** Files that differ between two commits; a rename is a deletion and an addition. */
export async function changesBetween(
  repository: GitRepository,
  from: string,
  to: string,
  signal?: AbortSignal,
): Promise<FileChange[]> {
  const args = ['diff-tree', '-r', '-z', '--raw', '--no-renames', '--no-abbrev', from, to];
  const fields = splitNul((await repository.run(args, {signal})).stdout);
  const changes: FileChange[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [oldMode = '', mode = '', , blob = '', status = ''] = (fields[at]?.toString('latin1') ?? '')
      .slice(1)
      .split(' ');
    const name = fields[at + 1] ?? Buffer.alloc(0);
    changes.push({
      oldMode,
      mode,
      blob,
      status,
      rawPath: name.toString('latin1'),
      path: name.toString('utf8'),
    });
  }
  return changes;
}

/** Looks before adding: a huge file or a nested repository would be copied into the object store first. */
async function unfitFiles(
  control: GitRepository,
  folder: AttemptFolder,
  options: CommitOptions,
): Promise<CommitResult | undefined> {
  const args = [
    ...(await excludeOptions(folder)),
    'ls-files',
    '-z',
    '--others',
    '--modified',
    '--exclude-standard',
  ];
  const names = splitNul((await control.run(args, {signal: options.signal})).stdout);
  const nested: string[] = [];
  const large: string[] = [];
  for (const name of names) {
    // git lists files one by one, and a folder only where it is a repository of its own.
    if (name.at(-1) === 0x2f) nested.push(name.toString('utf8'));
    else if ((await bytesOf(folder.worktree, name)) > options.maxFileBytes) large.push(name.toString('utf8'));
  }
  if (nested.length > 0) return nestedRepository(nested);
  return large.length > 0 ? tooLarge(large, options.maxFileBytes) : undefined;
}

async function addEverything(
  control: GitRepository,
  folder: AttemptFolder,
  signal?: AbortSignal,
): Promise<void> {
  const excludes = await excludeOptions(folder);
  // Ignored files that the work staged on purpose, with "git add --force".
  const own = path.join(folder.worktree, '.git', 'index');
  if (existsSync(own)) {
    const args = [...excludes, 'ls-files', '-z', '--cached', '--ignored', '--exclude-standard'];
    const forced = splitNul((await control.run(args, {signal, env: {GIT_INDEX_FILE: own}})).stdout);
    const present: Buffer[] = [];
    for (const name of forced)
      if ((await bytesOf(folder.worktree, name)) >= 0) present.push(name, Buffer.from([0]));
    if (present.length > 0) {
      const add = ['--literal-pathspecs', 'add', '--force', '--pathspec-from-file=-', '--pathspec-file-nul'];
      await control.run(add, {signal, input: Buffer.concat(present)});
    }
  }
  await control.run([...excludes, 'add', '--all'], {signal});
}

async function refusedChanges(
  cache: GitRepository,
  control: GitRepository,
  folder: AttemptFolder,
  git: AttemptGit,
  result: {commit: string; head: string; changes: readonly FileChange[]},
  options: CommitOptions,
): Promise<CommitResult | undefined> {
  const {signal} = options;
  const links = result.changes.filter(change => change.mode === '160000' && change.oldMode !== '160000');
  if (links.length > 0) return nestedRepository(links.map(change => change.path));
  const files = result.changes.filter(change => change.mode.startsWith('100'));
  const sizes = await cache.objects(
    files.map(change => change.blob),
    signal,
  );
  const large = files.filter((_, index) => (sizes[index]?.bytes ?? 0) > options.maxFileBytes);
  if (large.length > 0)
    return tooLarge(
      large.map(change => change.path),
      options.maxFileBytes,
    );
  if (git.included.length > 0) {
    const args = [
      '--literal-pathspecs',
      'log',
      '--full-history',
      '--format=',
      '--name-only',
      '-z',
      '-m',
      `${git.start}..${result.commit}`,
      '--',
    ];
    const leaked = splitNul((await cache.run([...args, ...git.included], {signal})).stdout);
    const names = [...new Set(leaked.map(name => name.toString('utf8').trim()))].filter(name => name !== '');
    if (names.length > 0) {
      return refuse(
        'includedFile',
        names,
        'files of workspace.include were committed, and would be published with the result',
      );
    }
  }
  if (options.keepAs === 'checkpoint' || git.conflicts.length === 0) return undefined;
  const unresolved = await unresolvedPaths(cache, control, folder, git, result, signal);
  return unresolved.length > 0
    ? refuse('unresolvedConflict', unresolved, 'conflicts between the inputs are not resolved')
    : undefined;
}

async function commitTree(
  cache: GitRepository,
  tree: string,
  parents: readonly string[],
  request: CommitRequest,
  signal?: AbortSignal,
): Promise<string> {
  const clean = (text: string): string => text.replaceAll('\0', '').replaceAll('\r\n', '\n').trim();
  const trailers = Object.entries(request.trailers).map(
    ([name, value]) => `${name}: ${clean(value).replaceAll('\n', ' ')}`,
  );
  const message = `${clean(request.message) || 'Result'}\n\n${trailers.join('\n')}`.trim();
  return cache.text(['commit-tree', tree, ...parents.flatMap(parent => ['-p', parent])], {
    input: `${message}\n`,
    signal,
    env: identityEnv(request.author, request.at / 1000),
  });
}

/** Size of a file or link in the worktree; -1 when there is none. */
async function bytesOf(worktree: string, name: Buffer): Promise<number> {
  try {
    return (await lstat(Buffer.concat([Buffer.from(`${worktree}${path.sep}`), name]))).size;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return -1;
    throw error;
  }
}

function nestedRepository(paths: readonly string[]): CommitResult {
  return refuse(
    'nestedRepository',
    paths,
    'git repositories inside the worktree cannot be part of a result; remove their .git or ignore them',
  );
}

function tooLarge(paths: readonly string[], maxFileBytes: number): CommitResult {
  return refuse(
    'fileTooLarge',
    paths,
    `files of more than ${maxFileBytes} bytes are not committed; ignore them or store them as artifacts`,
  );
}

function refuse(reason: CommitRefusal, paths: readonly string[], message: string): CommitResult {
  const shown = paths.slice(0, SHOWN_PATHS);
  const more = paths.length > shown.length ? ` and ${paths.length - shown.length} more` : '';
  return {
    kind: 'refused',
    reason,
    paths: shown,
    message: shown.length > 0 ? `${message}: ${shown.join(', ')}${more}` : message,
  };
}
