/** Real processes on a real disk: kill -9 loses nothing acknowledged, and a directory has one owner. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {seededRandom, systemRandom} from '../../../coordinator/runtime/random.ts';
import {openEmbeddedStore} from '../../../coordinator/store/embedded/embeddedStore.ts';
import type {Store} from '../../../coordinator/store/store.ts';

const WRITER = fileURLToPath(new URL('writerProcess.ts', import.meta.url));
const SETTINGS = {
  segmentBytes: 128 * 1024,
  firstSegmentBytes: 64 * 1024,
  snapshotEntries: 200,
  snapshotLogBytes: 1,
};

function open(directory: string): Promise<Store> {
  return openEmbeddedStore({directory, clock: systemClock, random: systemRandom, settings: SETTINGS});
}

function startWriter(directory: string, sync: string): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', WRITER, directory, sync], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Reads acknowledgements until `enough`, then kills the process; returns the highest one of each writer. */
async function killAfter(child: ChildProcess, enough: number): Promise<Map<string, number>> {
  assert.ok(child.stdout);
  const exited = once(child, 'exit');
  const highest = new Map<string, number>();
  let count = 0;
  for await (const line of createInterface({input: child.stdout})) {
    const [writer, n] = line.split(' ');
    if (writer === undefined || n === undefined) continue;
    highest.set(writer, Number(n));
    count += 1;
    if (count === enough) child.kill('SIGKILL');
  }
  await exited;
  assert.ok(count >= enough, `the writer ended after ${count} acknowledgements`);
  return highest;
}

describe('processes on one data directory', function () {
  this.timeout(60_000);
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'mcpx-store-'));
  });
  afterEach(() => rm(directory, {recursive: true, force: true}));

  for (const sync of ['auto', 'fdatasync'])
    it(`kill -9 at any moment loses nothing acknowledged (${sync})`, async () => {
      const random = seededRandom(sync.length);
      const before = new Map<string, number>();
      for (let life = 0; life < 4; life++) {
        const child = startWriter(directory, sync);
        for (const [writer, n] of await killAfter(child, 50 + Math.floor(random.next() * 1500)))
          before.set(writer, n);
        const store = await open(directory);
        for (const [writer, n] of before) {
          const found = Number((await store.get(`w/${writer}`))?.value ?? 0);
          assert.ok(
            found >= n && found <= n + 1 + life,
            `writer ${writer}: acknowledged ${n}, found ${found}`,
          );
          assert.equal((await store.get(`w/${writer}/copy`))?.value, String(found), 'a transaction is whole');
        }
        await store.close();
      }
    });

  it('refuses a second process and names the first', async () => {
    const child = startWriter(directory, 'auto');
    assert.ok(child.stdout);
    await once(child.stdout, 'data');
    await assert.rejects(
      open(directory),
      error => isCoordinatorError(error, 'conflict') && error.message.includes(String(child.pid)),
    );
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    const store = await open(directory);
    await assert.rejects(open(directory), error => isCoordinatorError(error, 'conflict'));
    await store.close();
    await (await open(directory)).close();
  });

  it('leaves alone what another who asks for the directory has put into it', async () => {
    const draft = `lock-${process.ppid}-draft.tmp`;
    await writeFile(path.join(directory, draft), '');
    await writeFile(path.join(directory, 'snapshot-1.tmp'), '');
    await (await open(directory)).close();
    const names = await readdir(directory);
    assert.ok(names.includes(draft) && !names.includes('snapshot-1.tmp'), names.join());
  });

  it('lets exactly one of many starters have it', async () => {
    for (let round = 0; round < 5; round++) {
      const results = await Promise.allSettled(Array.from({length: 8}, () => open(directory)));
      const stores = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
      assert.equal(stores.length, 1);
      for (const result of results)
        assert.ok(result.status === 'fulfilled' || isCoordinatorError(result.reason, 'conflict'));
      for (const store of stores) await store.close();
    }
    const locks = (await readdir(directory)).filter(
      name => name.startsWith('LOCK') || name.startsWith('lock'),
    );
    assert.equal(locks.length, 1);
  });
});
