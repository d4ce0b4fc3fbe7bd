/** The palette offers a plan's commands where a plan is open, and they work from there. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import {Page} from '../page.ts';
import {workspaceFolder} from '../surroundings.ts';

const TITLES = ['MCPX: Run Plan', 'MCPX: Rehearse Plan (no model is called)'];

describe('the command palette', () => {
  beforeEach(() => vscode.commands.executeCommand('workbench.action.closeAllEditors'));

  it('offers to run and to rehearse the plan that is open', async function () {
    const page = Page.orSkip(this);
    await show('team.mcpx.yaml');
    for (const title of TITLES) {
      const titles = await page.palette(title);
      assert.ok(
        titles.some(each => each.includes(title)),
        titles.join(),
      );
      await page.screenshot('palette');
      await page.press('Escape');
    }
  });

  it('offers neither for another file', async function () {
    const page = Page.orSkip(this);
    await vscode.commands.executeCommand('mcpx.startCoordinator');
    await show('package.json');
    // Each has others beside it, which are offered wherever there is a coordinator.
    for (const start of ['MCPX: Run', 'MCPX: Re']) {
      const titles = await page.palette(start);
      for (const title of TITLES) assert.ok(!titles.some(each => each.includes(title)), titles.join());
      await page.press('Escape');
    }
  });

  it('runs nothing of a plan that is wrong, and says where it is', async function () {
    const page = Page.orSkip(this);
    const plan = 'wrong.mcpx.yaml';
    writeFileSync(
      path.join(workspaceFolder(), plan),
      'name: wrong\ntasks:\n  - { id: a, run: "true", dependsOn: b }\n',
    );
    await show(plan);
    await page.runCommand('MCPX: Run Plan');
    await vscode.commands.executeCommand('notifications.showList');
    await page.waitFor({
      selector: '.notifications-center .notification-list-item-message',
      hasText: 'wrong.mcpx.yaml:3:38: tasks[0].dependsOn[0]: no task is called "b". Nothing was started.',
    });
    const {line, character} = vscode.window.activeTextEditor?.selection.active ?? {};
    assert.deepEqual([line, character], [2, 37]);
    await page.screenshot('wrongPlan');
    await vscode.commands.executeCommand('notifications.clearAll');
  });
});

async function show(name: string): Promise<void> {
  const file = path.join(workspaceFolder(), name);
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(file));
}
