/** A small git repository for plans to work on, and what a session left in it. */
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';

const IDENTITY = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];

/** Makes `folder` a repository with one commit of these files, by path. */
export function createProject(folder: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(folder, {recursive: true});
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), {recursive: true});
    writeFileSync(path.join(folder, name), text);
  }
  git(folder, 'init', '--quiet', '--initial-branch=main');
  git(folder, 'add', '--all');
  git(folder, 'commit', '--quiet', '--message', 'start');
}

/** Runs git in the folder; returns what it printed. */
export function git(folder: string, ...args: string[]): string {
  const ran = spawnSync('git', ['-C', folder, ...IDENTITY, ...args], {encoding: 'utf8'});
  assert.equal(ran.status, 0, `git ${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
  return ran.stdout.trim();
}

/** The hash of the files at a commit or branch, whatever its history. */
export function treeOf(folder: string, commit: string): string {
  return git(folder, 'rev-parse', `${commit}^{tree}`);
}
