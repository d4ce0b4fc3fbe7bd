/**
 * Commits of sessions as git has them, in bare repositories of the extension's own: fetched from the coordinator's artifacts, kept for the next
 * time, and never in anybody's checkout.
 */
import {createHash} from 'node:crypto';
import {existsSync} from 'node:fs';
import path from 'node:path';
import type {ArtifactSource} from '../../coordinator/artifacts/artifactCache.ts';
import {importBundles} from '../../coordinator/artifacts/git/bundle.ts';
import {Git, splitNul} from '../../coordinator/artifacts/git/gitCommand.ts';
import {GitRepository} from '../../coordinator/artifacts/git/gitRepository.ts';
import {identityEnv, MCPX_IDENTITY} from '../../coordinator/artifacts/git/identity.ts';
import {KeyedLock} from '../../coordinator/artifacts/keyedLock.ts';
import type {CommitBundle} from '../../coordinator/protocol/model/session.ts';
import type {Clock} from '../../coordinator/runtime/clock.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {markUsed} from './pruneResults.ts';
import {type Change, parseRawDiff} from './rawDiff.ts';

export interface ResultRepositoriesOptions {
  /** Private folder for the repositories. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly source: ArtifactSource;
  readonly clock: Pick<Clock, 'wallNow'>;
  /** Makes room, before the first use. */
  readonly prune?: () => Promise<void>;
}

/** Larger files are not shown. */
const MAX_FILE_BYTES = 64 * 1024 ** 2;

export class ResultRepositories {
  private readonly git: Git;
  private readonly lock = new KeyedLock();
  private pruned: Promise<void> | undefined;

  constructor(private readonly options: ResultRepositoriesOptions) {
    this.git = new Git('isolated', options.env);
  }

  /** How a project's repository is called in addresses. */
  nameOf(repositoryId: string): string {
    return createHash('sha256').update(repositoryId).digest('hex').slice(0, 16);
  }

  /** The repository with `commits` in it. Errors: those of the artifact source, `git`, `notFound` when nothing brings a commit. */
  async bring(
    repositoryId: string,
    commits: readonly string[],
    bundles: readonly CommitBundle[],
    signal?: AbortSignal,
  ): Promise<ResultRepository> {
    this.pruned ??= this.options.prune?.() ?? Promise.resolve();
    await this.pruned;
    const name = this.nameOf(repositoryId);
    const folder = this.folderOf(name);
    return this.lock.run(name, async () => {
      const repository = existsSync(folder)
        ? new GitRepository(this.git, folder)
        : await GitRepository.create(this.git, folder, {like: commits[0] ?? ''});
      await markUsed(folder, this.options.clock.wallNow());
      await importBundles(repository, bundles, this.options.source, signal);
      for (const commit of commits)
        if (!(await repository.hasCommit(commit, signal)))
          throw new CoordinatorError('notFound', `the coordinator has nothing that brings commit ${commit}`, {
            hint: 'The artifacts of the session may be gone. Its branch mcpx/SESSION, where it was fetched, has them.',
          });
      return new ResultRepository(name, repository);
    });
  }

  /** One that was brought before, even by an earlier window. Errors: `notFound`. */
  known(name: string): ResultRepository {
    const folder = this.folderOf(name);
    if (!/^[0-9a-f]{16}$/.test(name) || !existsSync(folder))
      throw new CoordinatorError('notFound', 'these changes are not kept here any more', {
        hint: 'Show the changes again.',
      });
    return new ResultRepository(name, new GitRepository(this.git, folder));
  }

  private folderOf(name: string): string {
    return path.join(this.options.folder, `${name}.git`);
  }
}

export class ResultRepository {
  constructor(
    readonly name: string,
    readonly repository: GitRepository,
  ) {}

  /** Between two commits or trees, renames found, by path. */
  async changes(from: string, to: string, signal?: AbortSignal): Promise<readonly Change[]> {
    const args = ['diff-tree', '-r', '-z', '--raw', '--no-abbrev', '--find-renames', from, to];
    return parseRawDiff(splitNul((await this.repository.run(args, {signal})).stdout));
  }

  /** Undefined when there is no such object. */
  async size(object: string): Promise<number | undefined> {
    return (await this.repository.objects([object]))[0]?.bytes;
  }

  /** Errors: `notFound`, `limit`. */
  async read(object: string): Promise<Uint8Array> {
    const [found] = await this.repository.objects([object]);
    if (found?.type !== 'blob') throw new CoordinatorError('notFound', `there is no file ${object}`);
    if (found.bytes > MAX_FILE_BYTES)
      throw new CoordinatorError('limit', `the file has ${Math.round(found.bytes / 1024 ** 2)} MiB`);
    return (await this.repository.run(['cat-file', 'blob', found.id])).stdout;
  }

  /**
   * What an attempt began with, as a tree: the merge of its inputs. `inputs` may repeat and contain each other. Where they conflict, the first of
   * them: then all that was merged counts as changed.
   */
  async mergedInputs(inputs: readonly string[], signal?: AbortSignal): Promise<string> {
    const {commit, leftOut} = await this.merged(inputs, signal);
    return leftOut.length > 0 ? (inputs[0] ?? commit) : commit;
  }

  /** One commit of all. What conflicts with those before it is left out. */
  async merged(
    inputs: readonly string[],
    signal?: AbortSignal,
  ): Promise<{readonly commit: string; readonly leftOut: readonly string[]}> {
    const [only, ...more] = inputs;
    if (only === undefined) throw new CoordinatorError('git', 'an attempt without inputs has no changes');
    const leftOut: string[] = [];
    if (more.length === 0) return {commit: only, leftOut};
    const output = await this.repository.text(['merge-base', '--independent', ...inputs], {signal});
    const independent = output.split('\n');
    let [merged = only, ...rest] = inputs.filter(
      (commit, index) => independent.includes(commit) && inputs.indexOf(commit) === index,
    );
    for (const commit of rest) {
      const args = ['merge-tree', '--write-tree', '--no-messages', merged, commit];
      const {code, stdout} = await this.repository.run(args, {okCodes: [1], signal});
      if (code !== 0) {
        leftOut.push(commit);
        continue;
      }
      const tree = stdout.toString('latin1').trim();
      merged = await this.repository.text(['commit-tree', tree, '-p', merged, '-p', commit], {
        input: 'inputs\n',
        env: identityEnv(MCPX_IDENTITY, 0),
        signal,
      });
    }
    return {commit: merged, leftOut};
  }
}
