import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {temporaryFolder} from '../../artifacts/artifactHub.ts';
import {GitProject} from '../../artifacts/gitProject.ts';
import {found} from '../../support/waiting.ts';
import {commitOf, Machine, SharedArtifacts} from './machine.ts';

const SCRIPT = fileURLToPath(new URL('crashingAttempt.ts', import.meta.url));

describe('an agent killed at a call of git', function () {
  this.timeout(120_000);
  let folder: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => rm(folder, {recursive: true, force: true}));

  /** Runs the attempt in a process of its own, killed when it calls git for the nth time; gives the calls made. */
  const runUntil = async (nth: number, request: object): Promise<{calls: number; killed: boolean}> => {
    const counter = path.join(folder, 'calls');
    const last = path.join(folder, 'last');
    writeFileSync(counter, '');
    writeFileSync(last, '');
    const wrapper = [
      '#!/bin/sh',
      `echo x >> '${counter}'`,
      // Half of the time git goes on without its agent, as it would.
      `if [ "$(wc -l < '${counter}')" -eq ${nth} ]; then echo $$ > '${last}'; kill -9 $PPID; ${nth % 2 === 0 ? 'exit 1' : ':'}; fi`,
      'exec git "$@"',
    ];
    writeFileSync(path.join(folder, 'git'), `${wrapper.join('\n')}\n`, {mode: 0o755});
    const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, folder, JSON.stringify(request)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    assert(code === 0 || signal === 'SIGKILL', `exit code ${code}, ${signal}`);
    // A supervisor would have ended it; here it may end by itself.
    const git = readFileSync(last, 'utf8').trim();
    await found(() => git === '' || !existsSync(`/proc/${git}`) || undefined, 30_000, 'the last git to end');
    return {calls: readFileSync(counter, 'utf8').split('\n').length - 1, killed: signal === 'SIGKILL'};
  };

  it('leaves nothing that keeps the next one from doing the same work', async () => {
    const project = new GitProject(path.join(folder, 'project'));
    const artifacts = new SharedArtifacts(path.join(folder, 'artifacts'));
    const base = project.commit({'a.txt': 'a\n'});
    const left = project.branch('left', base, {'left.txt': 'l\n'});
    const right = project.branch('right', base, {'right.txt': 'r\n'});
    const bundles = [
      await artifacts.bundle(project, base),
      await artifacts.bundle(project, left, [base]),
      await artifacts.bundle(project, right, [base]),
    ];
    const inputs = [
      {taskId: 'left', commit: left},
      {taskId: 'right', commit: right},
    ];
    const request = {base, bundles, inputs};
    const whole = await runUntil(-1, request);
    assert(!whole.killed && whole.calls > 20, `${whole.calls} calls`);
    const results = new Set<string>();
    for (let nth = 1; nth <= whole.calls; nth += 4) {
      await rm(path.join(folder, 'one'), {recursive: true, force: true});
      assert((await runUntil(nth, request)).killed, `call ${nth} of ${whole.calls}`);
      const machine = new Machine(path.join(folder, 'one'), artifacts);
      await machine.workspaces.sweep(new Set());
      assert.deepEqual(await machine.workspaces.sweep(new Set()), [], `after call ${nth}`);
      const {workspace} = await machine.ready(request);
      appendFileSync(path.join(workspace.path, 'a.txt'), 'more\n');
      const commit = await commitOf(workspace);
      await workspace.bundleResult(commit);
      results.add(commit);
      await machine.workspaces.release(workspace.attemptId, {keep: false});
      const cache = await machine.workspaces.repositories.repository('project', base);
      await cache.run(['fsck', '--full', '--strict', '--no-dangling']);
      assert.equal(await cache.text(['for-each-ref', 'refs/mcpx/attempts']), '', `after call ${nth}`);
      assert.deepEqual(readdirSync(path.join(machine.folder, 'workspaces', 'attempts')), []);
    }
    assert.equal(results.size, 1, 'the same work gives the same commit');
  });
});
