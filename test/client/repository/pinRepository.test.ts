import assert from 'node:assert/strict';
import {chmodSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import path from 'node:path';
import * as fc from 'fast-check';
import {unpackIncluded} from '../../../coordinator/artifacts/includeArchive.ts';
import {includeFiles} from '../../../coordinator/client/repository/includeFiles.ts';
import {
  LocalRepository,
  type RepositoryContext,
} from '../../../coordinator/client/repository/localRepository.ts';
import {type PinOptions, pinRepository} from '../../../coordinator/client/repository/pinRepository.ts';
import {FETCHED_REF, fetchRemote} from '../../../coordinator/client/repository/remoteRepository.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {temporaryFolder} from '../../artifacts/artifactHub.ts';
import {GitProject} from '../../artifacts/gitProject.ts';
import {changedNames, repositoryState} from './repositoryState.ts';

const code = (expected: string, hint?: RegExp) => (error: unknown) => {
  assert(isCoordinatorError(error), String(error));
  assert.equal(error.code, expected, error.message);
  if (hint) assert.match(error.hint ?? '', hint);
  return true;
};
const AT = 1_750_000_000_000;

describe('pinRepository', () => {
  let folder: string;
  let project: GitProject;
  let context: RepositoryContext;

  beforeEach(async () => {
    folder = await temporaryFolder();
    project = new GitProject(path.join(folder, 'project'));
    mkdirSync(path.join(folder, 'scratch'));
    context = {
      env: {PATH: process.env['PATH'], HOME: folder, GIT_DIR: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1'},
      temporaryFolder: path.join(folder, 'scratch'),
    };
  });
  afterEach(async () => {
    assert.deepEqual(readdirSync(path.join(folder, 'scratch')), [], 'scratch repositories are gone');
    await rm(folder, {recursive: true, force: true});
  });

  const open = (at = project.folder) => LocalRepository.open(at, context);
  /** Pins, takes the bundle into a fresh repository, and checks that nothing of the person's changed. */
  const pin = async (options: Partial<PinOptions> = {}, have: string[] = []) => {
    const before = repositoryState(project.folder);
    const pinned = await pinRepository(await open(), {at: AT, ...options});
    const file = path.join(folder, 'pin.bundle');
    rmSync(file, {force: true});
    const written = await pinned.bundle(file, have);
    await pinned.dispose();
    assert.deepEqual(changedNames(before, repositoryState(project.folder)), []);
    return {pin: pinned.pin, written, file};
  };
  const taken = (file: string, commit: string) => {
    rmSync(path.join(folder, 'taken'), {recursive: true, force: true});
    const copy = new GitProject(path.join(folder, 'taken'));
    copy.git('fetch', '-q', file, `refs/mcpx/commits/${commit}`);
    copy.git('checkout', '-q', commit);
    return copy;
  };

  it('names commit, project, branch, remote and what is not committed', async () => {
    const first = project.commit({'a.txt': 'a\n'});
    const head = project.commit({'a.txt': 'b\n'});
    project.git('remote', 'add', 'origin', 'https://user:secret@example.com/o/r.git');
    project.write({'a.txt': 'c\n', 'new file': 'n\n'});
    const {pin: found} = await pin();
    assert.deepEqual(found, {
      repositoryId: first,
      commit: head,
      tree: project.git('rev-parse', 'HEAD^{tree}'),
      uncommitted: false,
      dirty: ['a.txt', 'new file'],
      skipped: [],
      branch: 'main',
      remote: 'https://example.com/o/r.git',
    });
  });

  it('works from a folder inside, from a linked worktree, a bare repository and at another ref', async () => {
    const first = project.commit({'dir/a.txt': 'a\n'});
    const head = project.commit({'dir/a.txt': 'b\n'});
    project.git('tag', 'v1', first);
    project.git('worktree', 'add', '-q', path.join(folder, 'linked'), '-b', 'side', first);
    project.git('clone', '-q', '--bare', '.', path.join(folder, 'bare.git'));
    for (const [at, ref, commit] of [
      [path.join(project.folder, 'dir'), undefined, head],
      [path.join(folder, 'linked'), undefined, first],
      [path.join(folder, 'bare.git'), undefined, head],
      [project.folder, 'v1', first],
      [project.folder, 'HEAD~1', first],
      [project.folder, first.slice(0, 10), first],
    ] as const) {
      const pinned = await pinRepository(await open(at), {at: AT, ref});
      assert.deepEqual([pinned.pin.commit, pinned.pin.repositoryId], [commit, first], `${at} ${ref}`);
      const file = path.join(folder, 'pin.bundle');
      assert.equal((await pinned.bundle(file)).kind, 'written');
      taken(file, commit);
      await pinned.dispose();
    }
  });

  it('sends only what the hub has not', async () => {
    const first = project.commit({'a.txt': 'a\n'});
    const second = project.commit({'a.txt': 'b\n'});
    const unknown = '1'.repeat(40);
    const {written} = await pin({}, [first, unknown]);
    assert.deepEqual(written.kind === 'written' && written.prerequisites, [first]);
    assert.deepEqual((await pin({}, [second])).written, {kind: 'empty'});
  });

  it('takes uncommitted work along without touching index, refs or objects', async () => {
    project.commit({'a.txt': 'a\n', 'gone.txt': 'g\n', 'staged.txt': 's\n', '.gitignore': 'ignored\n'});
    const head = project.head();
    project.write({'staged.txt': 'staged\n', ignored: 'i\n', 'new/ü \n.txt': 'n\n', 'gone.txt': null});
    project.git('add', 'staged.txt');
    project.write({'a.txt': 'edited\n', 'run.sh': '#!/bin/sh\n'});
    chmodSync(path.join(project.folder, 'run.sh'), 0o755);
    symlinkSync('a.txt', path.join(project.folder, 'link'));
    const {pin: found, file} = await pin({uncommitted: true});
    assert.equal(found.uncommitted, true);
    const copy = taken(file, found.commit);
    assert.equal(copy.git('rev-parse', `${found.commit}^`), head);
    assert.equal(
      copy.git('diff', '--name-status', '-z', head, found.commit),
      [
        'M',
        'a.txt',
        'D',
        'gone.txt',
        'A',
        'link',
        'A',
        'new/ü \n.txt',
        'A',
        'run.sh',
        'M',
        'staged.txt',
        '',
      ].join('\0'),
    );
    assert.equal(
      (await pin({uncommitted: true})).pin.commit,
      found.commit,
      'the same work gives the same commit',
    );
  });

  it('is the HEAD itself when there is no uncommitted work', async () => {
    const head = project.commit({'a.txt': 'a\n'});
    const {pin: found} = await pin({uncommitted: true});
    assert.deepEqual([found.commit, found.uncommitted], [head, false]);
  });

  it('obeys the filters and line ends of the person, but runs no hook', async () => {
    project.commit({'.gitattributes': '*.up filter=up\n*.txt text\n', 'x.up': 'x\n'});
    project.git('config', 'filter.up.clean', 'tr a-z A-Z');
    project.git('config', 'core.hooksPath', '.hooks');
    mkdirSync(path.join(project.folder, '.hooks'));
    for (const hook of ['post-index-change', 'reference-transaction', 'pre-commit']) {
      writeFileSync(path.join(project.folder, '.hooks', hook), `#!/bin/sh\ntouch ${folder}/hooked\n`, {
        mode: 0o755,
      });
    }
    project.git('config', 'core.fsmonitor', `touch ${folder}/hooked; false`);
    project.write({'x.up': 'changed\n', 'crlf.txt': 'one\r\n'});
    rmSync(path.join(folder, 'hooked'), {force: true});
    const {pin: found, file} = await pin({uncommitted: true});
    assert(!readdirSync(folder).includes('hooked'));
    const copy = taken(file, found.commit);
    assert.equal(copy.git('show', `${found.commit}:x.up`), 'CHANGED');
    assert.equal(copy.git('show', `${found.commit}:crlf.txt`), 'one');
  });

  it('leaves out repositories inside this one, and says so', async () => {
    project.commit({'a.txt': 'a\n'});
    new GitProject(path.join(project.folder, 'inner')).commit({'x.txt': 'x\n'});
    new GitProject(path.join(project.folder, 'empty [x]'));
    project.write({'b.txt': 'b\n'});
    const {pin: found, file} = await pin({uncommitted: true});
    assert.deepEqual([...found.skipped].sort(), ['empty [x]/', 'inner/']);
    assert.equal(taken(file, found.commit).git('ls-tree', '-r', '--name-only', found.commit), 'a.txt\nb.txt');
  });

  it('never changes the repository, whatever state it is in', async () => {
    const files = ['a', 'b', 'dir/c', 'ignored'];
    const action = fc.record({
      file: fc.constantFrom(...files),
      act: fc.constantFrom('write', 'stage', 'delete', 'stash', 'commit', 'intend'),
      content: fc.integer({min: 0, max: 3}),
    });
    let round = 0;
    const until = performance.now() + 12_000;
    const stash = (): void => {
      try {
        project.git('stash', '-q', '-u');
      } catch {
        // git cannot stash an intended file; what it leaves then is one more state to be left alone.
      }
    };
    await fc.assert(
      fc.asyncProperty(fc.array(action, {maxLength: 6}), fc.boolean(), async (actions, uncommitted) => {
        // On a slow machine fewer of them will do; one that has begun comes to its end.
        if (performance.now() > until) return;
        project = new GitProject(path.join(folder, `round-${round++}`));
        project.commit({a: 'a\n', b: 'b\n', 'dir/c': 'c\n', '.gitignore': 'ignored\n'});
        for (const {file, act, content} of actions) {
          project.write({[file]: `${content}\n`});
          if (act === 'stage') project.git('add', '-f', file);
          else if (act === 'delete') project.write({[file]: null});
          else if (act === 'stash') stash();
          else if (act === 'commit') project.git('commit', '-q', '-a', '--allow-empty', '-m', 'c');
          else if (act === 'intend') project.git('add', '-f', '-N', file);
        }
        const {pin: found} = await pin({uncommitted});
        if (found.uncommitted) assert.notDeepEqual(found.dirty, []);
      }),
      {numRuns: 12},
    );
  });

  describe('refuses, and says what to do about it,', () => {
    it('a folder without git', async () => {
      await assert.rejects(open(context.temporaryFolder), code('git', /git init.*workspace: none/));
      await assert.rejects(open(path.join(folder, 'absent')), code('notFound'));
    });

    it('a repository without a commit, and a ref that it has not', async () => {
      await assert.rejects(pin(), code('git', /first commit/));
      await assert.rejects(pin({ref: 'main'}), code('git', /first commit/));
      project.commit({'a.txt': 'a\n'});
      for (const ref of ['nowhere', '--all', '-h']) await assert.rejects(pin({ref}), code('git', /fetch it/));
      await assert.rejects(pin({ref: 'main', uncommitted: true}), code('config'));
    });

    it('a shallow clone and a partial one', async () => {
      project.commit({'a.txt': 'a\n'});
      project.commit({'a.txt': 'b\n'});
      const url = `file://${project.folder}`;
      project.git('clone', '-q', '--depth', '1', url, path.join(folder, 'shallow'));
      await assert.rejects(open(path.join(folder, 'shallow')), code('git', /--unshallow.*fetch-depth: 0/));
      project.git('config', 'uploadpack.allowFilter', 'true');
      project.git('clone', '-q', '--filter=blob:none', '--no-checkout', url, path.join(folder, 'partial'));
      await assert.rejects(open(path.join(folder, 'partial')), code('git', /--filter/));
    });

    it('uncommitted work in the middle of a conflict', async () => {
      const base = project.commit({'a.txt': 'a\n'});
      project.branch('side', base, {'a.txt': 'side\n'});
      project.commit({'a.txt': 'main\n'});
      assert.throws(() => project.git('merge', 'side'));
      await assert.rejects(pin({uncommitted: true}), code('conflict', /finish or abort/));
      assert.equal((await pin()).pin.commit, project.head());
    });
  });

  describe('of a URL', () => {
    it('fetches branches, tags, commits and HEAD, again and again', async () => {
      const first = project.commit({'a.txt': 'a\n'});
      project.git('tag', 'v1');
      const url = `file://${project.folder}`;
      const cached = path.join(folder, 'cached', 'r.git');
      const at = async (ref?: string) => {
        const pinned = await pinRepository(await fetchRemote(url, ref, cached, context), {
          ref: FETCHED_REF,
          at: AT,
        });
        await pinned.dispose();
        return pinned.pin.commit;
      };
      assert.equal(await at(), first);
      const second = project.commit({'a.txt': 'b\n'});
      assert.equal(await at('main'), second);
      assert.equal(await at('v1'), first);
      await assert.rejects(at('nowhere'), code('git', /ls-remote/));
    });

    it('refuses what is not a URL, or would run a program', async () => {
      for (const url of ['ext::sh -c id', '--upload-pack=id', './x', 'C:\\x', 'fd::3', 'https://']) {
        await assert.rejects(
          fetchRemote(url, undefined, path.join(folder, 'x.git'), context),
          code('config'),
          url,
        );
      }
      for (const ref of ['--upload-pack=id', 'a:b', '+main', 'a b']) {
        const fetched = fetchRemote(`file://${project.folder}`, ref, path.join(folder, 'x.git'), context);
        await assert.rejects(fetched, code('config'), ref);
      }
    });
  });

  describe('workspace.include', () => {
    it('packs ignored and untracked files, folders and globs', async () => {
      project.commit({'a.txt': 'a\n', '.gitignore': '.env\nconf/*.pem\n'});
      project.write({
        '.env': 'SECRET\n',
        'conf/a.pem': 'a\n',
        'conf/b.pem': 'b\n',
        'conf/c.txt': 'c\n',
        'sub/.env': 's\n',
      });
      const repository = await open();
      const found = await includeFiles(repository, ['.env', 'conf/*.pem', '**/.env']);
      assert.deepEqual(found.paths, ['.env', 'conf/a.pem', 'conf/b.pem', 'sub/.env']);
      const target = path.join(folder, 'target');
      mkdirSync(target);
      await unpackIncluded(found.archive, target);
      assert.deepEqual(readdirSync(target, {recursive: true}).sort(), [
        '.env',
        'conf',
        'conf/a.pem',
        'conf/b.pem',
        'sub',
        'sub/.env',
      ]);
      assert.deepEqual((await includeFiles(repository, ['conf'])).paths, [
        'conf/a.pem',
        'conf/b.pem',
        'conf/c.txt',
      ]);
    });

    it('refuses patterns that match nothing, or only tracked files, or too much', async () => {
      project.commit({'a.txt': 'a\n'});
      project.write({large: 'x'.repeat(100), small: 'x'});
      const repository = await open();
      await assert.rejects(includeFiles(repository, ['nothing']), code('notFound'));
      await assert.rejects(includeFiles(repository, ['a.txt']), code('config', /take it out/));
      await assert.rejects(includeFiles(repository, ['../outside']));
      await assert.rejects(includeFiles(repository, ['large'], {maxFiles: 9, maxBytes: 99}), code('limit'));
      await assert.rejects(includeFiles(repository, ['*'], {maxFiles: 1, maxBytes: 999}), code('limit'));
    });

    it('is unpacked only where it belongs', async () => {
      project.commit({'a.txt': 'a\n'});
      project.write({secret: 's\n'});
      const {archive} = await includeFiles(await open(), ['secret']);
      const target = path.join(folder, 'target');
      mkdirSync(target);
      for (const name of ['../ab', '/a/bcd', '.git/x', '.GIT/x', 'a/../b', 'a\\\\..b']) {
        const padded = name.padEnd(6, 'x').slice(0, 6);
        const forged = Buffer.from(archive.toString('latin1').replace('secret', padded), 'latin1');
        await assert.rejects(unpackIncluded(forged, target), padded);
      }
      await assert.rejects(unpackIncluded(archive.subarray(0, -1), target), code('corrupt'));
      await assert.rejects(unpackIncluded(Buffer.from('other'), target), code('corrupt'));
      assert.deepEqual(readdirSync(target), []);
    });
  });

  it('survives a renamed repository folder between opening and pinning with a clear error', async () => {
    project.commit({'a.txt': 'a\n'});
    const repository = await open();
    renameSync(project.folder, `${project.folder}-moved`);
    await assert.rejects(pinRepository(repository, {at: AT}), code('git', /the folder must exist/));
  });
});
