/** Which process may work in a directory: dead holders of every kind are told from living ones. */
import assert from 'node:assert/strict';
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {lockDirectory, lockHolder} from '../../coordinator/runtime/directoryLock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';

describe('directory lock', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-lock-'));
  });
  afterEach(() => rmSync(folder, {recursive: true, force: true}));

  const lock = () => lockDirectory(folder, systemRandom.hex(6), 'stop the other one');
  const locks = (): string[] => readdirSync(folder).filter(name => name.startsWith('LOCK'));
  const holder = (): {pid: number; start: string; boot: string} =>
    JSON.parse(readFileSync(path.join(folder, locks()[0] ?? ''), 'utf8'));

  it('is refused while its holder lives, with the pid and what to do, and given again after a release', async () => {
    const first = await lock();
    await assert.rejects(
      lock(),
      (error: Error & {hint?: string}) =>
        error.message.includes(String(process.pid)) && error.hint === 'stop the other one',
    );
    await first.release();
    await lock();
    assert.equal(locks().length, 1);
  });

  it('names its living holder to whoever looks, and nobody before, after, or when the holder is dead', async () => {
    assert.equal(await lockHolder(folder), undefined);
    const first = await lock();
    assert.equal(await lockHolder(folder), process.pid);
    assert.equal(locks().length, 1, 'a look changes nothing');
    const own = holder();
    await first.release();
    assert.equal(await lockHolder(folder), undefined);
    writeFileSync(path.join(folder, 'LOCK.9'), JSON.stringify({released: false, ...own, pid: 2 ** 22 + 1}));
    assert.equal(await lockHolder(folder), undefined);
  });

  it('leaves the drafts of living processes alone, and clears away those of dead ones', async () => {
    writeFileSync(path.join(folder, `lock-${process.ppid}-a.tmp`), '');
    writeFileSync(path.join(folder, `lock-${2 ** 22 + 1}-b.tmp`), '');
    await lock();
    assert.deepEqual(readdirSync(folder).sort(), ['LOCK.1', `lock-${process.ppid}-a.tmp`]);
  });

  const dead: {name: string; change: (own: {pid: number; start: string; boot: string}) => object}[] = [
    {name: 'a process that is gone', change: own => ({...own, pid: 2 ** 22 + 1})},
    {name: 'a pid that belongs to another process now', change: own => ({...own, start: `${own.start}1`})},
    {name: 'an earlier start of the machine', change: own => ({...own, boot: 'earlier'})},
  ];
  for (const {name, change} of dead) {
    it(`is taken over from ${name}`, async function () {
      if (process.platform !== 'linux') this.skip();
      await lock();
      const own = holder();
      rmSync(path.join(folder, locks()[0] ?? ''));
      writeFileSync(path.join(folder, 'LOCK.7'), JSON.stringify({released: false, ...change(own)}));
      await lock();
      assert.deepEqual(locks(), ['LOCK.8']);
    });
  }

  it('goes to exactly one of many that take over a dead holder at once', async () => {
    for (let round = 1; round <= 20; round++) {
      writeFileSync(
        path.join(folder, `LOCK.${1000 * round}`),
        JSON.stringify({pid: 2 ** 22 + 1, start: '1', boot: '', released: false}),
      );
      const results = await Promise.allSettled(Array.from({length: 8}, lock));
      const owners = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
      assert.equal(owners.length, 1);
      await owners[0]?.release();
    }
  });

  it('says which file cannot be read', async () => {
    writeFileSync(path.join(folder, 'LOCK.3'), 'not json');
    await assert.rejects(lock(), {code: 'corrupt', message: /LOCK\.3/});
  });
});
