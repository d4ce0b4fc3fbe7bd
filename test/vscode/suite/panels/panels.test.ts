/** The web pages in real panels: a session is watched, answered and steered in them, and they come back after they were hidden. */
import assert from 'node:assert/strict';
import path from 'node:path';
import * as vscode from 'vscode';
import {found} from '../../../support/waiting.ts';
import {Page} from '../page.ts';
import {workspaceFolder} from '../surroundings.ts';
import {Team} from '../team.ts';

/** A webview is a frame in a frame. The page in front is the only one that is drawn. */
const FRAMES = ['iframe.webview.ready', 'iframe#active-frame'];

const PLAN = `name: asks
agents: 1
budgetUsd: 5
tasks:
  - id: careful
    title: Write notes with care
    prompt: Write, then go on.
    retry: {max: 0}
    permissions: {mode: ask}
  - id: after
    title: What comes after
    dependsOn: careful
    run: echo done
`;
const SCRIPT = `tasks:
  careful:
    turns:
      - text: First I write the notes.
        calls:
          - {tool: Write, input: {file_path: "{{worktree}}/notes.txt", content: "draft\\n"}}
      - The notes are written.
`;

describe('pages in panels', function () {
  this.timeout(300_000);
  let team: Team;
  let sessionId: string;
  before(async () => {
    team = await Team.start({'keep.txt': 'keep\n', 'asks.mcpx.yaml': PLAN, 'asks.rehearsal.yaml': SCRIPT});
    sessionId = await team.rehearse('asks.mcpx.yaml');
    await team.approval();
  });
  after(() => team.leave());

  const tabs = (): string[] =>
    vscode.window.tabGroups.all.flatMap(({tabs: open}) =>
      open.flatMap(({input, label}) => (input instanceof vscode.TabInputWebview ? [label] : [])),
    );

  const planUri = (): vscode.Uri => vscode.Uri.file(path.join(workspaceFolder(), 'asks.mcpx.yaml'));

  const showPlan = async (): Promise<void> => {
    await vscode.window.showTextDocument(planUri(), {viewColumn: vscode.ViewColumn.One, preview: false});
  };

  it('open one for each page of a session, by command', async () => {
    await vscode.commands.executeCommand('mcpx.openGraph', {kind: 'session', sessionId});
    await vscode.commands.executeCommand('mcpx.openGraph', {kind: 'task', sessionId, taskId: 'careful'});
    assert.equal((await found(() => (tabs().length > 0 ? tabs() : undefined), 10_000, 'a panel')).length, 1);
  });

  it('draw the graph with what waits, and say the same in words', async function () {
    const page = Page.orSkip(this);
    const row = {frames: FRAMES, selector: '[role="treeitem"]', hasText: 'Write notes with care'};
    await page.waitFor(row);
    assert.match((await page.attribute(row, 'aria-label')) ?? '', /waiting.*before What comes after/);
    await page.waitFor({frames: FRAMES, selector: 'mcpx-graph-canvas canvas'});
    await page.waitFor({frames: FRAMES, selector: 'mcpx-task-details', hasText: 'May it use Write?'});
    await page.screenshot('panel-graph');
  });

  it('carry an answer to Claude Code', async function () {
    const page = Page.orSkip(this);
    await vscode.commands.executeCommand('mcpx.openSession', {kind: 'session', sessionId});
    await page.waitFor({frames: FRAMES, selector: 'mcpx-transcript', hasText: 'First I write the notes.'});
    await page.screenshot('panel-session-asks');
    await page.click({frames: FRAMES, selector: 'mcpx-transcript vscode-button', hasText: 'Allow'});
    await page.waitFor({frames: FRAMES, selector: 'mcpx-transcript', hasText: 'The notes are written.'});
    assert.equal((await team.sessionIn(sessionId, 'succeeded')).counts.succeeded, 3);
    await page.waitFor({frames: FRAMES, selector: 'mcpx-session-header', hasText: '3 of 3 tasks done'});
    await page.screenshot('panel-session');
  });

  it('show what happened meanwhile when they come to the front again', async function () {
    const page = Page.orSkip(this);
    await vscode.commands.executeCommand('mcpx.openGraph', {kind: 'session', sessionId});
    const row = {
      frames: FRAMES,
      selector: '[role="treeitem"][aria-label*="succeeded"]',
      hasText: 'What comes after',
    };
    await page.waitFor(row);
    await page.screenshot('panel-graph-succeeded');
  });

  it('show the health of the fleet', async function () {
    const page = Page.orSkip(this);
    await vscode.commands.executeCommand('mcpx.openHealth');
    await page.waitFor({frames: FRAMES, selector: 'mcpx-health-page', hasText: 'embedded'});
    await page.screenshot('panel-health');
    assert.equal(tabs().length, 3);
  });

  it('draw a plan beside its text before it runs, in high contrast too', async function () {
    const page = Page.orSkip(this);
    await showPlan();
    await vscode.commands.executeCommand('mcpx.showPlanGraph', planUri());
    // There is room for the drawing alone.
    await page.waitFor({frames: FRAMES, selector: 'mcpx-graph-page h1', hasText: 'asks'});
    await page.waitFor({frames: FRAMES, selector: 'mcpx-graph-canvas canvas'});
    assert.equal(vscode.window.tabGroups.all.length, 2);
    await page.screenshot('panel-draft');
    const workbench = vscode.workspace.getConfiguration('workbench');
    await workbench.update('colorTheme', 'Default High Contrast', vscode.ConfigurationTarget.Global);
    try {
      await page.waitFor({frames: FRAMES, selector: 'body.vscode-high-contrast'});
      await page.screenshot('panel-draft-contrast');
    } finally {
      await workbench.update('colorTheme', undefined, vscode.ConfigurationTarget.Global);
    }
  });

  it('put the graph of a run beside the text of its plan', async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await showPlan();
    await vscode.commands.executeCommand('mcpx.openGraph', {kind: 'session', sessionId});
    await found(() => (tabs().length === 1 ? true : undefined), 10_000, 'the graph');
    assert.deepEqual(
      vscode.window.tabGroups.all.map(({activeTab}) => activeTab?.label),
      ['asks.mcpx.yaml', 'asks (graph)'],
    );
  });
});
