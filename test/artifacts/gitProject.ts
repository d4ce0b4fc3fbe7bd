/** A person's git repository in a temporary folder, driven by the real git. */
import {execFileSync} from 'node:child_process';
import {mkdirSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';

const ENV = {
  PATH: process.env['PATH'] ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
};

export class GitProject {
  private seconds = 1_700_000_000;

  constructor(readonly folder: string) {
    mkdirSync(folder, {recursive: true});
    this.git('init', '-q', '-b', 'main');
  }

  /** Runs git in the project; gives its output without the last line end. */
  git(...args: string[]): string {
    const date = `@${this.seconds++} +0000`;
    const env = {...ENV, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date};
    return execFileSync('git', args, {
      cwd: this.folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 2 ** 28,
    })
      .toString('utf8')
      .replace(/\n$/, '');
  }

  /** Writes files; `null` deletes. */
  write(files: Readonly<Record<string, string | Buffer | null>>): void {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(this.folder, name);
      if (content === null) rmSync(file);
      else {
        mkdirSync(path.dirname(file), {recursive: true});
        writeFileSync(file, content);
      }
    }
  }

  /** Writes files and commits everything; gives the commit id. */
  commit(files: Readonly<Record<string, string | Buffer | null>>, message = 'change'): string {
    this.write(files);
    this.git('add', '-A');
    this.git('commit', '-q', '--allow-empty', '-m', message);
    return this.head();
  }

  /** Commits `files` on a new branch that starts at `from`, and leaves `main` checked out. */
  branch(name: string, from: string, files: Readonly<Record<string, string | Buffer | null>>): string {
    this.git('checkout', '-q', '-b', name, from);
    const commit = this.commit(files, name);
    this.git('checkout', '-q', 'main');
    return commit;
  }

  head(): string {
    return this.git('rev-parse', 'HEAD');
  }
}
