/** Where a verb may go: one address, several of one cluster, or what a context holds. */
import assert from 'node:assert/strict';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import type {CommandIo} from '../../../coordinator/commands/io.ts';
import {findTarget} from '../../../coordinator/commands/local/connect.ts';
import {openContexts} from '../../../coordinator/commands/local/contexts.ts';
import {userDirectories} from '../../../coordinator/commands/local/directories.ts';

describe('the coordinator that a verb is told of', () => {
  let io: CommandIo;
  beforeEach(async () => {
    const cwd = await mkdtemp(`${tmpdir()}/mcpx-target-`);
    const silent = () => undefined;
    io = {stdout: silent, stderr: silent, env: {MCPX_HOME: cwd}, cwd, interactive: false, columns: 80};
  });
  afterEach(() => rm(io.cwd, {recursive: true, force: true}));

  it('may have several addresses, with commas between them, in a context too', async () => {
    const both = {url: 'ws://127.0.0.1:1', others: ['ws://127.0.0.1:2'], token: 'secret', ca: undefined};
    const connect = 'ws://127.0.0.1:1, ws://127.0.0.1:2';
    assert.deepEqual(await findTarget({connect, token: 'secret'}, io), both);
    const contexts = await openContexts(userDirectories(io.env).contextsFile);
    await contexts.update(data => {
      data.contexts = [{name: 'team', url: connect, token: 'secret'}];
    });
    assert.deepEqual(await findTarget({connect: 'team'}, io), both);
  });

  it('is refused where one of them is no address', async () => {
    await assert.rejects(findTarget({connect: 'ws://127.0.0.1:1,nowhere'}, io), {code: 'config'});
  });
});
