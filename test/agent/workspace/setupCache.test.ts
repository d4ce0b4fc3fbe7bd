import assert from 'node:assert/strict';
import {existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import path from 'node:path';
import type {WorkspaceSetup} from '../../../coordinator/agent/workspace/setupCache.ts';
import type {CommitBundle} from '../../../coordinator/protocol/model/session.ts';
import {temporaryFolder} from '../../artifacts/artifactHub.ts';
import {GitProject} from '../../artifacts/gitProject.ts';
import {commitOf, Machine, SharedArtifacts, workGit} from './machine.ts';

describe('workspace.setup', () => {
  let folder: string;
  let project: GitProject;
  let artifacts: SharedArtifacts;
  let machine: Machine;

  beforeEach(async () => {
    folder = await temporaryFolder();
    project = new GitProject(path.join(folder, 'project'));
    artifacts = new SharedArtifacts(path.join(folder, 'artifacts'));
    machine = new Machine(path.join(folder, 'one'), artifacts, {maxSetupSnapshots: 2});
  });
  afterEach(() => rm(folder, {recursive: true, force: true}));

  const commit = async (files: Record<string, string>) => {
    const base = project.commit(files);
    return {base, bundles: [await artifacts.bundle(project, base)] as CommitBundle[]};
  };
  const install =
    'mkdir -p modules/bin && echo run > modules/bin/tool && chmod 755 modules/bin/tool && ln -s bin/tool modules/link';
  const setup = (commands: string[], extra: Partial<WorkspaceSetup> = {}): {setup: WorkspaceSetup} => ({
    setup: {commands, env: {}, ...extra},
  });
  const read = (workspace: {path: string}, name: string) =>
    readFileSync(path.join(workspace.path, name), 'utf8');

  it('runs once for one tree; other attempts get what it left, as it was', async () => {
    const at = await commit({'a.txt': 'a\n', '.gitignore': 'modules\n'});
    const one = await machine.ready({...at, ...setup([install])});
    const two = await machine.ready({...at, ...setup([install])});
    assert.deepEqual([one.setupReused, two.setupReused], [false, true]);
    assert.deepEqual(machine.commands, [install]);
    assert.equal(lstatSync(path.join(two.workspace.path, 'modules/bin/tool')).mode & 0o777, 0o755);
    assert(lstatSync(path.join(two.workspace.path, 'modules/link')).isSymbolicLink());
    writeFileSync(path.join(two.workspace.path, 'modules/bin/tool'), 'changed');
    const three = await machine.ready({...at, ...setup([install])});
    assert.equal(read(three.workspace, 'modules/bin/tool'), 'run\n');
    assert.equal(read(one.workspace, 'modules/bin/tool'), 'run\n');
  });

  it('runs once also for attempts that begin at the same time', async () => {
    const at = await commit({'a.txt': 'a\n', '.gitignore': 'modules\n'});
    const all = await Promise.all([1, 2, 3].map(() => machine.ready({...at, ...setup([install])})));
    assert.equal(machine.commands.length, 1);
    for (const {workspace} of all) assert.equal(read(workspace, 'modules/bin/tool'), 'run\n');
  });

  it('runs again for another tree, other commands, another environment', async () => {
    const at = await commit({'a.txt': 'a\n', '.gitignore': 'out\n'});
    await machine.ready({...at, ...setup(['cat a.txt > out'])});
    const other = await commit({'a.txt': 'b\n'});
    const {workspace} = await machine.ready({...other, ...setup(['cat a.txt > out'])});
    assert.equal(read(workspace, 'out'), 'b\n');
    await machine.ready({...other, ...setup(['cat a.txt > out; true'])});
    await machine.ready({...other, ...setup(['cat a.txt > out'], {env: {MODE: 'x'}})});
    assert.equal(machine.commands.length, 4);
  });

  it('is reused over different trees when the plan names what to keep and what decides', async () => {
    const cache = {paths: ['modules'], key: ['*.lock']};
    const first = await commit({'a.txt': 'a\n', 'sub/my.lock': '1\n', '.gitignore': 'modules\nscratch\n'});
    await machine.ready({...first, ...setup([`${install}; touch scratch`], {cache})});
    const second = await commit({'a.txt': 'b\n'});
    const {workspace, setupReused} = await machine.ready({
      ...second,
      ...setup([`${install}; touch scratch`], {cache}),
    });
    assert.equal(setupReused, true);
    assert.equal(read(workspace, 'modules/bin/tool'), 'run\n');
    assert.equal(existsSync(path.join(workspace.path, 'scratch')), false);
    const third = await commit({'sub/my.lock': '2\n'});
    assert.equal(
      (await machine.ready({...third, ...setup([`${install}; touch scratch`], {cache})})).setupReused,
      false,
    );
  });

  it('leaves no trace in results: neither untracked outputs nor changes of tracked files', async () => {
    const at = await commit({'a.txt': 'a\n', 'lock.json': 'locked\n'});
    const commands = ['echo changed > lock.json; mkdir out; echo o > "out/f 1"'];
    for (const reused of [false, true]) {
      const ready = await machine.ready({...at, ...setup(commands)});
      assert.equal(ready.setupReused, reused);
      assert.equal(ready.warnings.length, reused ? 0 : 1);
      assert.equal(read(ready.workspace, 'lock.json'), 'locked\n');
      assert.equal(read(ready.workspace, 'out/f 1'), 'o\n');
      assert.equal(await workGit(ready.workspace, 'status', '--porcelain'), '');
      assert.equal(await commitOf(ready.workspace), at.base);
    }
  });

  it('is never reused when its outputs name the worktree they were made in', async () => {
    const at = await commit({'a.txt': 'a\n', '.gitignore': 'venv\n'});
    for (let n = 0; n < 2; n++) {
      const {workspace} = await machine.ready({...at, ...setup(['mkdir venv; pwd > venv/home'])});
      assert.equal(read(workspace, 'venv/home'), `${workspace.path}\n`);
    }
    assert.equal(machine.commands.length, 2);
  });

  it('runs when a snapshot is damaged', async () => {
    const at = await commit({'a.txt': 'a\n', '.gitignore': 'modules\n'});
    await machine.ready({...at, ...setup([install])});
    const setups = path.join(machine.folder, 'workspaces', 'setups');
    const [key = ''] = readdirSync(setups);
    rmSync(path.join(setups, key, 'files', 'modules'), {recursive: true});
    const {workspace, setupReused} = await machine.ready({...at, ...setup([install])});
    assert.equal(setupReused, false);
    assert.equal(read(workspace, 'modules/bin/tool'), 'run\n');
    assert.equal((await machine.ready({...at, ...setup([install])})).setupReused, true);
  });

  it('that fails says which command, keeps no snapshot and no worktree', async () => {
    const at = await commit({'a.txt': 'a\n'});
    const result = await machine.prepare({...at, ...setup(['true', 'echo why; exit 3', 'never'])});
    assert.deepEqual(result, {kind: 'setupFailed', command: 'echo why; exit 3', code: 3, output: 'why\n'});
    assert.deepEqual(readdirSync(path.join(machine.folder, 'workspaces', 'attempts')), []);
    assert.equal(existsSync(path.join(machine.folder, 'workspaces', 'setups')), false);
  });

  it('keeps a bounded number of snapshots', async () => {
    for (let n = 0; n < 4; n++) {
      const at = await commit({'a.txt': `${n}\n`, '.gitignore': 'modules\n'});
      await machine.ready({...at, ...setup([install])});
    }
    assert.equal(readdirSync(path.join(machine.folder, 'workspaces', 'setups')).length, 2);
  });
});
