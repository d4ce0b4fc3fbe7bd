/** A task that a person adds to a session that runs: asked for in the window, worked off like any other. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import {Page} from '../page.ts';
import {endOf, mcpx} from '../planRun.ts';
import {scratchFolder, workspaceFolder} from '../surroundings.ts';

describe('a session that runs', function () {
  this.timeout(300_000);
  after(() => vscode.commands.executeCommand('mcpx.stopCoordinator'));

  it('takes a task that a person adds', async function () {
    const page = Page.orSkip(this);
    const go = path.join(scratchFolder(), 'go');
    const file = path.join(workspaceFolder(), 'growing.mcpx.yaml');
    writeFileSync(
      file,
      `name: growing\nworkspace: none\nagents: 1\ntasks:\n  - id: hold\n    run: "while ! test -e ${go}; do sleep 0.1; done"\n`,
    );
    const session = await vscode.commands.executeCommand<string>('mcpx.runPlan', vscode.Uri.file(file));
    assert.ok(session);
    const added = vscode.commands.executeCommand('mcpx.addTask', {kind: 'session', sessionId: session});
    await page.click({selector: '.quick-input-list .monaco-list-row', hasText: 'A shell command'});
    await page.answer('Which command?', 'echo late');
    await page.answer('What is the task called?');
    await page.click({selector: '.quick-input-list .monaco-list-row', hasText: 'hold'});
    await page.screenshot('addTask');
    await page.press('Enter');
    await added;
    writeFileSync(go, '');
    assert.equal(await endOf(session), 'succeeded', await mcpx('sessions', 'show', session));
    assert.match(await mcpx('sessions', 'show', session), /echo-late/);
  });
});
