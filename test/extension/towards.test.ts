/** Which coordinator the verbs talk to that a window runs: its own, and not the one that a terminal's user has chosen. */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {namedCoordinator} from '../../coordinator/commands/local/connect.ts';
import {openContexts} from '../../coordinator/commands/local/contexts.ts';
import {userDirectories} from '../../coordinator/commands/local/directories.ts';
import {towards} from '../../extension/connection/towards.ts';

describe('verbs of a window', () => {
  let home: string;

  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), 'mcpx-towards-'));
  });
  afterEach(() => rmSync(home, {recursive: true, force: true}));

  const named = (here: boolean): Promise<string | undefined> =>
    namedCoordinator(
      {here},
      {
        stdout: () => undefined,
        stderr: () => undefined,
        env: {MCPX_HOME: home},
        cwd: home,
        interactive: false,
        columns: 80,
      },
    );

  it("talk to this machine's coordinator, whatever context is current on the command line", async () => {
    const contexts = await openContexts(userDirectories({MCPX_HOME: home}).contextsFile);
    await contexts.update(data => {
      data.contexts = [{name: 'team', url: 'wss://hub.example:7600'}];
      data.current = 'team';
    });
    assert.equal(await named(false), 'team');
    const {args} = towards({chosen: {kind: 'local'}});
    assert.equal(await named(args.includes('--here')), undefined);
  });

  it('name the context that the window is connected to, with its token where no other process sees it', () => {
    assert.deepEqual(towards({chosen: {kind: 'context', name: 'team', token: 'secret'}}), {
      args: ['--connect', 'team'],
      env: {MCPX_TOKEN: 'secret'},
    });
  });
});
