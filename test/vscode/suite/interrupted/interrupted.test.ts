/** A window that opens after everything that worked for a session was killed: it asks, and Resume brings the session to its end. */
import assert from 'node:assert/strict';
import {statSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import {found} from '../../../support/waiting.ts';
import {Page} from '../page.ts';
import {endOf, mcpx} from '../planRun.ts';
import {workspaceFolder} from '../surroundings.ts';

const NOTE = '.notifications-center .notification-list-item';
/** Until then its agents may still be on their way. */
const STARTING_MS = 15_000;

const Listed = z.object({sessions: z.array(z.object({id: z.string(), state: z.string()}))});

describe('a window that opens after a session was interrupted', function () {
  this.timeout(300_000);
  let page: Page;
  before(function () {
    page = Page.orSkip(this);
  });
  after(() => vscode.commands.executeCommand('mcpx.stopCoordinator'));

  const ask = {selector: NOTE, hasText: 'long was interrupted: nobody works for it any more.'};

  it('asks about it once the person looks', async () => {
    const {mtimeMs} = statSync(path.join(workspaceFolder(), 'running.mcpx.yaml'));
    const isOld = (): true | undefined => (Date.now() - mtimeMs > 2 * STARTING_MS ? true : undefined);
    await found(isOld, 60_000, 'the session to be old enough');
    await vscode.commands.executeCommand('workbench.view.extension.mcpx');
    await page.waitFor({selector: '.part.sidebar .monaco-list-row[aria-label^="long, interrupted"]'});
    // A list that was opened before the question came closes again by itself.
    await found(
      async () => {
        await vscode.commands.executeCommand('notifications.showList');
        return (await page.texts(ask)).length > 0 ? true : undefined;
      },
      60_000,
      'the question',
    );
    await page.screenshot('interrupted');
  });

  it('has agents brought by Resume, who bring it to its end', async () => {
    await page.click({selector: `${NOTE} .monaco-button`, hasText: 'Resume'});
    const {sessions} = Listed.parse(JSON.parse(await mcpx('sessions', 'list', '--json')));
    const [session] = sessions;
    assert.ok(session && sessions.length === 1);
    const succeeded = await found(
      async () => {
        const rows = Listed.parse(JSON.parse(await mcpx('sessions', 'list', '--json'))).sessions;
        return rows[0]?.state === 'succeeded' ? true : undefined;
      },
      120_000,
      'the session to succeed',
    );
    assert.ok(succeeded);
    assert.equal(await endOf(session.id), 'succeeded');
    await page.waitFor({selector: '.part.sidebar .monaco-list-row[aria-label^="long, succeeded"]'});
  });
});
