/** What an attempt has changed while it still works, seen in its real worktree without the work noticing. */
import assert from 'node:assert/strict';
import {existsSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {MAX_CHANGED_PATHS} from '../../../coordinator/protocol/model/attempt.ts';
import {assignment, run} from '../agentFixture.ts';
import {until} from '../supervisor/support.ts';
import {GitHub} from './gitHub.ts';

describe('changed paths', function () {
  this.timeout(120_000);
  let git: GitHub;
  beforeEach(async () => {
    git = await GitHub.open();
  });
  afterEach(() => git.close());

  const told = () => git.hub.of('mcpx.status.update').flatMap(({paths}) => paths ?? []);
  const reached = (names: readonly string[]) =>
    git.hub.until(`${names.join(', ')} to be told`, () => {
      const last = told().at(-1);
      return last !== undefined && last.names.join() === names.join();
    });
  const file = (name: string): string => path.join(git.folder.path, name);
  const waitFor = (name: string): string => `while [ ! -e "${file(name)}" ]; do sleep 0.05; done`;

  it('are told while it works: edited, added, deleted, committed and undone ones, not ignored ones', async () => {
    const workspace = await git.workspace({
      'a.txt': 'a\n',
      'b.txt': 'b\n',
      'c.txt': 'c\n',
      '.gitignore': 'out\n',
    });
    await git.start({settings: {pathsMs: 50}});
    const script = [
      'touch c.txt; echo 1 > a.txt; mkdir -p new/deep; echo n > "new/deep/ä b.txt"; rm b.txt; echo o > out; echo one',
      waitFor('go-1'),
      'git add --all; git commit --quiet -m mine; git config core.excludesFile /dev/null; echo a > a.txt; echo two',
      waitFor('go-2'),
    ].join('\n');
    const assign = assignment('work', run(script), {workspace});
    const answer = await git.hub.send('mcpx.orchestrate.task.assign', assign);
    const worktree = path.join(git.attemptFolder(assign.attemptId), 'worktree');
    assert.deepEqual(answer, {kind: 'accepted', worktree: {hostname: os.hostname(), path: worktree}});
    await reached(['a.txt', 'b.txt', 'new/deep/ä b.txt']);
    assert.ok(existsSync(path.join(worktree, 'a.txt')));
    writeFileSync(file('go-1'), '');
    await reached(['b.txt', 'new/deep/ä b.txt']);
    writeFileSync(file('go-2'), '');
    const {report} = await git.hub.completion(assign.attemptId);
    assert.equal(report.outcome, 'succeeded');
    const {length} = told();
    assert.ok(length >= 2 && length < 8, `${length} were told`);
  });

  it('are bounded, and say so', async () => {
    const workspace = await git.workspace();
    await git.start({settings: {pathsMs: 50}});
    const script = `for n in $(seq 1000 1300); do echo > "$n"; done; ${waitFor('go')}`;
    const assign = assignment('work', run(script), {workspace});
    await git.hub.send('mcpx.orchestrate.task.assign', assign);
    await git.hub.until('many paths', () => told().at(-1)?.truncated === true);
    assert.ok((told().at(-1)?.names.length ?? 0) <= MAX_CHANGED_PATHS);
    writeFileSync(file('go'), '');
    assert.equal((await git.hub.completion(assign.attemptId)).report.outcome, 'succeeded');
  });

  it('are not looked at when the setting says so, nor where there is no repository', async () => {
    const workspace = await git.workspace();
    await git.start({settings: {pathsMs: 0}});
    const [first, second] = [
      assignment('work', run('echo 1 > a.txt; sleep 0.3'), {workspace}),
      assignment('bare', run('echo 1 > a.txt; sleep 0.3')),
    ];
    for (const assign of [first, second]) await git.hub.send('mcpx.orchestrate.task.assign', assign);
    for (const assign of [first, second]) await git.hub.completion(assign.attemptId);
    assert.deepEqual(told(), []);
    await until(
      'nothing is left',
      () => !existsSync(path.join(git.attemptFolder(first.attemptId), 'start.index')),
    );
  });
});
