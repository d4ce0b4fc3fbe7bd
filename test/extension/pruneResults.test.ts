/** What was kept of results goes when it is old or too much; a worktree keeps its repository. */
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {markUsed, pruneResults} from '../../extension/documents/pruneResults.ts';

const DAY_MS = 86_400_000;
const NOW = 1000 * DAY_MS;

describe('results that were kept', () => {
  let root: string;
  let results: string;
  let conflicts: string;
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'mcpx-prune-'));
    results = path.join(root, 'results');
    conflicts = path.join(root, 'conflicts');
  });
  afterEach(() => rmSync(root, {recursive: true, force: true}));

  const prune = () => pruneResults({results, conflicts, now: NOW});
  const left = (folder: string) => readdirSync(folder).sort();
  const looked = (folder: string, daysAgo: number) => {
    const at = new Date(NOW - daysAgo * DAY_MS);
    utimesSync(folder, at, at);
  };
  function repository(name: string, daysAgo: number): string {
    const folder = path.join(results, `${name}.git`);
    mkdirSync(folder, {recursive: true});
    looked(folder, daysAgo);
    return folder;
  }
  function worktree(name: string, of: string, daysAgo: number): void {
    const folder = path.join(conflicts, name);
    mkdirSync(folder, {recursive: true});
    writeFileSync(path.join(folder, '.git'), `gitdir: ${results}/${of}.git/worktrees/${name}\n`);
    looked(folder, daysAgo);
  }

  it('are nothing where nothing was', prune);

  it('go after 14 days without a look', async () => {
    repository('old', 15);
    const seen = repository('seen', 15);
    repository('new', 13);
    await markUsed(seen, NOW);
    assert.equal(statSync(seen).mtimeMs, NOW);
    await prune();
    assert.deepEqual(left(results), ['new.git', 'seen.git']);
  });

  it('are 16 at most, the newest', async () => {
    for (let number = 10; number < 30; number++) repository(`r${number}`, number / 10);
    await prune();
    const expected = Array.from({length: 16}, (_, index) => `r${10 + index}.git`);
    assert.deepEqual(left(results), expected);
  });

  it('stay while a worktree of theirs stays', async () => {
    repository('resolved', 20);
    repository('abandoned', 20);
    worktree('in-work', 'resolved', 2);
    worktree('left', 'abandoned', 20);
    await prune();
    assert.deepEqual(left(conflicts), ['in-work']);
    assert.deepEqual(left(results), ['resolved.git']);
  });

  it('are deleted to the end the next time, when a window was closed meanwhile', async () => {
    mkdirSync(path.join(results, 'half.git.gone', 'objects'), {recursive: true});
    repository('new', 0);
    await prune();
    assert.deepEqual(left(results), ['new.git']);
  });
});
