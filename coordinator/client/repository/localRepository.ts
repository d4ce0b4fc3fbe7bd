/**
 * A person's repository, which this side reads and, only on request, adds to. Everything that needs objects or refs of ours happens in a scratch
 * repository that borrows the person's objects and is gone afterwards.
 */
import {existsSync} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import path from 'node:path';
import {Git, type GitOutput, type GitRun} from '../../artifacts/git/gitCommand.ts';
import {GitRepository} from '../../artifacts/git/gitRepository.ts';
import {CoordinatorError} from '../../runtime/errors.ts';

export interface RepositoryContext {
  /** Environment of the person's process: PATH, HOME, and how their git connects. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** An existing folder for scratch repositories, such as the system's. */
  readonly temporaryFolder: string;
}

export class LocalRepository {
  /** In the person's configuration, without their hooks; writes nothing by itself. */
  private readonly reading: Git;
  /** In the person's name, with their hooks, identity and signing. */
  private readonly acting: Git;
  private readonly isolated: Git;

  private constructor(
    /** Absolute path of the checkout, or of the git directory of a bare repository. */
    readonly root: string,
    /** Of this checkout: HEAD, index. */
    readonly gitDir: string,
    /** Of all checkouts: objects, refs. */
    readonly commonDir: string,
    readonly bare: boolean,
    private readonly context: RepositoryContext,
  ) {
    this.reading = new Git('reading', context.env);
    this.acting = new Git('acting', context.env);
    this.isolated = new Git('isolated', context.env);
  }

  /** `folder` may lie anywhere in the checkout. Errors: `notFound` (no folder), `git` (not a repository, or one whose history is not all here). */
  static async open(
    folder: string,
    context: RepositoryContext,
    signal?: AbortSignal,
  ): Promise<LocalRepository> {
    if (!existsSync(folder)) throw new CoordinatorError('notFound', `there is no folder ${folder}`);
    const git = new Git('reading', context.env);
    const questions = [
      '--is-bare-repository',
      '--is-shallow-repository',
      '--absolute-git-dir',
      '--git-common-dir',
    ];
    const answers = await git.run(['rev-parse', '--path-format=absolute', ...questions], {
      cwd: folder,
      okCodes: [128],
      signal,
    });
    if (answers.code !== 0) {
      throw new CoordinatorError(
        'git',
        `${folder} is not in a git repository git can use: ${answers.stderr.trim()}`,
        {
          hint: 'run "git init" there and commit, name another repository in the plan, or set "workspace: none"',
        },
      );
    }
    const [bareText, shallow, gitDir = '', commonDir = ''] = answers.stdout
      .toString('utf8')
      .trimEnd()
      .split('\n');
    if (shallow === 'true') {
      throw new CoordinatorError('git', `${folder} is a shallow clone: parts of its history are missing`, {
        hint: 'run "git fetch --unshallow" there; in CI, check out with the full history (fetch-depth: 0)',
      });
    }
    const promisor = await git.run(['config', '--get-regexp', '^remote\\..*\\.promisor$', 'true'], {
      cwd: folder,
      okCodes: [1],
      signal,
    });
    if (promisor.code === 0) {
      throw new CoordinatorError('git', `${folder} is a partial clone: some of its files are not here`, {
        hint: 'use a clone without --filter',
      });
    }
    const bare = bareText === 'true';
    const root = bare ? gitDir : await git.text(['rev-parse', '--show-toplevel'], {cwd: folder, signal});
    return new LocalRepository(path.resolve(root), gitDir, commonDir, bare, context);
  }

  /** Asks git in the person's configuration. Must not be used for what writes to their repository. */
  read(args: readonly string[], options: Partial<GitRun> = {}): Promise<GitOutput> {
    return this.reading.run(args, {cwd: this.root, ...options});
  }

  async readText(args: readonly string[], options: Partial<GitRun> = {}): Promise<string> {
    return (await this.read(args, options)).stdout.toString('utf8').replace(/\n$/, '');
  }

  /** Adds to the repository without the person's hooks. */
  write(args: readonly string[], options: Partial<GitRun> = {}): Promise<GitOutput> {
    return this.reading.run(args, {cwd: this.root, ...options});
  }

  /** Does what the person asked for, in their name: their hooks run, their key signs. */
  act(args: readonly string[], options: Partial<GitRun> = {}): Promise<GitOutput> {
    return this.acting.run(args, {cwd: this.root, ...options});
  }

  /** The commit id that `expression` names; undefined when it names none. */
  async resolve(expression: string, signal?: AbortSignal): Promise<string | undefined> {
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${expression}^{commit}`];
    const found = await this.read(args, {okCodes: [1, 128], signal});
    return found.code === 0 ? found.stdout.toString('latin1').trim() : undefined;
  }

  /** A bare repository of ours that sees every object of this one; the caller disposes of it. */
  async scratch(like: string): Promise<ScratchRepository> {
    const folder = await mkdtemp(path.join(this.context.temporaryFolder, 'mcpx-repository-'));
    try {
      const alternates = [path.join(this.commonDir, 'objects')];
      const repository = await GitRepository.create(this.isolated, path.join(folder, 'scratch.git'), {
        like,
        alternates,
      });
      return new ScratchRepository(folder, repository);
    } catch (error) {
      await rm(folder, {recursive: true, force: true});
      throw error;
    }
  }
}

export class ScratchRepository {
  constructor(
    readonly folder: string,
    readonly repository: GitRepository,
  ) {}

  /** Environment by which a command in the person's repository writes its objects here instead. */
  get objectsHere(): Record<string, string> {
    return {GIT_OBJECT_DIRECTORY: path.join(this.repository.folder, 'objects')};
  }

  async dispose(): Promise<void> {
    await rm(this.folder, {recursive: true, force: true, maxRetries: 5});
  }
}
