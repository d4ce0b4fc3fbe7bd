/** Changes between commits as the editor shows them, from bundles that were fetched, with real git. */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync} from 'node:fs';
import {copyFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {ArtifactSource} from '../../coordinator/artifacts/artifactCache.ts';
import {writeBundle} from '../../coordinator/artifacts/git/bundle.ts';
import {Git} from '../../coordinator/artifacts/git/gitCommand.ts';
import {GitRepository} from '../../coordinator/artifacts/git/gitRepository.ts';
import type {CommitBundle} from '../../coordinator/protocol/model/session.ts';
import {closureOf} from '../../extension/documents/resultBundles.ts';
import {ResultRepositories, type ResultRepository} from '../../extension/documents/resultRepository.ts';
import {UserRepository} from '../integration/userRepository.ts';

const LONG = Array.from({length: 30}, (_, line) => `line ${line}`).join('\n');

describe('results of sessions, from their bundles', () => {
  let folder: string;
  let repository: UserRepository;
  let repositories: ResultRepositories;
  const bundles = new Map<string, CommitBundle>();
  const fetched: string[] = [];
  let base: string;
  let left: string;
  let right: string;
  let clash: string;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-results-'));
    const env = {PATH: process.env['PATH'] ?? '', HOME: folder};
    repository = UserRepository.create(path.join(folder, 'user'), env, {
      'kept.txt': 'one\n',
      'gone.txt': 'gone\n',
      'moved.txt': LONG,
      'image.bin': 'a\0b',
      'clash.txt': 'none\n',
    });
    base = repository.git('rev-parse', 'HEAD');
    repository.write({
      'kept.txt': 'two\n',
      'ümläut/new file.txt': 'new\n',
      'image.bin': 'a\0c',
      'clash.txt': 'left\n',
    });
    repository.git('rm', '--quiet', 'gone.txt');
    repository.git('mv', 'moved.txt', 'there.txt');
    left = repository.commit('left');
    repository.git('checkout', '--quiet', '-b', 'other', base);
    repository.write({'right.txt': 'right\n'});
    right = repository.commit('right');
    repository.git('checkout', '--quiet', '-b', 'clash', base);
    repository.write({'clash.txt': 'other\n'});
    clash = repository.commit('clash');
    const git = new GitRepository(new Git('isolated', env), path.join(repository.folder, '.git'));
    await bundle(git, base, []);
    await bundle(git, left, [base]);
    await bundle(git, right, [base]);
    await bundle(git, clash, [base]);
    const source: ArtifactSource = {
      use: async (sha256, read) => {
        fetched.push(sha256);
        const copy = path.join(folder, `fetched-${fetched.length}`);
        await copyFile(path.join(folder, sha256), copy);
        return read(copy);
      },
    };
    repositories = new ResultRepositories({
      folder: path.join(folder, 'results'),
      env,
      source,
      clock: {wallNow: () => 1000},
    });
  });
  after(() => rmSync(folder, {recursive: true, force: true}));

  /** Its file is called by a digest that is made up. */
  async function bundle(git: GitRepository, commit: string, exclude: string[]): Promise<void> {
    const sha256 = commit.padEnd(64, '0');
    const written = await writeBundle(git, {commit, exclude, file: path.join(folder, sha256)});
    assert(written.kind === 'written');
    bundles.set(commit, {commit, sha256, bytes: written.bytes, prerequisites: written.prerequisites});
  }

  function bring(...commits: string[]): Promise<ResultRepository> {
    return repositories.bring('project', commits, closureOf(commits, bundles));
  }

  it('tell every file that was changed, added, deleted, renamed, whatever it holds', async () => {
    const results = await bring(base, left);
    const changes = await results.changes(base, left);
    assert.deepEqual(
      changes.map(({before, after}) => [before?.path, after?.path]),
      [
        ['clash.txt', 'clash.txt'],
        ['gone.txt', undefined],
        ['image.bin', 'image.bin'],
        ['kept.txt', 'kept.txt'],
        ['moved.txt', 'there.txt'],
        [undefined, 'ümläut/new file.txt'],
      ],
    );
    const kept = changes.find(({after}) => after?.path === 'kept.txt');
    const image = changes.find(({after}) => after?.path === 'image.bin');
    assert.equal(Buffer.from(await results.read(kept?.after?.object ?? '')).toString(), 'two\n');
    assert.equal(Buffer.from(await results.read(image?.before?.object ?? '')).toString(), 'a\0b');
    assert.equal(await results.size(kept?.before?.object ?? ''), 4);
  });

  it('are fetched once, and are there for a later window', async () => {
    await bring(base, left);
    const before = fetched.length;
    await bring(base, left);
    assert.equal(fetched.length, before);
    const again = repositories.known(repositories.nameOf('project'));
    assert.equal((await again.changes(base, left)).length, 6);
    assert.throws(() => repositories.known('0'.repeat(16)), {code: 'notFound'});
    assert.throws(() => repositories.known('../user'), {code: 'notFound'});
  });

  it('of an attempt are against the merge of all that it began with', async () => {
    const results = await bring(left, right);
    const merged = await results.mergedInputs([base, left, right, left]);
    const since = await results.changes(base, merged);
    assert.deepEqual(
      since.map(({after}) => after?.path).filter(name => name === 'right.txt' || name === 'kept.txt'),
      ['kept.txt', 'right.txt'],
    );
    assert.equal(await results.mergedInputs([base, left]), left);
  });

  it('are merged without what conflicts with those before it', async () => {
    const results = await bring(left, right, clash);
    const {commit, leftOut} = await results.merged([left, clash, right]);
    assert.deepEqual(leftOut, [clash]);
    const changed = (await results.changes(base, commit)).map(({after}) => after?.path);
    assert.ok(changed.includes('right.txt') && changed.includes('kept.txt'), changed.join());
    assert.equal(await results.mergedInputs([left, clash, right]), left);
  });

  it('say so when nothing brings a commit', async () => {
    await assert.rejects(bring('f'.repeat(40)), {code: 'notFound'});
  });

  it('need what their bundles stand on, and that first', () => {
    assert.deepEqual(
      closureOf([left, right], bundles).map(({commit}) => commit),
      [base, left, right],
    );
  });
});
