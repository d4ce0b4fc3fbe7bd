/** A window that opens while a session runs already: it starts nothing, and asks whether to show what was left running. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import path from 'node:path';
import {promisify} from 'node:util';
import * as vscode from 'vscode';
import {found} from '../../../support/waiting.ts';
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
    // A list that was opened before the question came closes again by itself.
    let texts: readonly string[] = [];
    const asked = await found(
      async () => {
        await vscode.commands.executeCommand('notifications.showList');
        texts = await page.texts({selector: NOTE});
        const questions = texts.filter(text => text.includes('long runs.'));
        return questions.length > 0 ? questions : undefined;
      },
      120_000,
      () => `the question among ${JSON.stringify(texts)}`,
    );
    assert.equal(asked.length, 1, asked.join('\n'));
  });

  it('shows the session when that is wanted', async () => {
    await page.click({selector: `${NOTE} .monaco-button`, hasText: 'Show'});
    await page.waitFor({selector: '.part.sidebar .monaco-list-row.selected[aria-label^="long, 1 running"]'});
    await page.screenshot('views-returning');
  });
});
