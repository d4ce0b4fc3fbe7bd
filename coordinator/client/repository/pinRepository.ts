/** Fixes the commit that a session starts from, with or without the work that is not committed yet. The repository is not changed in any way. */
import {copyFile} from 'node:fs/promises';
import path from 'node:path';
import {writeBundle} from '../../artifacts/git/bundle.ts';
import {splitNul} from '../../artifacts/git/gitCommand.ts';
import {identityEnv, MCPX_IDENTITY} from '../../artifacts/git/identity.ts';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import type {LocalRepository, ScratchRepository} from './localRepository.ts';
import {shownUrl} from './remoteUrl.ts';

export interface PinOptions {
  /** Branch, tag or commit; HEAD when absent. */
  readonly ref?: string | undefined;
  /** Makes a commit of everything that is changed or untracked, ignored files excepted. Only at HEAD. */
  readonly uncommitted?: boolean | undefined;
  /** Wall time in ms, for that commit. */
  readonly at: number;
}

export interface Pin {
  /** Same for every clone: the id of the first commit of all. */
  readonly repositoryId: string;
  readonly commit: string;
  /** The files of `commit`, by git's name for them. */
  readonly tree: string;
  /** Whether `commit` was made of uncommitted work, so that only its bundle has it. */
  readonly uncommitted: boolean;
  /** Files with uncommitted work, whether it was taken along or not. */
  readonly dirty: readonly string[];
  /** Git repositories inside this one that could not be taken along. */
  readonly skipped: readonly string[];
  readonly branch: string | undefined;
  /** URL that the branch follows, without credentials. */
  readonly remote: string | undefined;
}

/** A pin with the objects it needs beyond the person's own; dispose of it when its bundle is sent. */
export class PinnedRepository {
  constructor(
    readonly pin: Pin,
    private readonly scratch: ScratchRepository,
  ) {}

  /** Writes the commit with its history, less what `have` reach, to `file`. `empty`: the hub has it all. */
  bundle(
    file: string,
    have: readonly string[] = [],
    signal?: AbortSignal,
  ): Promise<{kind: 'empty'} | {kind: 'written'; bytes: number; prerequisites: string[]}> {
    return writeBundle(this.scratch.repository, {commit: this.pin.commit, exclude: have, file, signal});
  }

  dispose(): Promise<void> {
    return this.scratch.dispose();
  }
}

/** Errors: `git` (no commit yet, no such ref), `conflict` (a merge with conflicts is in progress), `config`. */
export async function pinRepository(
  repository: LocalRepository,
  options: PinOptions,
  signal?: AbortSignal,
): Promise<PinnedRepository> {
  if (options.uncommitted && (options.ref !== undefined || repository.bare)) {
    throw new CoordinatorError(
      'config',
      'uncommitted work belongs to the HEAD of a checkout, not to another ref',
    );
  }
  const start = await startOf(repository, options.ref, signal);
  const branch = await repository.read(['symbolic-ref', '--quiet', '--short', 'HEAD'], {
    okCodes: [1],
    signal,
  });
  const name = branch.stdout.toString('utf8').trim() || undefined;
  const scratch = await repository.scratch(start);
  try {
    const made = options.uncommitted
      ? await commitUncommitted(repository, scratch, start, options.at, signal)
      : {commit: start, skipped: []};
    const pin: Pin = {
      repositoryId: await rootOf(repository, start, signal),
      commit: made.commit,
      tree: await scratch.repository.text(['rev-parse', '--verify', `${made.commit}^{tree}`], {signal}),
      uncommitted: made.commit !== start,
      dirty: repository.bare ? [] : await dirtyFiles(repository, signal),
      skipped: made.skipped,
      branch: options.ref === undefined ? name : undefined,
      remote: await remoteOf(repository, name, signal),
    };
    return new PinnedRepository(pin, scratch);
  } catch (error) {
    await scratch.dispose();
    throw error;
  }
}

/** Paths with changes, staged or not, and untracked ones. */
export async function dirtyFiles(repository: LocalRepository, signal?: AbortSignal): Promise<string[]> {
  const args = [
    'status',
    '--porcelain=v1',
    '-z',
    '--untracked-files=all',
    '--no-renames',
    '--ignore-submodules=dirty',
  ];
  const {stdout} = await repository.read(args, {signal});
  return splitNul(stdout).map(entry => entry.subarray(3).toString('utf8'));
}

async function startOf(
  repository: LocalRepository,
  ref: string | undefined,
  signal?: AbortSignal,
): Promise<string> {
  const start = await repository.resolve(ref ?? 'HEAD', signal);
  if (start !== undefined) return start;
  if (ref !== undefined && (await repository.resolve('HEAD', signal)) !== undefined) {
    throw new CoordinatorError(
      'git',
      `${repository.root} has no branch, tag or commit ${JSON.stringify(ref)}`,
      {
        hint: 'fetch it, or name another one',
      },
    );
  }
  throw new CoordinatorError('git', `${repository.root} has no commit yet`, {
    hint: 'Make a first commit: git add --all && git commit -m "Start"',
  });
}

async function rootOf(repository: LocalRepository, commit: string, signal?: AbortSignal): Promise<string> {
  const roots = await repository.readText(['rev-list', '--max-parents=0', commit], {signal});
  return roots.split('\n').sort()[0] ?? commit;
}

async function remoteOf(
  repository: LocalRepository,
  branch: string | undefined,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const names = (await repository.readText(['remote'], {signal})).split('\n').filter(name => name !== '');
  const own =
    branch === undefined
      ? ''
      : (await repository.read(['config', '--get', `branch.${branch}.remote`], {okCodes: [1], signal})).stdout
          .toString('utf8')
          .trim();
  const name = names.find(each => each === own) ?? names.find(each => each === 'origin') ?? names[0];
  if (name === undefined) return undefined;
  return shownUrl(await repository.readText(['remote', 'get-url', name], {signal}));
}

/** Builds the commit with an index and an object folder of our own; the person's index, refs and objects stay as they are. */
async function commitUncommitted(
  repository: LocalRepository,
  scratch: ScratchRepository,
  head: string,
  at: number,
  signal?: AbortSignal,
): Promise<{commit: string; skipped: string[]}> {
  const index = path.join(scratch.folder, 'index');
  const own = await repository.readText(['rev-parse', '--path-format=absolute', '--git-path', 'index'], {
    signal,
  });
  await copyFile(own, index).catch((error: unknown) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  });
  const options = {env: {...scratch.objectsHere, GIT_INDEX_FILE: index}, signal};
  if ((await repository.read(['ls-files', '--unmerged'], options)).stdout.length > 0) {
    throw new CoordinatorError('conflict', `a merge with conflicts is in progress in ${repository.root}`, {
      hint: 'finish or abort it first, or start from what is committed',
    });
  }
  const untracked = await repository.read(['ls-files', '-z', '--others', '--exclude-standard'], options);
  const skipped = splitNul(untracked.stdout)
    .filter(name => name.at(-1) === 0x2f)
    .map(name => name.toString('utf8'));
  // A shared part of the index would be written beside the person's own.
  const settings = ['-c', 'core.splitIndex=false', '-c', 'core.untrackedCache=false'];
  const leaveOut = skipped.map(name => `:(exclude,literal,top)${name.replace(/\/$/, '')}`);
  await repository.read([...settings, 'add', '--all', '--', ':/', ...leaveOut], options);
  const tree = await repository.readText(['write-tree'], options);
  if (tree === (await repository.readText(['rev-parse', `${head}^{tree}`], {signal})))
    return {commit: head, skipped};
  const commit = await repository.readText(['commit-tree', tree, '-p', head], {
    ...options,
    env: {...options.env, ...identityEnv(MCPX_IDENTITY, at / 1000)},
    input: 'Uncommitted work\n',
  });
  return {commit, skipped};
}
