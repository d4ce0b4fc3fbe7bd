/**
 * One bare repository for each project in the agent's state folder: every commit that came here once, kept by a ref so that no cleaning can take
 * it. Attempts borrow its objects; who may see which commits is decided before a bundle reaches the agent.
 */
import {createHash} from 'node:crypto';
import {existsSync} from 'node:fs';
import {readdir, rm, stat} from 'node:fs/promises';
import path from 'node:path';
import type {ArtifactSource} from '../../artifacts/artifactCache.ts';
import {importBundles} from '../../artifacts/git/bundle.ts';
import type {Git} from '../../artifacts/git/gitCommand.ts';
import {commitRef, GitRepository} from '../../artifacts/git/gitRepository.ts';
import {KeyedLock} from '../../artifacts/keyedLock.ts';
import type {CommitBundle} from '../../protocol/model/session.ts';

export interface RepositoryCacheOptions {
  /** Absolute path. */
  readonly folder: string;
  /** Of profile `isolated`. */
  readonly git: Git;
  readonly artifacts: ArtifactSource;
}

const ATTEMPTS = 'refs/mcpx/attempts/';
const STALE_LOCK_MS = 30_000;
/** fsck adds up what it found; 128 is a repository that it cannot open. */
const FSCK_CODES = [...Array.from({length: 63}, (_, code) => code + 1), 128];

/** The ref that keeps the commits of an attempt that is not over: `start` and, once there is one, `result`. */
export function attemptRef(attemptFolder: string, which: 'start' | 'head' | 'result' | 'checkpoint'): string {
  return `${ATTEMPTS}${attemptFolder}/${which}`;
}

export class RepositoryCache {
  private readonly lock = new KeyedLock();

  constructor(private readonly options: RepositoryCacheOptions) {}

  /** The project's repository, created where it is missing for commits such as `like`. */
  repository(repositoryId: string, like: string): Promise<GitRepository> {
    return this.lock.run(repositoryId, async () => {
      const folder = this.folderOf(repositoryId);
      if (existsSync(folder)) return new GitRepository(this.options.git, folder);
      return GitRepository.create(this.options.git, folder, {like});
    });
  }

  /** Fetches the missing ones of `bundles`, which come prerequisites first. One caller at a time fetches for one project. */
  async ensureCommits(
    repositoryId: string,
    bundles: readonly CommitBundle[],
    signal?: AbortSignal,
  ): Promise<void> {
    const like = bundles[0];
    if (!like) return;
    const repository = await this.repository(repositoryId, like.commit);
    await this.exclusively(repositoryId, () =>
      importBundles(repository, bundles, this.options.artifacts, signal),
    );
  }

  /** Runs `work` while nobody imports into or prunes the project's repository. */
  exclusively<T>(repositoryId: string, work: () => Promise<T>): Promise<T> {
    return this.lock.run(repositoryId, work);
  }

  /**
   * Forgets every commit but `live` and those of attempts that still have their folder, and frees the space of what nothing leads to any more.
   * Only for an agent without attempts in this project: git itself may still be reading for them.
   */
  async retain(repositoryId: string, live: ReadonlySet<string>, signal?: AbortSignal): Promise<void> {
    const folder = this.folderOf(repositoryId);
    if (!existsSync(folder)) return;
    const repository = new GitRepository(this.options.git, folder);
    await this.exclusively(repositoryId, async () => {
      const gone = [...(await repository.keptCommits(signal))].filter(commit => !live.has(commit));
      await repository.deleteRefs(gone.map(commitRef), signal);
      await repository.run(['repack', '-a', '-d', '-q'], {signal});
      await repository.run(['prune', '--expire=now'], {signal});
    });
  }

  /** Whether everything that a ref of ours keeps is there and readable. */
  async isSound(repositoryId: string, signal?: AbortSignal): Promise<boolean> {
    const folder = this.folderOf(repositoryId);
    if (!existsSync(folder)) return true;
    const args = ['fsck', '--connectivity-only', '--no-dangling', '--no-progress'];
    const repository = new GitRepository(this.options.git, folder);
    return (await repository.run(args, {okCodes: FSCK_CODES, signal})).code === 0;
  }

  /** Removes lock files that a killed git left, once they are too old to belong to one that still runs. */
  async clearStaleLocks(wallNow: number): Promise<void> {
    for (const folder of await this.folders()) {
      for (const name of await readdir(folder, {recursive: true})) {
        if (!name.endsWith('.lock') || name.startsWith('objects')) continue;
        const file = path.join(folder, name);
        const found = await stat(file).catch(() => undefined);
        if (found && found.mtimeMs < wallNow - STALE_LOCK_MS) await rm(file, {force: true});
      }
    }
  }

  /** Drops a project's repository altogether; the next attempt fetches what it needs. Only for an agent without attempts in this project. */
  async drop(repositoryId: string): Promise<void> {
    await this.exclusively(repositoryId, () =>
      rm(this.folderOf(repositoryId), {recursive: true, force: true}),
    );
  }

  /** Bytes on disk are the caller's to measure: these are the folders. */
  async folders(): Promise<string[]> {
    const names = existsSync(this.options.folder) ? await readdir(this.options.folder) : [];
    return names.filter(name => name.endsWith('.git')).map(name => path.join(this.options.folder, name));
  }

  private folderOf(repositoryId: string): string {
    return path.join(this.options.folder, `${safeName(repositoryId)}.git`);
  }
}

/** A file name for any identifier: itself where it is harmless, else a digest of it. */
export function safeName(identifier: string): string {
  if (
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/.test(identifier) &&
    !/\.(lock|git|new)$|\.\.|\.$/.test(identifier)
  ) {
    return identifier;
  }
  return `x-${createHash('sha256').update(identifier).digest('hex').slice(0, 40)}`;
}
