/** What a session has changed: shown file by file from the artifacts, accepted into the branch, and conflicts opened beside the checkout. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import {found} from '../../../support/waiting.ts';
import {Messages} from '../answers.ts';
import {Page} from '../page.ts';
import {scratchFolder, workspaceFolder} from '../surroundings.ts';
import {Team} from '../team.ts';

const WORK = `name: work
agents: 1
tasks:
  - id: first
    run: printf 'one\\nTWO\\n' > kept.txt && rm gone.txt && git mv moved.txt there.txt && printf 'a\\0c' > image.bin
  - id: second
    dependsOn: first
    run: echo three >> kept.txt
`;
const CLASH = `name: clash
agents: 2
tasks:
  - {id: red, run: "echo red > colour.txt"}
  - {id: blue, run: "echo blue > colour.txt"}
`;
const GATED = `name: gated
agents: 1
tasks:
  - id: checked
    run: echo x > x.txt
    gates:
      - {name: lenient, command: "true"}
      - {name: strict, command: "echo no flag is here; exit 3"}
`;
const LONG = Array.from({length: 20}, (_, line) => `line ${line}`).join('\n');

describe('results of sessions', function () {
  this.timeout(240_000);
  let team: Team;
  let work: string;
  before(async () => {
    team = await Team.start({
      'kept.txt': 'one\ntwo\n',
      'gone.txt': 'gone\n',
      'moved.txt': `${LONG}\n`,
      'image.bin': 'a\0b',
      'colour.txt': 'none\n',
      'gated.mcpx.yaml': GATED,
      'work.mcpx.yaml': WORK,
      'clash.mcpx.yaml': CLASH,
    });
    team.repository.git('config', 'user.name', 'Ada');
    team.repository.git('config', 'user.email', 'ada@localhost');
    work = await team.run('work.mcpx.yaml');
    await team.sessionIn(work, 'succeeded');
  });
  after(() => team?.leave());
  beforeEach(() => vscode.commands.executeCommand('workbench.action.closeAllEditors'));

  const session = () => ({kind: 'session', sessionId: work});

  it('are shown in one editor: changed, renamed, deleted and binary files, and the checkout is left alone', async function () {
    const page = Page.orSkip(this);
    const before = team.repository.digest();
    await vscode.commands.executeCommand('mcpx.showDiff', {target: session()});
    assert.equal(vscode.window.tabGroups.activeTabGroup.activeTab?.label.startsWith('Changes of work'), true);
    for (const name of ['kept.txt', 'there.txt', 'gone.txt', 'image.bin'])
      await page.waitFor({selector: '.multiDiffEntry', hasText: name});
    await page.screenshot('changesOfSession');
    assert.deepEqual(await shown('kept.txt', 2), ['one\nTWO\nthree\n', 'one\ntwo\n']);
    assert.deepEqual(team.repository.digest(), before);
  });

  it('of one task are against what it began with', async () => {
    await vscode.commands.executeCommand('mcpx.showDiff', {kind: 'task', sessionId: work, taskId: 'second'});
    assert.deepEqual(await shown('kept.txt', 2), ['one\nTWO\n', 'one\nTWO\nthree\n']);
    const {id} = await team.attempt(work, 'first', () => true);
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await vscode.commands.executeCommand('mcpx.showDiff', {kind: 'attempt', attemptId: id});
    assert.deepEqual(await shown('kept.txt', 2), ['one\nTWO\n', 'one\ntwo\n']);
  });

  it('are shown as they were at a moment of the past', async () => {
    const client = await team.client();
    const {marks} = await client.request('mcpx.history.read', {sessionId: work, limit: 1000});
    const delivered = marks.find(
      ({kind, id, state}) => kind === 'task' && id === 'first' && state === 'succeeded',
    );
    assert.ok(delivered, JSON.stringify(marks));
    const {revision} = delivered;
    await vscode.commands.executeCommand('mcpx.showDiff', session(), {revision});
    assert.match(vscode.window.tabGroups.activeTabGroup.activeTab?.label ?? '', /^Changes of work at \d/);
    assert.deepEqual(await shown('kept.txt', 2), ['one\nTWO\n', 'one\ntwo\n']);
    const messages = new Messages(() => undefined);
    try {
      await vscode.commands.executeCommand('mcpx.showDiff', session(), {revision: revision - 1});
    } finally {
      messages.dispose();
    }
    assert.match(messages.shown[0]?.message ?? '', /^No task of work had delivered changes by then/);
  });

  it('cannot be written', async () => {
    await vscode.commands.executeCommand('mcpx.showDiff', session());
    await shown('kept.txt', 2);
    const [document] = vscode.workspace.textDocuments.filter(({uri}) => uri.scheme === 'mcpx-result');
    assert.ok(document);
    assert.equal(vscode.workspace.fs.isWritableFileSystem('mcpx-result'), false);
    await assert.rejects(Promise.resolve(vscode.workspace.fs.writeFile(document.uri, new Uint8Array())));
  });

  it('come into the branch as one commit in the person’s name, or not at all over uncommitted work', async () => {
    const head = team.repository.git('rev-parse', 'HEAD');
    team.repository.write({'kept.txt': 'uncommitted\n'});
    const refused = await accept();
    assert.equal(refused[0]?.kind, 'showErrorMessage');
    assert.match(refused[0]?.message ?? '', /uncommitted work: kept\.txt.*Nothing was changed/);
    assert.equal(team.repository.git('rev-parse', 'HEAD'), head);
    team.repository.git('checkout', '--quiet', 'kept.txt');

    const accepted = await accept();
    assert.match(accepted[0]?.message ?? '', /^work is in your branch as [0-9a-f]{10}\.$/);
    assert.equal(team.repository.git('rev-parse', 'HEAD^'), head);
    assert.equal(team.repository.git('log', '-1', '--format=%an'), 'Ada');
    assert.equal(readFileSync(path.join(workspaceFolder(), 'kept.txt'), 'utf8'), 'one\nTWO\nthree\n');
    const again = await accept();
    assert.match(again[0]?.message ?? '', /^Nothing to accept/);
  });

  async function accept() {
    const messages = new Messages(() => undefined);
    try {
      await vscode.commands.executeCommand('mcpx.acceptResult', session(), 'squash');
      return messages.shown;
    } finally {
      messages.dispose();
    }
  }

  for (const [extension, content] of [
    ['md', /\| second \| succeeded \| 1 \|/],
    ['xml', /<testcase [^>]*name="second"/],
    ['json', /"status": "succeeded"/],
  ] as const) {
    it(`are reported as ${extension}`, async () => {
      const file = path.join(scratchFolder(), `report.${extension}`);
      await vscode.commands.executeCommand('mcpx.exportReport', session(), vscode.Uri.file(file));
      assert.match(readFileSync(file, 'utf8'), content);
    });
  }

  it('that their gates refuse show why in the Test Explorer, and count when a gate is waived for a reason', async function () {
    const page = Page.orSkip(this);
    const gated = await team.run('gated.mcpx.yaml');
    await team.sessionIn(gated, 'failed');
    await vscode.commands.executeCommand('workbench.view.testing.focus');
    const row = '.test-explorer .monaco-list-row';
    for (const name of ['gated', 'checked']) {
      await page.click({selector: row, hasText: name});
      await page.press('ArrowRight');
    }
    await page.screenshot('gatesExpanded');
    await page.waitFor({selector: `${row}[aria-label*="lenient (Passed)"]`});
    await page.waitFor({selector: `${row}[aria-label*="strict (Failed)"]`});
    await page.screenshot('gates');
    const task = {kind: 'task', sessionId: gated, taskId: 'checked'};
    await vscode.commands.executeCommand('mcpx.waiveGate', {target: task}, 'the flag comes later');
    const {gates} = await team.task(gated, 'checked');
    assert.equal(gates?.find(({gate}) => gate === 'strict')?.waived?.reason, 'the flag comes later');
  });

  it('that conflict are opened with their markers, in a worktree of their own', async function () {
    const page = Page.orSkip(this);
    const clash = await team.run('clash.mcpx.yaml');
    await team.sessionIn(clash, 'failed');
    const before = team.repository.digest();
    const messages = new Messages(() => undefined);
    try {
      await vscode.commands.executeCommand('mcpx.openConflict', {
        target: {kind: 'task', sessionId: clash, taskId: '_result'},
      });
    } finally {
      messages.dispose();
    }
    assert.match(messages.shown[0]?.message ?? '', /^red and blue changed colour\.txt\./);
    const document = await found(
      () =>
        vscode.workspace.textDocuments.find(
          ({uri}) => uri.path.endsWith('/colour.txt') && uri.scheme === 'file',
        ),
      60_000,
      'the file with the conflict',
    );
    assert.match(document.getText(), /^<<<<<<< [\s\S]*red[\s\S]*=======[\s\S]*blue[\s\S]*>>>>>>> /);
    assert.ok(!document.uri.fsPath.startsWith(workspaceFolder()));
    await page.screenshot('conflict');
    assert.deepEqual(team.repository.digest(), before);
  });
});

/** The texts of a file's sides that the editor has loaded, sorted, once there are so many. */
function shown(name: string, count: number): Promise<string[]> {
  return found(
    () => {
      const texts = vscode.workspace.textDocuments
        .filter(({uri}) => uri.scheme === 'mcpx-result' && uri.path.endsWith(`/${name}`))
        .map(document => document.getText());
      return texts.length >= count ? texts.sort() : undefined;
    },
    60_000,
    `${count} sides of ${name}`,
  );
}
