/** Folders of processes that were killed go with what still runs of them; those of living ones, and those that are to stay, do not. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {createInterface} from 'node:readline';
import {FLEET_VARIABLE} from './machine.ts';
import {disown, ownFolder, removeAbandoned} from './ownedFolders.ts';

const PREFIX = `mcpx-owned-${process.pid}-`;
const MODULE = new URL('ownedFolders.ts', import.meta.url).href;
/** Makes two folders, one of which is to stay, and waits to be killed. */
const OWNER = `
import {disown, ownFolder} from '${MODULE}';
const folders = [ownFolder('${PREFIX}'), ownFolder('${PREFIX}')];
disown(folders[1]);
console.log(JSON.stringify(folders));
process.stdin.resume();`;

describe('folders with an owner', function () {
  this.timeout(60_000);
  const children: ChildProcess[] = [];
  const folders: string[] = [];

  before(function () {
    if (process.platform !== 'linux') this.skip();
  });
  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    for (const folder of folders) await rm(folder, {recursive: true, force: true});
  });

  it('are removed by whoever comes after the owner was killed, unless they are to stay', async () => {
    const owner = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', OWNER], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(owner);
    const [line] = await once(createInterface({input: owner.stdout}), 'line');
    const [left = '', kept = ''] = JSON.parse(line) as string[];
    const own = ownFolder(PREFIX);
    folders.push(left, kept, own);
    const orphan = spawn('sleep', ['600'], {env: {...process.env, [FLEET_VARIABLE]: left}});
    children.push(orphan);
    const ended = once(orphan, 'exit');

    assert.deepEqual(await removeAbandoned(PREFIX), []);
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    assert.deepEqual(await removeAbandoned(PREFIX), [left]);
    await ended;
    assert.deepEqual([left, kept, own].map(existsSync), [false, true, true]);
    disown(own);
    assert.deepEqual(await removeAbandoned(PREFIX), []);
  });
});
