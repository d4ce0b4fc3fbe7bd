/** A window that opens while a session runs already: it starts nothing, and asks whether to show what was left running. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import path from 'node:path';
import {promisify} from 'node:util';
import * as vscode from 'vscode';
import {Page} from '../page.ts';
import {variable, workspaceFolder} from '../surroundings.ts';
import {environment} from '../team.ts';

const NOTE = '.notifications-center .notification-list-item';

describe('a window that opens while a session runs', function () {
  this.timeout(200_000);
  let page: Page;
  before(function () {
    page = Page.orSkip(this);
  });

  after(async () => {
    const program = path.join(variable('MCPX_TEST_ROOT'), 'dist/mcpx.mjs');
    await promisify(execFile)(process.execPath, [program, 'stop', '--all', '--grace', '0'], {
      cwd: workspaceFolder(),
      env: environment(),
    });
  });

  it('joins the coordinator by itself and asks about it, once', async () => {
    await page.waitFor({selector: '.part.statusbar .codicon-bell-dot'});
    await vscode.commands.executeCommand('notifications.showList');
    await page.waitFor({selector: NOTE, hasText: 'long runs.'});
    const asked = (await page.texts({selector: NOTE})).filter(text => text.includes('long runs.'));
    assert.equal(asked.length, 1, asked.join('\n'));
  });

  it('shows the session when that is wanted', async () => {
    await page.click({selector: `${NOTE} .monaco-button`, hasText: 'Show'});
    await page.waitFor({selector: '.part.sidebar .monaco-list-row.selected[aria-label^="long, 1 running"]'});
    await page.screenshot('views-returning');
  });
});
