/** A plan rehearsed from the editor: the bundled command runs it in a terminal, real Claude Code included, until its result is a branch. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import path from 'node:path';
import * as vscode from 'vscode';
import {Page} from '../page.ts';
import {watchRun} from '../planRun.ts';
import {workspaceFolder} from '../surroundings.ts';

describe('rehearsing the plan that is open', function () {
  this.timeout(300_000);
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', workspaceFolder(), ...args], {encoding: 'utf8'}).trim();
  let checkout: string;

  before(async () => {
    checkout = [git('rev-parse', 'HEAD'), git('branch', '--show-current'), git('status', '--short')].join();
    const plan = path.join(workspaceFolder(), 'team.mcpx.yaml');
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(plan));
  });

  it('brings a branch with its result, which the terminal goes on to show', async () => {
    const {exitCode, output} = await watchRun(() => vscode.commands.executeCommand('mcpx.rehearsePlan'));
    assert.equal(exitCode, 0, output);
    const branch = git('for-each-ref', '--format=%(refname:short)', 'refs/heads/mcpx');
    assert.match(branch, /^mcpx\/\S+$/);
    assert.ok(output.includes(branch), output);
    assert.match(git('show', `${branch}:README.md`), /farewell\('Ada', 'fr'\)/);
  });

  it('leaves the checkout alone', () => {
    const now = [git('rev-parse', 'HEAD'), git('branch', '--show-current'), git('status', '--short')].join();
    assert.equal(now, checkout);
  });

  it('is there to be seen', async function () {
    const page = Page.orSkip(this);
    await page.waitFor({selector: '.terminal-wrapper.active .xterm-screen'});
    await page.screenshot('rehearsal');
  });
});
