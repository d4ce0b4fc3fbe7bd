/** One git directory of ours and the few questions asked everywhere: which commits it has, which refs keep them. Work trees are the callers'. */
import {mkdir, rename, rm, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Git, GitOutput, GitRun} from './gitCommand.ts';

export type RepositoryRun = Partial<GitRun>;

const COMMIT_ID = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;
const COMMITS = 'refs/mcpx/commits/';

/** The ref that keeps a commit, and the name it travels under in a bundle. */
export function commitRef(commit: string): string {
  return `${COMMITS}${checkedCommit(commit)}`;
}

export function isCommitId(text: string): boolean {
  return COMMIT_ID.test(text);
}

export function checkedCommit(commit: string): string {
  if (!isCommitId(commit))
    throw new CoordinatorError('git', `not a commit id: ${JSON.stringify(commit.slice(0, 80))}`);
  return commit;
}

export class GitRepository {
  constructor(
    readonly git: Git,
    /** Absolute path of the git directory. */
    readonly folder: string,
    private readonly env: Readonly<Record<string, string>> = {},
    /** Where commands run; the git directory unless there is a work tree. */
    private readonly cwd = folder,
  ) {}

  /**
   * Creates a bare repository for commits such as `like` (which says the hash), complete or not at all. `alternates` are object folders whose
   * content it sees without copying.
   */
  static async create(
    git: Git,
    folder: string,
    options: {like: string; alternates?: readonly string[]},
  ): Promise<GitRepository> {
    await mkdir(path.dirname(folder), {recursive: true, mode: 0o700});
    const unfinished = `${folder}.new`;
    await rm(unfinished, {recursive: true, force: true});
    const format = checkedCommit(options.like).length === 64 ? 'sha256' : 'sha1';
    await git.run(['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, unfinished], {
      cwd: path.dirname(folder),
    });
    if (options.alternates?.length) {
      await mkdir(path.join(unfinished, 'objects', 'info'), {recursive: true});
      await writeFile(
        path.join(unfinished, 'objects', 'info', 'alternates'),
        `${options.alternates.join('\n')}\n`,
      );
    }
    await rename(unfinished, folder);
    return new GitRepository(git, folder);
  }

  /** The same repository seen through a work tree and an index of the caller's; commands run in the work tree. */
  withWorkTree(workTree: string, index: string): GitRepository {
    const env = {...this.env, GIT_WORK_TREE: workTree, GIT_INDEX_FILE: index};
    return new GitRepository(this.git, this.folder, env, workTree);
  }

  run(args: readonly string[], options: RepositoryRun = {}): Promise<GitOutput> {
    return this.git.run(args, this.options(options));
  }

  text(args: readonly string[], options: RepositoryRun = {}): Promise<string> {
    return this.git.text(args, this.options(options));
  }

  /** Which of `objects` (ids or expressions) are here, with type and size, in the order asked. */
  async objects(
    objects: readonly string[],
    signal?: AbortSignal,
  ): Promise<({readonly id: string; readonly type: string; readonly bytes: number} | undefined)[]> {
    if (objects.length === 0) return [];
    const output = await this.text(['cat-file', '--batch-check'], {input: `${objects.join('\n')}\n`, signal});
    return output.split('\n').map(line => {
      // Anything else repeats the question and says that it is missing.
      const [, id = '', type = '', bytes] = /^([0-9a-f]{40,64}) ([a-z]+) (\d+)$/.exec(line) ?? [];
      return bytes === undefined ? undefined : {id, type, bytes: Number(bytes)};
    });
  }

  async hasCommit(commit: string, signal?: AbortSignal): Promise<boolean> {
    const [found] = await this.objects([checkedCommit(commit)], signal);
    return found?.type === 'commit';
  }

  /** Commits that a ref of ours keeps: they and their whole history are here. */
  async keptCommits(signal?: AbortSignal): Promise<Set<string>> {
    const output = await this.text(['for-each-ref', '--format=%(objectname)', COMMITS], {signal});
    return new Set(output === '' ? [] : output.split('\n'));
  }

  async isAncestor(ancestor: string, descendant: string, signal?: AbortSignal): Promise<boolean> {
    const args = ['merge-base', '--is-ancestor', checkedCommit(ancestor), checkedCommit(descendant)];
    return (await this.run(args, {okCodes: [1], signal})).code === 0;
  }

  async setRef(ref: string, commit: string, signal?: AbortSignal): Promise<void> {
    await this.run(['update-ref', ref, checkedCommit(commit)], {signal});
  }

  async deleteRefs(refs: readonly string[], signal?: AbortSignal): Promise<void> {
    if (refs.length === 0) return;
    const input = refs.map(ref => `delete ${ref}\n`).join('');
    await this.run(['update-ref', '--stdin'], {input, signal});
  }

  private options(options: RepositoryRun): GitRun {
    return {cwd: this.cwd, ...options, env: {GIT_DIR: this.folder, ...this.env, ...options.env}};
  }
}
