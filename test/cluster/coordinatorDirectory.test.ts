/** Coordinators of one store find each other there, and can tell each other from strangers. */
import assert from 'node:assert/strict';
import {CoordinatorDirectory} from '../../coordinator/cluster/coordinatorDirectory.ts';
import {createLogger, silentLogger} from '../../coordinator/observability/logger.ts';
import {SYSTEM_KEYS} from '../../coordinator/protocol/model/keys.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';
import {found} from '../support/waiting.ts';

const PATIENCE_MS = 20_000;
const door = (port: number, ca?: string) => ({url: `ws://127.0.0.1:${port}`, ca});

describe('coordinators of one store', () => {
  let test: TestStore;
  let open: CoordinatorDirectory[] = [];
  beforeEach(async () => {
    test = await openTestStore();
  });
  afterEach(async () => {
    for (const directory of open) await directory.stop();
    open = [];
    await test.remove();
  });

  async function coordinator(id: string, more: {shared?: boolean; logger?: typeof silentLogger} = {}) {
    const directory = new CoordinatorDirectory({
      ...{store: test.store, id, version: '1', clock: systemClock, random: systemRandom},
      tokens: {client: `client of ${id}`, agent: `agent of ${id}`},
      ...{shared: true, logger: silentLogger, leaseSeconds: 1, ...more},
    });
    open.push(directory);
    await directory.start();
    return directory;
  }

  const names = (directory: CoordinatorDirectory) => directory.others().map(({id}) => id);
  const sees = (directory: CoordinatorDirectory, ids: string[]) =>
    found(() => names(directory).join() === ids.join() || undefined, PATIENCE_MS, `${ids}`);

  it('see each other come and go, and are told once for each', async () => {
    const a = await coordinator('c-a');
    let told = 0;
    a.onChanged(() => {
      told += 1;
    });
    await a.announce(door(1));
    const b = await coordinator('c-b');
    await b.announce(door(2, 'PEM'));
    await sees(a, ['c-b']);
    assert.deepEqual(a.others(), [{id: 'c-b', url: 'ws://127.0.0.1:2', ca: 'PEM'}]);
    await sees(b, ['c-a']);
    assert.equal(told, 1);
    await b.stop();
    await sees(a, []);
    assert.equal(told, 2);
  });

  it('stay while they live, and are forgotten when their lease ends', async () => {
    const a = await coordinator('c-a');
    const b = await coordinator('c-b');
    await b.announce(door(2));
    await sees(a, ['c-b']);
    // Longer than its lease: it was renewed.
    await new Promise(resolve => systemClock.schedule(2500, () => resolve(undefined)));
    assert.deepEqual(names(a), ['c-b']);
    // What a killed process does: nothing more.
    b.dispose();
    await sees(a, []);
  });

  it('come back by themselves when their record was lost', async () => {
    const a = await coordinator('c-a');
    const b = await coordinator('c-b');
    await b.announce(door(2));
    await sees(a, ['c-b']);
    const {lease} = (await test.store.get(`${SYSTEM_KEYS.coordinators}c-b`)) ?? {};
    await test.store.revokeLease(lease ?? '');
    await sees(a, []);
    await sees(a, ['c-b']);
  });

  it('let each other in as peers, whoever made the secret, and nobody else', async () => {
    const [a, b] = await Promise.all([coordinator('c-a'), coordinator('c-b')]);
    const peer = {tenant: 'default', role: 'peer'};
    assert.deepEqual(a.verify(b.credential()), {id: 'coordinator:c-b', ...peer});
    assert.deepEqual(b.verify(a.credential()), {id: 'coordinator:c-a', ...peer});
    const proof = b.credential().split('.').at(-1) ?? '';
    assert.equal(a.verify(`coordinator.c-a.${proof}`), undefined, 'the proof is for one id');
    assert.equal(a.verify(`coordinator.c-b.${'A'.repeat(43)}`), undefined);
    assert.equal(a.verify('coordinator.c-b.short'), undefined);
  });

  it("accept the tokens of each other's user, and keep nothing but their hashes", async () => {
    const [a, b] = [await coordinator('c-a'), await coordinator('c-b')];
    const user = await found(() => a.verify('client of c-b'), PATIENCE_MS, 'the token of the other');
    assert.deepEqual(user, {id: 'client:local', tenant: 'default', role: 'coordinator'});
    assert.deepEqual(b.verify('agent of c-a'), {id: 'agent:local', tenant: 'default', role: 'agent'});
    assert.equal(b.verify('client of c-c'), undefined);
    const {kvs} = await test.store.range(SYSTEM_KEYS.fixedTokens);
    assert.deepEqual(
      kvs.map(({key}) => key.slice(SYSTEM_KEYS.fixedTokens.length)),
      ['c-a', 'c-b'],
    );
    assert.doesNotMatch(JSON.stringify(kvs), / of c-/);
    // Who dies is failed over from: its tokens stand as long as it may come back.
    await a.stop();
    assert.ok(b.verify('client of c-a'));
  });

  it('show the secret to nobody: it is outside every tenant and in no log', async () => {
    let log = '';
    const sink = {
      write(line: string) {
        log += line;
      },
    };
    const logger = createLogger({sink, level: 'debug', format: 'json', wallNow: systemClock.wallNow});
    const a = await coordinator('c-a', {logger});
    await a.announce(door(1));
    const {secret} = JSON.parse((await test.store.get(SYSTEM_KEYS.clusterSecret))?.value ?? '{}');
    assert.match(secret, /^[0-9a-f]{64}$/);
    assert.ok(!log.includes(secret) && !a.credential().includes(secret));
    assert.ok(!SYSTEM_KEYS.clusterSecret.startsWith('t/'));
  });

  it('are not looked for by one that is alone', async () => {
    const alone = await coordinator('c-a', {shared: false});
    await alone.announce(door(1));
    assert.deepEqual(alone.others(), []);
    assert.equal((await test.store.range('sys/')).kvs.length, 0);
    assert.equal(alone.verify(`coordinator.c-a.${'A'.repeat(43)}`), undefined);
  });
});
