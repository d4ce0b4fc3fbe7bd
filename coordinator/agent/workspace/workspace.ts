/** One attempt's worktree, ready for work: what it is, how its work becomes a commit and a bundle. Making and removing worktrees is workspaces.ts. */
import {rm} from 'node:fs/promises';
import path from 'node:path';
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import {writeBundle} from '../../artifacts/git/bundle.ts';
import {splitNul} from '../../artifacts/git/gitCommand.ts';
import {commitRef, type GitRepository} from '../../artifacts/git/gitRepository.ts';
import {KeyedLock} from '../../artifacts/keyedLock.ts';
import type {ChangedPaths} from '../../protocol/model/attempt.ts';
import type {CommitBundle} from '../../protocol/model/session.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {AttemptFolder, AttemptGit} from './attemptFolder.ts';
import {worktreeEnv} from './attemptRepository.ts';
import {changedPaths} from './changedPaths.ts';
import {
  type CommitRequest,
  type CommitResult,
  changesBetween,
  commitWork,
  type FileChange,
} from './commitWork.ts';
import {attemptRef} from './repositoryCache.ts';

export interface WorkspaceLimits {
  /** Files beyond this size are not committed. */
  readonly maxFileBytes: number;
  /** A result's bundle beyond this size is not sent. */
  readonly maxBundleBytes: number;
}

export const WORKSPACE_LIMITS: WorkspaceLimits = {maxFileBytes: 100 * 1024 ** 2, maxBundleBytes: 1024 ** 3};

export class Workspace {
  private readonly lock = new KeyedLock();

  constructor(
    readonly attemptId: string,
    /** Undefined for an attempt without a repository, which has an empty folder and leaves no commit. */
    readonly git: AttemptGit | undefined,
    private readonly parts: {
      readonly folder: AttemptFolder;
      readonly cache: GitRepository | undefined;
      readonly uploads: Pick<ArtifactClient, 'upload'>;
      readonly limits: WorkspaceLimits;
    },
  ) {}

  /** Absolute path of the worktree. */
  get path(): string {
    return this.parts.folder.worktree;
  }

  /** To be added to the environment of the work. */
  get env(): Record<string, string> {
    return worktreeEnv(this.parts.folder);
  }

  /**
   * Commits what the work left. Call it once the attempt's processes are gone. Safe to repeat: without new changes it gives the same commit.
   * A refusal is the work's fault and leaves the worktree as it is. Errors: `git`, `diskFull`.
   */
  commitResult(request: CommitRequest, signal?: AbortSignal): Promise<CommitResult> {
    return this.commit(request, 'result', signal);
  }

  /**
   * Commits the work in progress beside the work, which does not notice: its HEAD, index and files stay as they are. Conflict markers are allowed.
   * A file that changes while it is read makes this fail with `git`; try again.
   */
  checkpoint(request: CommitRequest, signal?: AbortSignal): Promise<CommitResult> {
    return this.commit(request, 'checkpoint', signal);
  }

  /** What the work has changed so far, committed or not, and what it added; it does not notice. Undefined without a repository. */
  async changedPaths(signal?: AbortSignal): Promise<ChangedPaths | undefined> {
    const {git} = this;
    const {cache, folder} = this.parts;
    if (!git || !cache) return undefined;
    return this.lock.run('index', () => changedPaths(cache, folder, signal));
  }

  /** What it starts with, paths from its root. */
  async startFiles(signal?: AbortSignal): Promise<string[]> {
    const {cache, git} = this.repository();
    const args = ['ls-tree', '-r', '-z', '--name-only', '--full-tree', git.start];
    return splitNul((await cache.run(args, {signal})).stdout).map(name => name.toString('utf8'));
  }

  /** Files that differ between the attempt's start and `commit`, which `commitResult` or `checkpoint` gave. */
  async changes(commit: string, signal?: AbortSignal): Promise<FileChange[]> {
    const {cache, git} = this.repository();
    return changesBetween(cache, git.start, commit, signal);
  }

  /** The patch from the attempt's start to `commit`. Errors: `limit` beyond `maxBytes`. */
  patch(commit: string, maxBytes: number, signal?: AbortSignal): Promise<string> {
    return this.patchBetween(this.repository().git.start, commit, maxBytes, signal);
  }

  /** The patch between two commits that the attempt has. Errors: `limit` beyond `maxBytes`. */
  patchBetween(from: string, to: string, maxBytes: number, signal?: AbortSignal): Promise<string> {
    const args = ['diff', '--no-color', '--no-ext-diff', '--no-textconv', '--find-renames', from, to];
    return this.repository().cache.text(args, {maxOutputBytes: maxBytes, signal});
  }

  /**
   * Makes `commit` available to other agents: a bundle of what neither the base nor an input contains, in the artifact store. Undefined when
   * there is nothing to send. `whole`: it needs nothing but the base, so that other sessions can have it too. Errors: `limit`, those of
   * `ArtifactClient.upload`.
   */
  async bundleResult(
    commit: string,
    signal?: AbortSignal,
    {whole = false}: {readonly whole?: boolean | undefined} = {},
  ): Promise<CommitBundle | undefined> {
    if (!whole) return this.bundle(commit, [], signal);
    const {cache, git} = this.repository();
    const had = [git.base, ...git.inputs.map(input => input.commit)].map(id => `^${id}\n`).join('');
    const own = await cache.text(['rev-list', '--max-count=1', '--stdin'], {
      input: `${commit}\n${had}`,
      signal,
    });
    return own === '' ? undefined : this.upload(commit, [git.base], signal);
  }

  /** The attempt's own branch as it was when the last commit of its work was made. */
  head(signal?: AbortSignal): Promise<string> {
    const {cache} = this.repository();
    return cache.text(['rev-parse', '--verify', attemptRef(this.parts.folder.name, 'head')], {signal});
  }

  /** As `bundleResult`, without what the commits `has` contain, which were made available before. */
  bundle(commit: string, has: readonly string[], signal?: AbortSignal): Promise<CommitBundle | undefined> {
    return this.upload(commit, this.without(has), signal);
  }

  private upload(
    commit: string,
    exclude: readonly string[],
    signal?: AbortSignal,
  ): Promise<CommitBundle | undefined> {
    return this.withBundle(commit, exclude, signal, async (file, written) => {
      const {maxBundleBytes} = this.parts.limits;
      if (written.bytes > maxBundleBytes) {
        throw new CoordinatorError('limit', `the result has ${written.bytes} bytes as a bundle`, {
          hint: `at most ${maxBundleBytes} are sent; large files belong in ignored paths`,
        });
      }
      const {sha256, bytes} = await this.parts.uploads.upload({file}, signal);
      return {commit, sha256, bytes, prerequisites: written.prerequisites};
    });
  }

  /** What `bundle` would send; 0 for nothing. */
  async bundleBytes(commit: string, has: readonly string[], signal?: AbortSignal): Promise<number> {
    return (await this.withBundle(commit, this.without(has), signal, async (_file, {bytes}) => bytes)) ?? 0;
  }

  /** What a receiver has who can begin the attempt, and `has`. */
  private without(has: readonly string[]): string[] {
    const {git} = this.repository();
    return [git.base, ...git.inputs.map(input => input.commit), ...has];
  }

  /** Commits that nobody is offered any more need not stay. */
  async forget(commits: readonly string[]): Promise<void> {
    await this.repository().cache.deleteRefs(commits.map(commitRef));
  }

  private async withBundle<T>(
    commit: string,
    exclude: readonly string[],
    signal: AbortSignal | undefined,
    use: (file: string, written: {bytes: number; prerequisites: string[]}) => Promise<T>,
  ): Promise<T | undefined> {
    const {cache} = this.repository();
    const file = path.join(this.parts.folder.path, `${commit}.bundle`);
    try {
      const written = await writeBundle(cache, {commit, exclude, file, signal});
      return written.kind === 'empty' ? undefined : await use(file, written);
    } finally {
      await rm(file, {force: true});
    }
  }

  private commit(
    request: CommitRequest,
    keepAs: 'result' | 'checkpoint',
    signal?: AbortSignal,
  ): Promise<CommitResult> {
    const {cache, git} = this.repository();
    const options = {maxFileBytes: this.parts.limits.maxFileBytes, keepAs, signal};
    return this.lock.run('index', () => commitWork(cache, this.parts.folder, git, request, options));
  }

  private repository(): {cache: GitRepository; git: AttemptGit} {
    const {git, parts} = this;
    if (git && parts.cache) return {cache: parts.cache, git};
    throw new CoordinatorError('git', `attempt ${this.attemptId} works without a repository`);
  }
}
