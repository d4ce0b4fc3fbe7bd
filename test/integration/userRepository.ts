/** A person's git repository in the tests of the command, and a digest of all in it that MCPX must leave alone. */
import assert from 'node:assert/strict';
import {type SpawnSyncReturns, spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync} from 'node:fs';
import path from 'node:path';

/** Objects may be added; the result's branch is what a run writes. */
const MAY_CHANGE = [/^\.git\/objects(\/|$)/, /^\.git\/(logs\/)?refs\/heads\/mcpx(\/|$)/];

const IDENTITY = ['-c', 'user.name=Ada', '-c', 'user.email=ada@localhost', '-c', 'commit.gpgsign=false'];

export class UserRepository {
  constructor(
    readonly folder: string,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  /** With one commit of `files`. */
  static create(
    folder: string,
    env: Readonly<Record<string, string>>,
    files: Readonly<Record<string, string>> | {readonly copyOf: string},
  ): UserRepository {
    const repository = new UserRepository(folder, env);
    mkdirSync(folder, {recursive: true});
    if (typeof files['copyOf'] === 'string') cpSync(files['copyOf'], folder, {recursive: true});
    else repository.write(files as Readonly<Record<string, string>>);
    repository.git('init', '--quiet', '--initial-branch=main');
    repository.commit('start');
    return repository;
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(this.folder, name);
      mkdirSync(path.dirname(file), {recursive: true});
      writeFileSync(file, text);
    }
  }

  read(name: string): string {
    return readFileSync(path.join(this.folder, name), 'utf8');
  }

  commit(message: string): string {
    this.git('add', '--all');
    this.git('commit', '--quiet', '--allow-empty', '--message', message);
    return this.git('rev-parse', 'HEAD');
  }

  /** Its output without the last line feed. */
  git(...args: string[]): string {
    const ran = this.tryGit(...args);
    assert.equal(ran.status, 0, `git ${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
    return ran.stdout.replace(/\n$/, '');
  }

  tryGit(...args: string[]): SpawnSyncReturns<string> {
    return spawnSync('git', ['-C', this.folder, ...IDENTITY, ...args], {
      encoding: 'utf8',
      env: {...this.env},
    });
  }

  /** Paths of a commit, sorted. */
  files(commit: string): string[] {
    return this.git('ls-tree', '-r', '--name-only', commit).split('\n').sort();
  }

  show(commit: string, file: string): string {
    return this.git('show', `${commit}:${file}`);
  }

  branches(): string[] {
    return this.git('for-each-ref', '--format=%(refname:short)', 'refs/heads').split('\n').filter(Boolean);
  }

  /** Path -> what it is, of checkout, index, HEAD, refs, reflogs, configuration, stash and worktrees. */
  digest(): Record<string, string> {
    const found: Record<string, string> = {};
    const visit = (relative: string): void => {
      if (MAY_CHANGE.some(pattern => pattern.test(relative))) return;
      const full = path.join(this.folder, relative);
      const stat = lstatSync(full);
      if (stat.isSymbolicLink()) found[relative] = `-> ${readlinkSync(full)}`;
      else if (stat.isDirectory()) {
        found[relative] = 'folder';
        for (const name of readdirSync(full)) visit(relative === '' ? name : `${relative}/${name}`);
      } else
        found[relative] =
          `${stat.mode.toString(8)} ${createHash('sha256').update(readFileSync(full)).digest('hex')}`;
    };
    visit('');
    return found;
  }
}
