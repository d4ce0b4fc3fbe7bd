import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {rm} from 'node:fs/promises';
import path from 'node:path';
import type {CommitResult} from '../../../coordinator/agent/workspace/commitWork.ts';
import {hasConflictMarkers} from '../../../coordinator/agent/workspace/unresolvedPaths.ts';
import type {Workspace} from '../../../coordinator/agent/workspace/workspace.ts';
import {packIncluded} from '../../../coordinator/artifacts/includeArchive.ts';
import type {CommitBundle} from '../../../coordinator/protocol/model/session.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {temporaryFolder} from '../../artifacts/artifactHub.ts';
import {GitProject} from '../../artifacts/gitProject.ts';
import {AUTHOR, commitOf, Machine, SharedArtifacts, workGit} from './machine.ts';

const code = (expected: string) => (error: unknown) => isCoordinatorError(error) && error.code === expected;

describe("an attempt's result", () => {
  let folder: string;
  let project: GitProject;
  let artifacts: SharedArtifacts;
  let machine: Machine;

  beforeEach(async () => {
    folder = await temporaryFolder();
    project = new GitProject(path.join(folder, 'project'));
    artifacts = new SharedArtifacts(path.join(folder, 'artifacts'));
    machine = new Machine(path.join(folder, 'one'), artifacts, {limits: {maxFileBytes: 100_000}});
  });
  afterEach(() => rm(folder, {recursive: true, force: true}));

  const start = async (files: Record<string, string | Buffer>, extra: object = {}) => {
    const base = project.commit(files);
    const {workspace} = await machine.ready({
      base,
      bundles: [await artifacts.bundle(project, base)],
      ...extra,
    });
    return {base, workspace};
  };
  const request = {message: 'Did it', trailers: {'MCPX-Task': 'task'}, author: AUTHOR, at: 1_750_000_000_000};
  const refusal = (result: CommitResult) => (result.kind === 'refused' ? result.reason : result.kind);
  const put = (workspace: Workspace, name: string, content: string | Buffer) => {
    mkdirSync(path.dirname(path.join(workspace.path, name)), {recursive: true});
    writeFileSync(path.join(workspace.path, name), content);
  };
  /** The files of a commit as the project sees them after taking in the bundle. */
  const arrived = (bundle: CommitBundle | undefined) => {
    assert(bundle);
    const ref = `refs/mcpx/commits/${bundle.commit}`;
    project.git('fetch', '-q', path.join(folder, 'artifacts', bundle.sha256), `${ref}:${ref}`);
    return bundle.commit;
  };

  it('is everything that changed, with author, trailers and date, and repeats as the same commit', async () => {
    const {base, workspace} = await start({'a.txt': 'a\n', 'gone.txt': 'g\n', '.gitignore': 'ignored\n'});
    put(workspace, 'a.txt', 'b\n');
    put(workspace, 'dir/new.txt', 'n\n');
    put(workspace, 'ignored', 'i\n');
    rmSync(path.join(workspace.path, 'gone.txt'));
    const result = await workspace.commitResult(request);
    assert(result.kind === 'committed');
    assert.equal(result.changedFiles, 3);
    assert.deepEqual(await workspace.commitResult(request), result);
    const commit = arrived(await workspace.bundleResult(result.commit));
    assert.equal(
      project.git('log', '-1', '--format=%P|%an|%ae|%at|%B', commit),
      `${base}|Agent one|agent@example.com|1750000000|Did it\n\nMCPX-Task: task\n`,
    );
    assert.equal(project.git('diff', '--name-status', base, commit), 'M\ta.txt\nA\tdir/new.txt\nD\tgone.txt');
  });

  it('can be bundled whole, so that a receiver needs the base and none of its inputs', async () => {
    const base = project.commit({'a.txt': 'a\n'});
    const input = project.branch('input', base, {'b.txt': 'b\n'});
    const bundles = [await artifacts.bundle(project, base), await artifacts.bundle(project, input, [base])];
    const {workspace} = await machine.ready({base, bundles, inputs: [{taskId: 'before', commit: input}]});
    assert.equal(await workspace.bundleResult(input, undefined, {whole: true}), undefined);
    put(workspace, 'c.txt', 'c\n');
    const commit = await commitOf(workspace);
    const whole = await workspace.bundleResult(commit, undefined, {whole: true});
    assert.deepEqual(whole?.prerequisites, [base]);
    assert.deepEqual((await workspace.bundleResult(commit))?.prerequisites, [base, input]);
    project.git('branch', '-q', '-D', 'input');
    project.git('reflog', 'expire', '--expire=now', '--all');
    project.git('gc', '-q', '--prune=now');
    assert.equal(project.git('show', `${arrived(whole)}:b.txt`), 'b');
  });

  it('is the start when nothing changed, and then needs no bundle', async () => {
    const {base, workspace} = await start({'a.txt': 'a\n'});
    assert.deepEqual(await workspace.commitResult(request), {
      kind: 'unchanged',
      commit: base,
      tree: project.git('rev-parse', `${base}^{tree}`),
    });
    assert.equal(await workspace.bundleResult(base), undefined);
  });

  it('keeps unusual names, modes, links and binary content', async () => {
    const {base, workspace} = await start({'run.sh': 'x\n'});
    const odd = [
      'with space',
      'new\nline',
      'tab\there',
      '-dash',
      'quote"',
      "'",
      'ünï',
      ':colon',
      '*',
      '#hash',
      '!bang',
    ];
    for (const name of odd) put(workspace, `odd/${name}`, `${name}\n`);
    writeFileSync(
      Buffer.concat([Buffer.from(`${workspace.path}/odd/raw-`), Buffer.from([0xff, 0xfe])]),
      'raw\n',
    );
    chmodSync(path.join(workspace.path, 'run.sh'), 0o755);
    symlinkSync('run.sh', path.join(workspace.path, 'link'));
    put(workspace, 'bin', Buffer.from([0, 255, 10, 13, 10]));
    const commit = arrived(await workspace.bundleResult(await commitOf(workspace)));
    project.git('checkout', '-q', commit);
    for (const name of odd)
      assert.equal(readFileSync(path.join(project.folder, 'odd', name), 'utf8'), `${name}\n`);
    assert.equal(lstatSync(path.join(project.folder, 'run.sh')).mode & 0o111, 0o111);
    assert(lstatSync(path.join(project.folder, 'link')).isSymbolicLink());
    assert.deepEqual(readFileSync(path.join(project.folder, 'bin')), Buffer.from([0, 255, 10, 13, 10]));
    assert.equal(
      project.git('diff', '--name-only', '-z', base, commit).split('\0').length - 1,
      odd.length + 4,
    );
  });

  it('contains commits that the work made itself, on whatever branch it left', async () => {
    const {base, workspace} = await start({'a.txt': 'a\n', '.gitignore': '*.out\n'});
    await workGit(workspace, 'checkout', '-q', '-b', 'elsewhere');
    put(workspace, 'b.txt', 'b\n');
    await workGit(workspace, 'add', '-A');
    await workGit(workspace, 'commit', '-q', '-m', 'own commit');
    put(workspace, 'forced.out', 'f\n');
    await workGit(workspace, 'add', '-f', 'forced.out');
    put(workspace, 'plain.out', 'p\n');
    const commit = arrived(await workspace.bundleResult(await commitOf(workspace)));
    assert.equal(project.git('log', '--format=%s', `${base}..${commit}`), 'result\nown commit');
    assert.equal(project.git('diff', '--name-only', base, commit), 'b.txt\nforced.out');
  });

  it('is the commit of the work itself when it left nothing else', async () => {
    const {workspace} = await start({'a.txt': 'a\n'});
    put(workspace, 'a.txt', 'b\n');
    await workGit(workspace, 'commit', '-q', '-a', '-m', 'own commit');
    await workGit(workspace, 'checkout', '-q', '--detach');
    assert.equal(await commitOf(workspace), await workGit(workspace, 'rev-parse', 'HEAD'));
  });

  it('is complete without the attempt: nothing of it stays only in the worktree', async () => {
    const {workspace} = await start({'a.txt': 'a\n'});
    put(workspace, 'staged.txt', 'staged\n');
    await workGit(workspace, 'add', '-A');
    await workGit(workspace, 'commit', '-q', '-m', 'own');
    put(workspace, 'second.txt', 'second\n');
    await workGit(workspace, 'add', '-A');
    const commit = await commitOf(workspace);
    const cache = await machine.workspaces.repositories.repository('project', commit);
    await cache.setRef('refs/test', commit);
    await machine.workspaces.release(workspace.attemptId, {keep: false});
    await cache.run(['fsck', '--full', '--strict', '--no-dangling']);
  });

  for (const {name, act} of [
    {name: 'rewrote the start', act: ['commit', '-q', '--amend', '-m', 'rewritten']},
    {name: 'began a history of its own', act: ['checkout', '-q', '--orphan', 'fresh']},
  ]) {
    it(`is refused when the work ${name}`, async () => {
      const {workspace} = await start({'a.txt': 'a\n'});
      await workGit(workspace, ...act);
      assert.equal(refusal(await workspace.commitResult(request)), 'notDescendant');
    });
  }

  it('is refused when the work destroyed its repository', async () => {
    const {workspace} = await start({'a.txt': 'a\n'});
    rmSync(path.join(workspace.path, '.git'), {recursive: true});
    assert.equal(refusal(await workspace.commitResult(request)), 'notDescendant');
  });

  it('is refused with nested repositories, with or without commits, and accepted once they are ignored', async () => {
    const {workspace} = await start({'a.txt': 'a\n'});
    for (const name of ['empty', 'deep/full']) {
      const nested = new GitProject(path.join(workspace.path, name));
      if (name !== 'empty') nested.commit({'x.txt': 'x\n'});
    }
    const result = await workspace.commitResult(request);
    assert(result.kind === 'refused' && result.reason === 'nestedRepository');
    assert.deepEqual([...result.paths].sort(), ['deep/full/', 'empty/']);
    await workGit(workspace, 'add', 'deep/full');
    await workGit(workspace, 'commit', '-q', '-m', 'committed it');
    rmSync(path.join(workspace.path, 'empty'), {recursive: true});
    assert.equal(refusal(await workspace.commitResult(request)), 'nestedRepository');
    await workGit(workspace, 'reset', '-q', 'HEAD~1');
    put(workspace, '.gitignore', 'deep\n');
    assert.equal(refusal(await workspace.commitResult(request)), 'committed');
  });

  it('leaves submodules as they are', async () => {
    const library = new GitProject(path.join(folder, 'library'));
    const pinned = library.commit({'lib.txt': 'l\n'});
    project.commit({'a.txt': 'a\n'});
    project.git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', library.folder, 'lib');
    const {base, workspace} = await start({});
    put(workspace, 'a.txt', 'b\n');
    const commit = arrived(await workspace.bundleResult(await commitOf(workspace)));
    assert.equal(project.git('diff', '--name-only', base, commit), 'a.txt');
    assert.equal(project.git('rev-parse', `${commit}:lib`), pinned);
  });

  it('is refused with files that are too large, whether the work committed them or not', async () => {
    const {workspace} = await start({'a.txt': 'a\n'});
    put(workspace, 'large', Buffer.alloc(100_001));
    assert.equal(refusal(await workspace.commitResult(request)), 'fileTooLarge');
    await workGit(workspace, 'add', '-A');
    await workGit(workspace, 'commit', '-q', '-m', 'large');
    assert.equal(refusal(await workspace.commitResult(request)), 'fileTooLarge');
    rmSync(path.join(workspace.path, 'large'));
    assert.equal(refusal(await workspace.commitResult(request)), 'committed');
  });

  it('is not sent beyond the limit of a bundle', async () => {
    machine = new Machine(path.join(folder, 'small'), artifacts, {limits: {maxBundleBytes: 10}});
    const {workspace} = await start({'a.txt': 'a\n'});
    put(workspace, 'a.txt', 'b\n');
    await assert.rejects(workspace.bundleResult(await commitOf(workspace)), code('limit'));
  });

  describe('with included files', () => {
    const include = async (files: Record<string, string>) => {
      const source = path.join(folder, 'source');
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(path.dirname(path.join(source, name)), {recursive: true});
        writeFileSync(path.join(source, name), content);
      }
      chmodSync(path.join(source, Object.keys(files)[0] ?? ''), 0o640);
      return (await artifacts.upload(await packIncluded(source, Object.keys(files)))).sha256;
    };

    it('has none of them, ignored or not, also when they changed', async () => {
      const digest = await include({'.env': 'SECRET=1\n', 'conf/key [1].pem': 'key\n'});
      const {base, workspace} = await start({'a.txt': 'a\n'}, {include: digest});
      assert.equal(readFileSync(path.join(workspace.path, 'conf/key [1].pem'), 'utf8'), 'key\n');
      assert.equal(lstatSync(path.join(workspace.path, '.env')).mode & 0o777, 0o640);
      assert.equal(await workGit(workspace, 'status', '--porcelain'), '');
      assert.deepEqual(await workspace.commitResult(request), {
        kind: 'unchanged',
        commit: base,
        tree: project.git('rev-parse', `${base}^{tree}`),
      });
      put(workspace, '.env', 'SECRET=2\n');
      put(workspace, 'conf/other.pem', 'other\n');
      const commit = arrived(await workspace.bundleResult(await commitOf(workspace)));
      assert.equal(project.git('diff', '--name-only', base, commit), 'conf/other.pem');
    });

    it('is refused when the work committed one, even if it took it out again', async () => {
      const {workspace} = await start({'a.txt': 'a\n'}, {include: await include({'.env': 'SECRET=1\n'})});
      await workGit(workspace, 'add', '-f', '.env');
      await workGit(workspace, 'commit', '-q', '-m', 'leak');
      assert.equal(refusal(await workspace.commitResult(request)), 'includedFile');
      await workGit(workspace, 'rm', '-q', '--cached', '.env');
      await workGit(workspace, 'commit', '-q', '-m', 'hide');
      assert.equal(refusal(await workspace.commitResult(request)), 'includedFile');
    });

    it('cannot begin when one is tracked, or would be written through a link', async () => {
      const base = project.commit({'.env': 'tracked\n', 'a.txt': 'a\n'});
      symlinkSync('/tmp', path.join(project.folder, 'conf'));
      const linked = project.commit({});
      const bundles = [
        await artifacts.bundle(project, base),
        await artifacts.bundle(project, linked, [base]),
      ];
      const tracked = await include({'.env': 'x\n'});
      await assert.rejects(machine.prepare({base, bundles, include: tracked}), code('config'));
      rmSync(path.join(folder, 'source'), {recursive: true});
      const through = await include({'conf/mcpx-escape.pem': 'x\n'});
      await assert.rejects(machine.prepare({base: linked, bundles, include: through}), code('config'));
      assert.equal(existsSync('/tmp/mcpx-escape.pem'), false);
    });
  });

  describe('of a merge whose conflicts were kept', () => {
    const conflicted = async () => {
      const base = project.commit({'a.txt': 'a\n', 'b.txt': 'b\n', bin: Buffer.from([0]), 'c.txt': 'c\n'});
      const commits = [
        project.branch('one', base, {'a.txt': 'one\n', 'one.txt': '1\n'}),
        project.branch('two', base, {'a.txt': 'two\n', 'b.txt': null, bin: Buffer.from([0, 2])}),
        project.branch('three', base, {'b.txt': 'three\n', bin: Buffer.from([0, 3]), 'three.txt': '3\n'}),
      ];
      const bundles = [await artifacts.bundle(project, base)];
      for (const commit of commits) bundles.push(await artifacts.bundle(project, commit, [base]));
      const inputs = commits.map((commit, n) => ({taskId: ['one', 'two', 'three'][n] ?? '', commit}));
      const ready = await machine.ready({base, bundles, inputs, onConflict: 'keepMarkers'});
      return {...ready, commits};
    };

    it('shows the work a merge in progress with every side named', async () => {
      const {workspace, conflicts, commits} = await conflicted();
      assert.deepEqual(
        conflicts.map(({paths, ours, theirs}) => [paths, ours.taskId, theirs.taskId]),
        [
          [['a.txt'], 'one', 'two'],
          [['b.txt', 'bin'], 'two', 'three'],
        ],
      );
      assert.equal(await workGit(workspace, 'rev-parse', 'HEAD'), commits[0]);
      assert(hasConflictMarkers(readFileSync(path.join(workspace.path, 'a.txt'), 'utf8')));
      assert(existsSync(path.join(workspace.path, 'three.txt')));
      const status = await workGit(workspace, 'status', '--porcelain');
      assert.match(status, /^UU a\.txt$/m);
      assert.match(status, /^UU bin$/m);
      assert.match(status, /^D?U[AD]? b\.txt$/m);
      assert.match(await workGit(workspace, 'status'), /You have unmerged paths/);
    });

    it('is refused while conflicts are as they were', async () => {
      const {workspace} = await conflicted();
      const result = await workspace.commitResult(request);
      assert(result.kind === 'refused' && result.reason === 'unresolvedConflict');
      assert.deepEqual([...result.paths].sort(), ['a.txt', 'b.txt', 'bin']);
      assert.equal((await workspace.checkpoint(request)).kind, 'committed');
      put(workspace, 'a.txt', 'resolved\n');
      await workGit(workspace, 'add', 'bin');
      await workGit(workspace, 'rm', '-q', 'b.txt');
      assert.equal(refusal(await workspace.commitResult(request)), 'committed');
    });

    for (const commits of [false, true]) {
      it(`has every input as an ancestor when the work ${commits ? 'committed' : 'only edited'} its resolution`, async () => {
        const {workspace, commits: inputs} = await conflicted();
        put(workspace, 'a.txt', 'both\n');
        put(workspace, 'b.txt', 'b2\n');
        put(workspace, 'bin', Buffer.from([0, 5]));
        if (commits) {
          await workGit(workspace, 'add', '-A');
          await workGit(workspace, 'commit', '-q', '--no-edit');
        }
        const commit = arrived(await workspace.bundleResult(await commitOf(workspace)));
        for (const input of inputs) project.git('merge-base', '--is-ancestor', input, commit);
        assert.equal(project.git('show', `${commit}:a.txt`), 'both');
        assert.equal(project.git('show', `${commit}:three.txt`), '3');
      });
    }

    it('has every input as an ancestor also when the work abandoned the merge and wrote the result by hand', async () => {
      const {workspace, commits} = await conflicted();
      await workGit(workspace, 'reset', '-q', '--hard');
      put(workspace, 'a.txt', 'by hand\n');
      const commit = arrived(await workspace.bundleResult(await commitOf(workspace)));
      for (const input of commits) project.git('merge-base', '--is-ancestor', input, commit);
    });
  });

  it('as a checkpoint leaves the work alone', async () => {
    const {base, workspace} = await start({'a.txt': 'a\n'});
    put(workspace, 'a.txt', 'staged\n');
    await workGit(workspace, 'add', 'a.txt');
    put(workspace, 'a.txt', 'edited\n');
    const before = [
      await workGit(workspace, 'status', '--porcelain'),
      readFileSync(path.join(workspace.path, '.git', 'index')),
    ];
    const result = await workspace.checkpoint(request);
    assert(result.kind === 'committed');
    const after = [
      await workGit(workspace, 'status', '--porcelain'),
      readFileSync(path.join(workspace.path, '.git', 'index')),
    ];
    assert.deepEqual(after, before);
    assert.equal(await workGit(workspace, 'rev-parse', 'HEAD'), base);
    arrived(await workspace.bundleResult(result.commit));
    assert.equal(project.git('show', `${result.commit}:a.txt`), 'edited');
  });

  it('survives a worktree whose files became folders and the other way round', async () => {
    const {workspace} = await start({file: 'f\n', 'dir/x': 'x\n'});
    rmSync(path.join(workspace.path, 'file'));
    put(workspace, 'file/inside', 'i\n');
    renameSync(path.join(workspace.path, 'dir/x'), path.join(workspace.path, 'x'));
    rmSync(path.join(workspace.path, 'dir'), {recursive: true});
    put(workspace, 'dir', 'now a file\n');
    const commit = arrived(await workspace.bundleResult(await commitOf(workspace)));
    assert.equal(project.git('ls-tree', '-r', '--name-only', commit), 'dir\nfile/inside\nx');
  });
});
