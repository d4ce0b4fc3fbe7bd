/** Another machine added by ssh from the palette: a real sshd on loopback, whose users have a home of their own, and the person's own ssh with a configuration of the test. */
import assert from 'node:assert/strict';
import {chmodSync, existsSync, mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import {FLEET_VARIABLE} from '../../../support/machine.ts';
import {missingSshServer, SshServer} from '../../../support/sshServer.ts';
import {found} from '../../../support/waiting.ts';
import {Messages} from '../answers.ts';
import {Page} from '../page.ts';
import {scratchFolder} from '../surroundings.ts';
import {environment, Team} from '../team.ts';

const INPUT = '.quick-input-widget input.input';
const ROW = '.quick-input-list .monaco-list-row';

describe('a machine that is reached by ssh', function () {
  this.timeout(240_000);
  let team: Team;
  let server: SshServer;
  let searched: string | undefined;

  before(async function () {
    const missing = missingSshServer();
    if (missing !== undefined) {
      console.log(`      skipped: ${missing}`);
      this.skip();
    }
    const folder = (name: string): string => {
      const made = path.join(scratchFolder(), 'far', name);
      mkdirSync(made, {recursive: true});
      return made;
    };
    const {PATH = '', [FLEET_VARIABLE]: fleet = ''} = environment();
    server = await SshServer.start(folder('sshd'), {
      [FLEET_VARIABLE]: fleet,
      HOME: folder('home'),
      MCPX_HOME: folder('mcpx'),
      TMPDIR: folder('tmp'),
      LANG: 'C.UTF-8',
      PATH: `${path.dirname(process.execPath)}:${PATH}`,
    });
    // OpenSSH asks the system for the home of the person, not HOME: their configuration is given to it by name.
    const configuration = path.join(folder('ssh'), 'config');
    const options = server.options.map(option => `  ${option.replace('=', ' ')}`);
    const [user = '', address = ''] = server.destination.split('@');
    writeFileSync(
      configuration,
      ['Host moon', `  HostName ${address}`, `  User ${user}`, ...options, ''].join('\n'),
    );
    const ssh = path.join(folder('bin'), 'ssh');
    writeFileSync(ssh, `#!/bin/sh\nexec /usr/bin/ssh -F ${configuration} "$@"\n`);
    chmodSync(ssh, 0o755);
    searched = process.env['PATH'];
    process.env['PATH'] = `${path.dirname(ssh)}:${PATH}`;
    team = await Team.start({'README.md': 'nothing\n'});
  });
  after(async () => {
    if (searched !== undefined) process.env['PATH'] = searched;
    await team?.leave();
    await server?.stop();
  });

  it('is added from the palette, and works', async function () {
    const page = Page.orSkip(this);
    const messages = new Messages(() => undefined);
    try {
      await page.runCommand('MCPX: Add Machine');
      await page.click({selector: ROW, hasText: 'By ssh'});
      await page.waitFor({selector: '.quick-input-widget', hasText: 'USER@HOST, or a name of your ssh'});
      await page.fill({selector: INPUT}, 'moon');
      await page.press('Enter');
      const shown = await found(() => messages.shown[0], 120_000, 'the machine to be there');
      assert.match(shown.message, /^moon works: \d+ slots\./);
    } finally {
      messages.dispose();
    }
    await page.screenshot('machine');
    assert.match(await team.mcpx('status'), /moon {2}idle/);
    assert.ok(existsSync(path.join(scratchFolder(), 'far/mcpx/programs')), 'in the home of the other user');
  });

  it('is sent away again, once that is confirmed', async () => {
    const messages = new Messages(({buttons}) => buttons[0]);
    try {
      await vscode.commands.executeCommand('mcpx.removeAgent', {target: {kind: 'agent', agentId: 'moon'}});
    } finally {
      messages.dispose();
    }
    assert.deepEqual(
      messages.shown.map(({message}) => message),
      ['Remove the agent moon?'],
    );
    assert.doesNotMatch(await team.mcpx('machine', 'list'), /moon/);
  });
});
