/** Single tasks of a session under a person's hand: retried with a note, moved to another agent, verified again, looked into. */
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import {found} from '../../../support/waiting.ts';
import {observed} from '../answers.ts';
import {settled} from '../awaiting.ts';
import {Page} from '../page.ts';
import {scratchFolder} from '../surroundings.ts';
import {Team} from '../team.ts';
import {Tree} from '../views/tree.ts';

const ROW = '.quick-input-list .monaco-list-row';
/** A webview is a frame in a frame. */
const FRAMES = ['iframe.webview.ready', 'iframe#active-frame'];
const TEST_ROW = '.test-explorer .monaco-list-row';

const plan = (go: string, flag: string): string => `name: mended
agents: 2
defaults: {retry: {max: 0}}
tasks:
  - id: hold
    run: |
      curl -sSf -H "Authorization: Bearer $MCPX_MEMORY_TOKEN" "$MCPX_TASKS" -d '{"tasks": [{"run": "echo made > made.txt"}]}'
      while ! test -e ${go}; do sleep 0.1; done
  - {id: moved, run: "while ! test -e ${go}; do sleep 0.1; done"}
  - id: greeting
    prompt: Write a greeting.
    permissions: {mode: acceptEdits}
    gates: [{name: welsh, command: grep -q Shwmae greeting.txt, onFailure: fail}]
  - id: checked
    run: echo x > x.txt
    gates: [{name: flag, command: "test -e ${flag}", onFailure: fail}]
`;
const endedPlan = (mark: string): string => `name: ended
agents: 1
workspace: none
tasks:
  - {id: needs, run: "test -e ${mark}", retry: {max: 0}}
`;
const SCRIPT = `tasks:
  greeting:
    cases:
      - when: {promptContains: in Welsh}
        turns:
          - calls: [{tool: Write, input: {file_path: "{{worktree}}/greeting.txt", content: "Shwmae\\n"}}]
          - Written in Welsh.
    turns:
      - calls: [{tool: Write, input: {file_path: "{{worktree}}/greeting.txt", content: "Hello\\n"}}]
      - Written.
`;

describe('commands that steer a task', function () {
  this.timeout(240_000);
  let team: Team;
  let sessionId: string;
  let go: string;
  let flag: string;
  before(async () => {
    go = path.join(scratchFolder(), 'tasks-go');
    flag = path.join(scratchFolder(), 'tasks-flag');
    team = await Team.start({
      'README.md': 'nothing yet\n',
      'mended.mcpx.yaml': plan(go, flag),
      'mended.rehearsal.yaml': SCRIPT,
    });
    sessionId = await team.rehearse('mended.mcpx.yaml');
  });
  after(() => team?.leave());

  const target = (taskId: string) => ({kind: 'task', sessionId, taskId});
  const taskIn = (taskId: string, state: string) =>
    found(
      async () => {
        const task = await team.task(sessionId, taskId);
        return task.state === state ? task : undefined;
      },
      90_000,
      `${taskId} to be ${state}`,
    );

  it('open the worktree in which an attempt failed', async () => {
    await taskIn('greeting', 'failed');
    const opened = await observed('vscode.openFolder', () =>
      vscode.commands.executeCommand('mcpx.openWorktree', {target: target('greeting')}),
    );
    const [[folder, options] = []] = opened;
    assert.ok(folder instanceof vscode.Uri, JSON.stringify(opened));
    assert.equal(readFileSync(path.join(folder.fsPath, 'greeting.txt'), 'utf8'), 'Hello\n');
    assert.deepEqual(options, {forceNewWindow: true});
  });

  it('attach to the attempt: its page opens with the transcript', async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await vscode.commands.executeCommand('mcpx.attach', {target: target('greeting')});
    const tab = await settled(
      vscode.window.tabGroups.onDidChangeTabs,
      () => vscode.window.tabGroups.activeTabGroup.activeTab,
      'the page',
    );
    assert.equal(tab.label, 'mended');
    assert.ok(tab.input instanceof vscode.TabInputWebview);
    assert.match(tab.input.viewType, /mcpx\.page$/);
  });

  it('retry it with a note, which Claude Code reads', async function () {
    const page = Page.orSkip(this);
    const retrying = vscode.commands.executeCommand('mcpx.retryTaskWithNote', {target: target('greeting')});
    await page.waitFor({selector: '.quick-input-widget', hasText: 'Retry Task with My Note: greeting'});
    await page.screenshot('retryWithNote');
    await page.fill({selector: '.quick-input-widget input.input'}, 'Say it in Welsh.');
    await page.press('Enter');
    await retrying;
    const {attempts} = await taskIn('greeting', 'succeeded');
    assert.equal(attempts, 2);
  });

  it('explain why it runs where it does', async () => {
    const {agentId, placement} = await team.attempt(sessionId, 'moved', ({state}) => state === 'running');
    await vscode.commands.executeCommand('mcpx.explainTask', {target: target('moved')});
    const shown = vscode.window.activeTextEditor?.document;
    assert.ok(shown && placement);
    const text = shown.getText();
    assert.match(text, new RegExp(`^# Placement of moved\n\n## Attempt 1 on ${agentId}, running\n`));
    assert.ok(text.includes(`- ${agentId} was chosen by ${placement.strategy}`), text);
    assert.match(text, new RegExp(`^\\| ${agentId} \\(chosen\\) +\\| `, 'm'));
    const {permissions} = await vscode.workspace.fs.stat(shown.uri);
    assert.equal(permissions, vscode.FilePermission.Readonly);
  });

  it('move it to another agent while it runs', async function () {
    const page = Page.orSkip(this);
    const first = await team.attempt(sessionId, 'moved', ({state}) => state === 'running');
    const moving = vscode.commands.executeCommand('mcpx.reassignTask', {target: target('moved')});
    await page.waitFor({selector: ROW, hasText: first.agentId});
    await page.click({selector: ROW, hasText: 'Whichever else fits'});
    await moving;
    const second = await team.attempt(
      sessionId,
      'moved',
      ({number, state}) => number === 2 && state === 'running',
    );
    assert.notEqual(second.agentId, first.agentId);
    const explained = vscode.workspace.textDocuments.find(({uri}) => uri.scheme === 'mcpx-placement');
    const now = `## Attempt 2 on ${second.agentId}, running`;
    await settled(
      vscode.workspace.onDidChangeTextDocument,
      () => (explained?.getText().includes(now) ? true : undefined),
      `${now} in ${explained?.getText()}`,
    );
    await page.screenshot('explained');
  });

  it('show what an attempt has asked for below its task, and in the graph', async function () {
    const page = Page.orSkip(this);
    await vscode.commands.executeCommand('mcpx.sessions.focus');
    const tree = new Tree(page, 'Sessions');
    await tree.expand(await tree.row(/^mended, /));
    await tree.expand(await tree.row(/^hold, running, .* 1 of 1 parts done$/));
    const made = await tree.row(/^echo made > made\.txt, succeeded, delegated · /);
    await page.screenshot('delegated');
    await tree.select(made);
    await vscode.commands.executeCommand('mcpx.openGraph', {target: target('hold')});
    const node = {frames: FRAMES, selector: '[role="treeitem"]', hasText: 'echo made'};
    await page.waitFor(node);
    assert.match(
      (await page.attribute(node, 'aria-label')) ?? '',
      /^echo made > made\.txt, .*part of hold, /,
    );
    await page.waitFor({frames: FRAMES, selector: 'mcpx-task-details button.link', hasText: 'echo made'});
    await page.screenshot('delegatedGraph');
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
  });

  it('run its gates again from the Test Explorer, without its work', async function () {
    const page = Page.orSkip(this);
    await taskIn('checked', 'failed');
    await vscode.commands.executeCommand('workbench.view.testing.focus');
    for (const name of ['mended', 'checked']) {
      await page.click({selector: TEST_ROW, hasText: name});
      await page.press('ArrowRight');
    }
    await page.waitFor({selector: `${TEST_ROW}[aria-label*="flag (Failed)"]`});
    writeFileSync(flag, '');
    // Its buttons are there while the pointer is over it.
    await page.click({selector: TEST_ROW, hasText: 'flag'});
    await page.click({selector: `${TEST_ROW}[aria-label*="flag ("] .codicon-testing-run-icon`});
    await page.waitFor({selector: `${TEST_ROW}[aria-label*="flag (Passed)"]`});
    await page.screenshot('gatesRerun');
    await taskIn('checked', 'succeeded');
    const work = await team.attempt(sessionId, 'checked', ({number}) => number === 1);
    const again = await team.attempt(sessionId, 'checked', ({number}) => number === 2);
    assert.equal(again.agentId, work.agentId);
  });

  it('retry what failed in a session that has ended: it gets agents again', async () => {
    const mark = path.join(scratchFolder(), 'tasks-mark');
    team.repository.write({'ended.mcpx.yaml': endedPlan(mark)});
    const ended = await team.run('ended.mcpx.yaml');
    await team.sessionIn(ended, 'failed');
    await team.withoutAgents(ended);
    writeFileSync(mark, '');
    const task = {kind: 'task', sessionId: ended, taskId: 'needs'};
    await vscode.commands.executeCommand('mcpx.retryTask', {target: task});
    await team.sessionIn(ended, 'succeeded');
  });

  it('let the session end with what all of them made', async () => {
    writeFileSync(go, '');
    const {result} = await team.sessionIn(sessionId, 'succeeded');
    assert.ok(result);
    await team.mcpx('sessions', 'fetch', sessionId);
    assert.equal(team.repository.show(result.commit, 'greeting.txt'), 'Shwmae');
    assert.equal(team.repository.show(result.commit, 'x.txt'), 'x');
    assert.equal(team.repository.show(result.commit, 'made.txt'), 'made');
  });
});
