/** A window without a plan: what wakes the extension, and what it says where there is nothing to run. */
import assert from 'node:assert/strict';
import {existsSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import {found, within} from '../../../support/waiting.ts';
import {Page} from '../page.ts';
import {mcpx, runToEnd} from '../planRun.ts';
import {extension, scratchFolder, variable} from '../surroundings.ts';

const Manifest = z.object({
  contributes: z.object({commands: z.array(z.object({command: z.string(), title: z.string()}))}),
});

describe('the extension in a window without a plan', function () {
  this.timeout(300_000);
  let plan: string;
  before(() => {
    plan = path.join(scratchFolder(), 'small.mcpx.yaml');
    writeFileSync(plan, 'name: small\nworkspace: none\ntasks:\n  - { id: hello, run: echo hello }\n');
  });

  it('wakes once the editor has started, and starts nothing', async () => {
    await found(() => extension().isActive || undefined, 60_000, 'the extension to be active');
    assert.equal(existsSync(path.join(variable('MCPX_HOME'), 'coordinator')), false);
  });

  it('offers to start a coordinator', async function () {
    const page = Page.orSkip(this);
    const title = 'MCPX: Start Coordinator';
    const offered = await page.palette(title);
    await page.press('Escape');
    assert.ok(
      offered.some(each => each.includes(title)),
      offered.join(),
    );
  });

  it('knows a plan by its name', async () => {
    const document = await vscode.workspace.openTextDocument(plan);
    assert.equal(document.languageId, 'mcpx-plan');
  });

  it('registers exactly the commands that it contributes', async () => {
    const contributed = Manifest.parse(extension().packageJSON).contributes.commands;
    // Those of views (`mcpx.agents.focus`) are the editor's.
    const registered = (await vscode.commands.getCommands(true)).filter(id => /^mcpx\.\w+$/.test(id));
    assert.deepEqual(registered.sort(), contributed.map(({command}) => command).sort());
  });

  for (const command of ['mcpx.runPlan', 'mcpx.rehearsePlan']) {
    it(`says to open a plan first (${command})`, async function () {
      const page = Page.orSkip(this);
      await vscode.commands.executeCommand('workbench.action.closeAllEditors');
      const ended = vscode.commands.executeCommand(command);
      await vscode.commands.executeCommand('notifications.showList');
      const message = {
        selector: '.notifications-center .notification-list-item',
        hasText: 'Open a plan file (*.mcpx.yaml) first.',
      };
      await page.waitFor(message);
      await page.screenshot(`noPlan-${command}`);
      await vscode.commands.executeCommand('notifications.clearAll');
      await within(Promise.resolve(ended), 30_000, 'the command to end');
      assert.deepEqual(vscode.window.terminals, []);
    });
  }

  it('runs a plan from anywhere', async () => {
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(plan));
    const {session, state} = await runToEnd(() => vscode.commands.executeCommand('mcpx.runPlan'));
    assert.equal(state, 'succeeded', await mcpx('sessions', 'show', session));
    await vscode.commands.executeCommand('mcpx.stopCoordinator');
  });
});
