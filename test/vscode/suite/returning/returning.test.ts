/** A window that opens while a session runs already: it starts nothing, and asks whether to show what was left running. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import path from 'node:path';
import {promisify} from 'node:util';
import {UserRepository} from '../../../integration/userRepository.ts';
import {found} from '../../../support/waiting.ts';
import {Messages} from '../answers.ts';
import {Page} from '../page.ts';
import {extension, variable, workspaceFolder} from '../surroundings.ts';
import {environment} from '../team.ts';

const PLAN = `name: long
agents: 1
workspace: none
tasks:
  - { id: wait, run: sleep 600 }
`;

describe('a window that opens while a session runs', function () {
  this.timeout(200_000);
  let messages: Messages;

  const mcpx = (...args: string[]) =>
    promisify(execFile)(process.execPath, [path.join(variable('MCPX_TEST_ROOT'), 'dist/mcpx.mjs'), ...args], {
      cwd: workspaceFolder(),
      env: environment(),
    });

  before(async () => {
    UserRepository.create(workspaceFolder(), environment(), {'long.mcpx.yaml': PLAN});
    await mcpx('run', 'long.mcpx.yaml', '--background', '--json');
    messages = new Messages(({message}) => (message === 'long runs.' ? 'Show' : undefined));
  });
  after(async () => {
    messages?.dispose();
    await mcpx('stop', '--all', '--grace', '0');
  });

  it('joins the coordinator and asks about it, once', async () => {
    assert.equal(extension().isActive, false);
    await extension().activate();
    const asked = await found(
      () => messages.shown.find(({message}) => message === 'long runs.'),
      60_000,
      () => `to be asked: ${JSON.stringify(messages.shown)}`,
    );
    assert.deepEqual(asked.buttons, ['Show']);
  });

  it('shows the session when that is wanted', async function () {
    const page = Page.orSkip(this);
    await page.waitFor({selector: '.part.sidebar .monaco-list-row.selected[aria-label^="long, 1 running"]'});
    await page.screenshot('views-returning');
    assert.equal(messages.shown.length, 1, JSON.stringify(messages.shown));
  });
});
