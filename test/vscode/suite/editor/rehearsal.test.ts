/** A plan rehearsed from the editor: the bundled command runs it in a terminal, real Claude Code included, until its result is a branch. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import path from 'node:path';
import * as vscode from 'vscode';
import {nextEvent} from '../awaiting.ts';
import {workspaceFolder} from '../surroundings.ts';

const RUN_LIMIT_MS = 240_000;

describe('rehearsing the plan that is open', function () {
  this.timeout(RUN_LIMIT_MS + 60_000);

  it('brings a branch with its result, and leaves the checkout alone', async () => {
    const folder = workspaceFolder();
    const git = (...args: string[]): string =>
      execFileSync('git', ['-C', folder, ...args], {encoding: 'utf8'}).trim();
    const before = {head: git('rev-parse', 'HEAD'), branch: git('branch', '--show-current')};
    const plan = await vscode.workspace.openTextDocument(path.join(folder, 'team.mcpx.yaml'));
    await vscode.window.showTextDocument(plan);

    const ended = nextEvent(
      vscode.window.onDidCloseTerminal,
      ({name}) => name === 'MCPX',
      'the terminal to close',
      RUN_LIMIT_MS,
    );
    await vscode.commands.executeCommand('mcpx.rehearsePlan');
    const terminal = await ended;
    assert.equal(terminal.exitStatus?.code, 0);
    assert.match(git('for-each-ref', '--format=%(refname:short)', 'refs/heads/mcpx'), /^mcpx\/[^\n]+$/);
    assert.deepEqual({head: git('rev-parse', 'HEAD'), branch: git('branch', '--show-current')}, before);
  });
});
