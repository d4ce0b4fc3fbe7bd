import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {rm} from 'node:fs/promises';
import path from 'node:path';
import type {CommitBundle} from '../../../coordinator/protocol/model/session.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {temporaryFolder} from '../../artifacts/artifactHub.ts';
import {GitProject} from '../../artifacts/gitProject.ts';
import {commitOf, isFolder, Machine, SharedArtifacts, workGit} from './machine.ts';

const code = (expected: string) => (error: unknown) => isCoordinatorError(error) && error.code === expected;

describe('Workspaces', () => {
  let folder: string;
  let project: GitProject;
  let artifacts: SharedArtifacts;
  let machine: Machine;

  beforeEach(async () => {
    folder = await temporaryFolder();
    project = new GitProject(path.join(folder, 'project'));
    artifacts = new SharedArtifacts(path.join(folder, 'artifacts'));
    machine = new Machine(path.join(folder, 'one'), artifacts);
  });
  afterEach(() => rm(folder, {recursive: true, force: true}));

  const bundled = async (commit: string, ...exclude: string[]): Promise<CommitBundle> =>
    artifacts.bundle(project, commit, exclude);

  it('gives each attempt a worktree of its own at the base, on its own branch', async () => {
    const base = project.commit({'a.txt': 'a\n', 'dir/b.txt': 'b\n'});
    const bundles = [await bundled(base)];
    const [one, two] = [await machine.ready({base, bundles}), await machine.ready({base, bundles})];
    assert.notEqual(one.workspace.path, two.workspace.path);
    writeFileSync(path.join(one.workspace.path, 'a.txt'), 'changed\n');
    await workGit(one.workspace, 'stash');
    assert.equal(await workGit(two.workspace, 'stash', 'list'), '');
    assert.equal(await workGit(two.workspace, 'status', '--porcelain'), '');
    assert.equal(await workGit(one.workspace, 'rev-parse', 'HEAD'), base);
    assert.equal(await workGit(one.workspace, 'branch', '--show-current'), 'mcpx/s-1.task.1');
    assert.equal(await workGit(two.workspace, 'branch', '--show-current'), 'mcpx/s-1.task.2');
    assert.deepEqual(artifacts.reads, [bundles[0]?.sha256]);
  });

  it('never lets git find a repository above a worktree whose own is broken', async () => {
    const base = project.commit({'a.txt': 'a\n'});
    const state = new GitProject(path.join(folder, 'nested'));
    machine = new Machine(path.join(state.folder, 'state'), artifacts);
    const {workspace} = await machine.ready({base, bundles: [await bundled(base)]});
    rmSync(path.join(workspace.path, '.git'), {recursive: true});
    await assert.rejects(workGit(workspace, 'status'), /not a git repository/);
    const empty = await machine.workspaces.prepareEmpty({sessionId: 's', taskId: 't', attemptId: 's.t.1'});
    assert.deepEqual(readdirSync(empty.path), []);
    await assert.rejects(workGit(empty, 'status'), /not a git repository/);
  });

  it('ignores what the machine and the work configure', async () => {
    const base = project.commit({'a.txt': 'a\n'});
    const {workspace} = await machine.ready({base, bundles: [await bundled(base)]});
    const trap = path.join(folder, 'trap');
    const hooks = path.join(workspace.path, '.git', 'hooks');
    mkdirSync(hooks, {recursive: true});
    for (const hook of [
      'pre-commit',
      'post-commit',
      'reference-transaction',
      'post-index-change',
      'post-checkout',
    ]) {
      writeFileSync(path.join(hooks, hook), `#!/bin/sh\necho ${hook} >> ${trap}\n`);
      chmodSync(path.join(hooks, hook), 0o755);
    }
    for (const setting of [
      'core.fsmonitor',
      'filter.x.clean',
      'filter.x.smudge',
      'gpg.program',
      'core.sshCommand',
    ]) {
      await workGit(workspace, 'config', setting, `touch ${trap}; cat`);
    }
    await workGit(workspace, 'config', 'commit.gpgSign', 'true');
    writeFileSync(path.join(workspace.path, '.gitattributes'), '* filter=x\n');
    writeFileSync(path.join(workspace.path, 'b.txt'), 'b\n');
    await workGit(workspace, 'status');
    assert(existsSync(trap), 'the trap works');
    rmSync(trap);
    const commit = await commitOf(workspace);
    await workspace.bundleResult(commit);
    assert.equal(existsSync(trap), false);
  });

  it('fetches only what is missing, in order, and says which bundle does not fit', async () => {
    const base = project.commit({'a.txt': 'a\n'});
    const second = project.commit({'a.txt': 'b\n'});
    const third = project.commit({'a.txt': 'c\n'});
    const bundles = [await bundled(base), await bundled(second, base), await bundled(third, second)];
    await machine.ready({base, bundles: bundles.slice(0, 2)});
    await machine.ready({base: third, bundles});
    assert.deepEqual(
      artifacts.reads,
      bundles.map(bundle => bundle.sha256),
    );
    const other = new Machine(path.join(folder, 'two'), artifacts);
    await assert.rejects(other.prepare({base: third, bundles: bundles.slice(2)}), code('git'));
    await other.ready({base: third, bundles});
    const wrong = {...(await bundled(second, base)), commit: third};
    const third2 = new Machine(path.join(folder, 'three'), artifacts);
    await assert.rejects(
      third2.prepare({base: third, bundles: [...bundles.slice(0, 1), wrong]}),
      code('git'),
    );
  });

  it('needs no bundle for a commit that another one brought along', async () => {
    const base = project.commit({'a.txt': 'a\n'});
    const tip = project.commit({'a.txt': 'b\n'});
    const bundles = [await bundled(tip)];
    await machine.ready({base: tip, bundles});
    await machine.ready({base, bundles: [{...(await bundled(base)), sha256: '0'.repeat(64)}]});
    assert.equal(artifacts.reads.length, 1);
  });

  it('prepares many attempts at the same time', async () => {
    const base = project.commit({'a.txt': 'a\n'});
    const bundles = [await bundled(base)];
    const all = await Promise.all(Array.from({length: 6}, () => machine.ready({base, bundles})));
    assert.equal(new Set(all.map(({workspace}) => workspace.path)).size, 6);
    assert.equal(artifacts.reads.length, 1);
  });

  describe('inputs', () => {
    const lines = (changes: Record<number, string> = {}): string =>
      Array.from({length: 20}, (_, n) => `${changes[n] ?? `line ${n}`}\n`).join('');

    it('merge to the same commit on every machine', async () => {
      const base = project.commit({'a.txt': lines(), 'b.txt': 'b\n', 'c.bin': Buffer.from([0, 1, 2])});
      const left = project.branch('left', base, {'a.txt': lines({2: 'left'}), 'left.txt': 'l\n'});
      const right = project.branch('right', base, {'a.txt': lines({18: 'right'}), 'b.txt': null});
      const third = project.branch('third', base, {'c.bin': Buffer.from([0, 9])});
      const bundles = [
        await bundled(base),
        await bundled(left, base),
        await bundled(right, base),
        await bundled(third, base),
      ];
      const inputs = [
        {taskId: 'left', commit: left},
        {taskId: 'right', commit: right},
        {taskId: 'third', commit: third},
      ];
      const two = new Machine(path.join(folder, 'two'), artifacts);
      const heads: string[] = [];
      for (const one of [machine, two]) {
        const {workspace, conflicts} = await one.ready({base, bundles, inputs});
        assert.deepEqual(conflicts, []);
        heads.push(await workGit(workspace, 'rev-parse', 'HEAD'));
        assert.equal(await workGit(workspace, 'status', '--porcelain'), '');
        assert.equal(
          readFileSync(path.join(workspace.path, 'a.txt'), 'utf8'),
          lines({2: 'left', 18: 'right'}),
        );
        assert.deepEqual(readFileSync(path.join(workspace.path, 'c.bin')), Buffer.from([0, 9]));
        assert.equal(existsSync(path.join(workspace.path, 'b.txt')), false);
      }
      assert.equal(heads[0], heads[1]);
      const {workspace} = await machine.ready({base, bundles, inputs: inputs.toReversed()});
      assert.notEqual(await workGit(workspace, 'rev-parse', 'HEAD'), heads[0]);
    });

    it('join again in a diamond, whose bundles another machine can use', async () => {
      const base = project.commit({'a.txt': 'a\n'});
      const root = await bundled(base);
      const work = async (
        on: Machine,
        taskId: string,
        inputs: CommitBundle[],
        known: CommitBundle[],
        file: string,
      ) => {
        const {workspace} = await on.ready({
          base,
          bundles: known,
          inputs: inputs.map(({commit}, n) => ({taskId: `input-${n}`, commit})),
        });
        writeFileSync(path.join(workspace.path, file), `${taskId}\n`);
        const bundle = await workspace.bundleResult(await commitOf(workspace, taskId));
        assert(bundle);
        return bundle;
      };
      const two = new Machine(path.join(folder, 'two'), artifacts);
      const left = await work(machine, 'left', [], [root], 'left.txt');
      const right = await work(two, 'right', [], [root], 'right.txt');
      const joined = await work(machine, 'join', [left, right], [root, left, right], 'join.txt');
      assert.deepEqual([...joined.prerequisites].sort(), [base, left.commit, right.commit].sort());
      const three = new Machine(path.join(folder, 'three'), artifacts);
      const {workspace} = await three.ready({
        base,
        bundles: [root, left, right, joined],
        inputs: [{taskId: 'join', commit: joined.commit}],
      });
      assert.deepEqual(
        readdirSync(workspace.path).filter(name => name !== '.git'),
        ['a.txt', 'join.txt', 'left.txt', 'right.txt'],
      );
      assert.equal(await workGit(workspace, 'rev-parse', 'HEAD'), joined.commit);
    });

    it('that others contain, or that are the same, are not merged', async () => {
      const base = project.commit({'a.txt': 'a\n'});
      const first = project.branch('first', base, {'a.txt': 'b\n'});
      const second = project.branch('second', first, {'a.txt': 'c\n'});
      const bundles = [await bundled(base), await bundled(second, base)];
      const inputs = [base, first, second, first, second].map((commit, n) => ({taskId: `t${n}`, commit}));
      const {workspace} = await machine.ready({base, bundles, inputs});
      assert.equal(await workGit(workspace, 'rev-parse', 'HEAD'), second);
    });

    it('obey the merge drivers that .gitattributes names', async () => {
      const base = project.commit({'log.txt': 'start\n', '.gitattributes': 'log.txt merge=union\n'});
      const left = project.branch('left', base, {'log.txt': 'start\nleft\n'});
      const right = project.branch('right', base, {'log.txt': 'start\nright\n'});
      const bundles = [await bundled(base), await bundled(left, base), await bundled(right, base)];
      const inputs = [
        {taskId: 'left', commit: left},
        {taskId: 'right', commit: right},
      ];
      const {workspace} = await machine.ready({base, bundles, inputs});
      assert.equal(readFileSync(path.join(workspace.path, 'log.txt'), 'utf8'), 'start\nleft\nright\n');
    });

    for (const {name, left, right, paths} of [
      {name: 'a line', left: {'a.txt': 'left\n'}, right: {'a.txt': 'right\n'}, paths: ['a.txt']},
      {name: 'a deletion', left: {'a.txt': null}, right: {'a.txt': 'right\n'}, paths: ['a.txt']},
      {
        name: 'a rename',
        left: {'b.txt': null, 'left.txt': lines()},
        right: {'b.txt': null, 'right.txt': lines()},
        paths: ['b.txt', 'left.txt', 'right.txt'],
      },
      {name: 'a binary file', left: {c: Buffer.from([0, 1])}, right: {c: Buffer.from([0, 2])}, paths: ['c']},
      {name: 'an unusual name', left: {'ü \n"': 'left\n'}, right: {'ü \n"': 'right\n'}, paths: ['ü \n"']},
    ] as const) {
      it(`conflict over ${name}, and both sides are named`, async () => {
        const base = project.commit({'a.txt': 'a\n', 'b.txt': lines(), c: Buffer.from([0]), 'ü \n"': 'x\n'});
        const clean = project.branch('clean', base, {'clean.txt': 'c\n'});
        const ours = project.branch('left', base, left);
        const theirs = project.branch('right', base, right);
        const bundles = [base, clean, ours, theirs].map((commit, n) =>
          bundled(commit, ...(n > 0 ? [base] : [])),
        );
        const inputs = [
          {taskId: 'left', commit: ours},
          {taskId: 'clean', commit: clean},
          {taskId: 'right', commit: theirs},
        ];
        const result = await machine.prepare({base, bundles: await Promise.all(bundles), inputs});
        assert(result.kind === 'conflict');
        assert.deepEqual([...result.conflict.paths].sort(), paths);
        assert.deepEqual(result.conflict.ours, inputs[0]);
        assert.deepEqual(result.conflict.theirs, inputs[2]);
        assert(result.conflict.messages.length > 0);
        assert.deepEqual(await machine.workspaces.sweep(new Set()), []);
        assert.deepEqual(readdirSync(path.join(machine.folder, 'workspaces', 'attempts')), []);
      });
    }
  });

  describe('leftovers', () => {
    /** gastown#4478: a worktree was deleted under a live agent. */
    it('of dead agents are removed at start, but not those of live attempts or those kept', async () => {
      const base = project.commit({'a.txt': 'a\n'});
      const bundles = [await bundled(base)];
      const made = [];
      for (let n = 0; n < 4; n++) made.push((await machine.ready({base, bundles})).workspace);
      const [dead, live, kept, reopened] = made;
      assert(dead && live && kept && reopened);
      await machine.workspaces.release(kept.attemptId, {keep: true});
      const restarted = new Machine(machine.folder, artifacts);
      const again = await restarted.workspaces.reopen(reopened.attemptId);
      assert(again);
      mkdirSync(path.join(machine.folder, 'workspaces', 'attempts', 'half-made', 'worktree'), {
        recursive: true,
      });
      mkdirSync(path.join(machine.folder, 'workspaces', 'attempts', '.trash-1', 'worktree'), {
        recursive: true,
      });
      const removed = await restarted.workspaces.sweep(new Set([live.attemptId]));
      assert.deepEqual(removed.sort(), ['half-made', dead.attemptId]);
      assert.equal(isFolder(dead.path), false);
      for (const workspace of [live, kept, reopened]) assert(isFolder(workspace.path));
      assert.deepEqual(
        (await restarted.workspaces.kept()).map(found => [found.attemptId, found.path]),
        [[kept.attemptId, kept.path]],
      );
      await restarted.workspaces.discard(kept.attemptId);
      assert.equal(isFolder(kept.path), false);
      writeFileSync(path.join(again.path, 'new.txt'), 'n\n');
      assert.equal((await again.changes(await commitOf(again))).length, 1);
    });

    it('are never swept from under an attempt of this process', async () => {
      const base = project.commit({'a.txt': 'a\n'});
      const {workspace} = await machine.ready({base, bundles: [await bundled(base)]});
      assert.deepEqual(await machine.workspaces.sweep(new Set()), []);
      assert(isFolder(workspace.path));
      await assert.rejects(
        machine.prepare({base, bundles: [], attemptId: workspace.attemptId}),
        code('conflict'),
      );
      assert(isFolder(workspace.path));
    });

    it('go with their refs, also where the work made folders read-only', async () => {
      const base = project.commit({'a.txt': 'a\n'});
      const {workspace} = await machine.ready({base, bundles: [await bundled(base)]});
      const readOnly = path.join(workspace.path, 'cache', 'deep');
      mkdirSync(readOnly, {recursive: true});
      writeFileSync(path.join(readOnly, 'file'), 'x');
      symlinkSync('/nonexistent', path.join(readOnly, 'link'));
      chmodSync(readOnly, 0o500);
      await commitOf(workspace);
      await machine.workspaces.release(workspace.attemptId, {keep: false});
      assert.deepEqual(readdirSync(path.join(machine.folder, 'workspaces', 'attempts')), []);
      const cache = await machine.workspaces.repositories.repository('project', base);
      assert.equal(await cache.text(['for-each-ref', 'refs/mcpx/attempts']), '');
    });

    it('of the same attempt are replaced when it is prepared again after a crash', async () => {
      const base = project.commit({'a.txt': 'a\n'});
      const bundles = [await bundled(base)];
      const {workspace} = await machine.ready({base, bundles, attemptId: 's-1.t.1'});
      writeFileSync(path.join(workspace.path, 'debris'), 'x');
      const restarted = new Machine(machine.folder, artifacts);
      const again = await restarted.ready({base, bundles, attemptId: 's-1.t.1'});
      assert.equal(again.workspace.path, workspace.path);
      assert.equal(existsSync(path.join(workspace.path, 'debris')), false);
    });
  });

  it('keeps live commits through a cleaning and forgets the others', async () => {
    const base = project.commit({'a.txt': 'a\n'});
    const dead = project.branch('dead', base, {'a.txt': 'dead\n'});
    const alive = project.branch('alive', base, {'a.txt': 'alive\n'});
    const bundles = [await bundled(base), await bundled(dead, base), await bundled(alive, base)];
    await machine.ready({base, bundles});
    const {repositories} = machine.workspaces;
    await repositories.retain('project', new Set([alive]));
    const cache = await repositories.repository('project', base);
    const kept = await Promise.all([base, dead, alive].map(commit => cache.hasCommit(commit)));
    assert.deepEqual(kept, [true, false, true]);
  });

  describe('a damaged repository', () => {
    const damage = (base: string) => {
      const packs = path.join(machine.folder, 'workspaces', 'repositories', 'project.git', 'objects', 'pack');
      for (const name of readdirSync(packs)) {
        chmodSync(path.join(packs, name), 0o600);
        truncateSync(path.join(packs, name), 20);
      }
      return base;
    };

    it('is fetched anew when no other attempt works on it', async () => {
      const base = project.commit({'a.txt': 'a\n'});
      const bundles = [await bundled(base)];
      const {workspace} = await machine.ready({base, bundles});
      await machine.workspaces.release(workspace.attemptId, {keep: false});
      damage(base);
      const again = await machine.ready({base, bundles});
      assert.equal(readFileSync(path.join(again.workspace.path, 'a.txt'), 'utf8'), 'a\n');
      assert.equal(artifacts.reads.length, 2);
    });

    it('is left to the attempts that work on it', async () => {
      const base = project.commit({'a.txt': 'a\n'});
      const bundles = [await bundled(base)];
      const {workspace} = await machine.ready({base, bundles});
      damage(base);
      await assert.rejects(machine.prepare({base, bundles}), code('git'));
      assert(isFolder(workspace.path));
    });

    it('with locks of a killed git works again after a sweep', async () => {
      const base = project.commit({'a.txt': 'a\n'});
      const bundles = [await bundled(base)];
      await machine.workspaces.repositories.repository('project', base);
      const repository = path.join(machine.folder, 'workspaces', 'repositories', 'project.git');
      const commits = path.join(repository, 'refs', 'mcpx', 'commits');
      mkdirSync(commits, {recursive: true});
      const long = Date.now() / 1000 - 3600;
      for (const lock of [path.join(commits, `${base}.lock`), path.join(repository, 'packed-refs.lock')]) {
        writeFileSync(lock, '');
        utimesSync(lock, long, long);
      }
      await assert.rejects(machine.prepare({base, bundles}), code('git'));
      await machine.workspaces.sweep(new Set());
      await machine.ready({base, bundles});
    });
  });

  it('checks out a thousand files and commits changes among them', async () => {
    const files: Record<string, string> = {};
    for (let n = 0; n < 1000; n++) files[`d${n % 10}/e${n % 7}/f${n}.txt`] = `${n}\n`;
    const base = project.commit(files);
    const {workspace} = await machine.ready({base, bundles: [await bundled(base)]});
    for (let n = 0; n < 1000; n += 100)
      writeFileSync(path.join(workspace.path, `d0/e${n % 7}/f${n}.txt`), 'changed\n');
    const commit = await commitOf(workspace);
    assert.equal((await workspace.changes(commit)).length, 10);
    assert.match(await workspace.patch(commit, 1_000_000), /^\+changed$/m);
    await assert.rejects(workspace.patch(commit, 100), code('limit'));
  });
});
