/** The lock of an agent's folder and the id that is kept in it. */
import assert from 'node:assert/strict';
import {readdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {StateDirectory} from '../../coordinator/agent/stateDirectory.ts';
import type {ProcessTable} from '../../coordinator/agent/supervisor/processTable.ts';
import {systemProcessTable} from '../../coordinator/agent/supervisor/systemProcessTable.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {temporaryFolder} from './supervisor/support.ts';

const table = systemProcessTable();

describe('state directory of an agent', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => folder.remove());

  const acquire = (more: {agentId?: string; pid?: number; table?: ProcessTable} = {}) =>
    StateDirectory.acquire(folder.path, {pid: process.pid, table, random: systemRandom, ...more});
  const locks = (): string[] => readdirSync(folder.path).filter(name => name.startsWith('lock'));

  it('keeps the id that it made, or the one that it was given last', async () => {
    const made = await acquire();
    await made.release();
    const again = await acquire();
    assert.equal(again.agentId, made.agentId);
    await again.release();
    const named = await acquire({agentId: 'chosen'});
    await named.release();
    assert.equal((await acquire()).agentId, 'chosen');
  });

  it('is refused while its owner lives, and given again after a release', async () => {
    const first = await acquire();
    await assert.rejects(acquire(), {code: 'conflict'});
    await first.release();
    await acquire();
    assert.equal(locks().length, 1);
  });

  const dead: {name: string; owner: object}[] = [
    {name: 'a process that is gone', owner: {pid: 2 ** 22 + 1, startedAt: '1', boot: table.boot}},
    {
      name: 'a pid that belongs to another process now',
      owner: {pid: process.pid, startedAt: 'other', boot: table.boot},
    },
    {
      name: 'an earlier start of the machine',
      owner: {pid: process.pid, startedAt: table.row(process.pid)?.startedAt, boot: 'earlier'},
    },
  ];
  for (const {name, owner} of dead)
    it(`is taken over from ${name}`, async () => {
      writeFileSync(path.join(folder.path, 'lock.7'), JSON.stringify(owner));
      await acquire();
      assert.deepEqual(locks(), ['lock.8']);
    });

  it('goes to exactly one of many that take over a dead owner at once', async () => {
    for (let round = 0; round < 20; round++) {
      writeFileSync(path.join(folder.path, `lock.${1000 * (round + 1)}`), '{}');
      const results = await Promise.allSettled(Array.from({length: 8}, () => acquire()));
      const owners = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
      assert.equal(owners.length, 1);
      await owners[0]?.release();
    }
  });
});
