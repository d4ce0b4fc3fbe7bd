/** A folder that is not trusted, in a window that starts nothing by itself: nothing of it runs, and sessions can be watched. */
import assert from 'node:assert/strict';
import {existsSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import {found} from '../../../support/waiting.ts';
import {Messages} from '../answers.ts';
import {Page} from '../page.ts';
import {mcpx} from '../planRun.ts';
import {extension, variable, workspaceFolder} from '../surroundings.ts';

const REFUSAL = 'This folder is not trusted: its plans are not run. Nothing was started.';

describe('a folder that is not trusted, in a window that starts nothing by itself', function () {
  this.timeout(120_000);
  let plan: vscode.Uri;
  before(async function () {
    // Test runners have the desktop trust every folder.
    if (vscode.workspace.isTrusted) this.skip();
    plan = vscode.Uri.file(path.join(workspaceFolder(), 'team.mcpx.yaml'));
    await found(() => extension().isActive || undefined, 60_000, 'the extension to be active');
  });
  after(() => vscode.commands.executeCommand('mcpx.stopCoordinator'));

  const endpoint = (): string => path.join(variable('MCPX_HOME'), 'coordinator/endpoint.json');

  it('shows its plan and the views, and leaves it to the person to start the coordinator', async function () {
    const page = Page.orSkip(this);
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(plan));
    await page.waitFor({selector: '.monaco-editor .codelens-decoration', hasText: 'Graph'});
    await vscode.commands.executeCommand('workbench.view.extension.mcpx');
    await page.waitFor({selector: '.welcome-view-content', hasText: 'Start Coordinator'});
    await page.screenshot('careful');
    assert.equal(existsSync(endpoint()), false);
  });

  for (const command of ['mcpx.runPlan', 'mcpx.rehearsePlan', 'mcpx.runSelection', 'mcpx.runGoal'])
    it(`runs nothing by ${command}, says why, and offers to manage trust`, async () => {
      const messages = new Messages(() => undefined);
      try {
        await vscode.commands.executeCommand(command, ...(command.endsWith('Plan') ? [plan] : []));
      } finally {
        messages.dispose();
      }
      assert.deepEqual(messages.shown, [
        {kind: 'showWarningMessage', message: REFUSAL, buttons: ['Manage Trust']},
      ]);
      assert.equal(existsSync(endpoint()), false);
    });

  it('imports no MCP server that the folder names, and says why', async () => {
    writeFileSync(
      path.join(workspaceFolder(), '.mcp.json'),
      JSON.stringify({mcpServers: {evil: {command: 'touch', args: ['harm']}}}),
    );
    const messages = new Messages(() => undefined);
    try {
      await vscode.commands.executeCommand('mcpx.importServers');
    } finally {
      messages.dispose();
    }
    assert.deepEqual(messages.shown, [
      {
        kind: 'showWarningMessage',
        message:
          'This folder is not trusted: MCP servers that it names are not imported. Nothing was registered.',
        buttons: ['Manage Trust'],
      },
    ]);
    assert.equal(existsSync(endpoint()), false);
  });

  it('still has a coordinator when that is asked for, and watches what it has', async function () {
    const page = Page.orSkip(this);
    await page.click({selector: '.welcome-view-content .monaco-button', hasText: 'Start Coordinator'});
    await page.waitFor({selector: '.welcome-view-content', hasText: 'No sessions yet'});
    assert.match(await mcpx('endpoint'), /^Coordinator /);
  });

  it('does not start it again when it was stopped elsewhere, and finds it when it was started', async function () {
    const page = Page.orSkip(this);
    await mcpx('coordinator', 'stop');
    await page.waitFor({selector: '.welcome-view-content', hasText: 'Start Coordinator'});
    await page.waitFor({selector: '[id="mcpx.mcpx.mcpx.status"] [aria-label*="was stopped"]'});
    assert.equal(existsSync(endpoint()), false);
    await mcpx('endpoint', '--start');
    await page.waitFor({selector: '.welcome-view-content', hasText: 'No sessions yet'});
  });
});
