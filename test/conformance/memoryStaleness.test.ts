/** What a coordinator answers that is cut off from its store: never older than was allowed, with its true age, and late rather than wrong. */
import assert from 'node:assert/strict';
import {DistributedSharedMemory} from '../../coordinator/memory/distributedSharedMemory.ts';
import type {ConsistencyLevel} from '../../coordinator/protocol/commands/memory.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import type {Store} from '../../coordinator/store/store.ts';
import {client, putSession} from '../fixtures/attempts.ts';
import {sharedMemory} from '../memory/memoryFixture.ts';
import {openStore} from '../store/etcd/etcdFixture.ts';
import {CuttingProxy} from '../support/cuttingProxy.ts';
import {EtcdServer, missingEtcd} from '../support/etcdServer.ts';
import {startThree} from './threeMembers.ts';

/** A coordinator's store that can be cut off from the others, and another coordinator's. */
interface CutStore {
  readonly here: Store;
  readonly elsewhere: Store;
  cut(): void;
  heal(): void;
  stop(): Promise<void>;
}

const BOUND_MS = 700;
const GIVE_UP_MS = 1500;

async function follower(): Promise<CutStore> {
  const {leader, followers, cut, heal, stop} = await startThree({writeTimeoutMs: GIVE_UP_MS});
  const [here] = followers;
  if (!here) throw new Error('three stores are open');
  return {here, elsewhere: leader, cut: () => cut(here), heal: () => heal(here), stop};
}

async function etcd(): Promise<CutStore> {
  const server = await EtcdServer.start();
  const proxy = await CuttingProxy.open(() => Number(server.endpoints[0]?.split(':')[1]));
  const settings = {heartbeatMs: 300, requestTimeoutMs: GIVE_UP_MS};
  const here = await openStore(`etcd://127.0.0.1:${proxy.port}/cut`, {settings});
  const elsewhere = await openStore(`${server.url}/cut`);
  return {
    here,
    elsewhere,
    cut: () => proxy.cut(),
    heal: () => proxy.heal(),
    async stop() {
      await Promise.all([here.close(), elsewhere.close()]);
      await proxy.close();
      await server.stop();
    },
  };
}

function stalenessTests(open: () => Promise<CutStore>): void {
  let stores: CutStore;
  let here: DistributedSharedMemory;
  let elsewhere: DistributedSharedMemory;
  const closing: (() => void)[] = [];
  const memoryOn = async (store: Store): Promise<DistributedSharedMemory> => {
    const {memory, dispose} = await sharedMemory(store);
    closing.push(dispose);
    return new DistributedSharedMemory(memory, {sessionId: 's-1', principal: client});
  };

  beforeEach(async () => {
    stores = await open();
    await putSession(stores.elsewhere, 's-1');
    here = await memoryOn(stores.here);
    elsewhere = await memoryOn(stores.elsewhere);
    await elsewhere.store('k', 'old');
    assert.equal((await here.retrieve('k', 'strong')).record?.value, 'old');
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) close();
    await stores.stop();
  });

  /** What is read here, and when it was asked for and answered. */
  const timed = async (level: ConsistencyLevel, key = 'k') => {
    const askedAt = performance.now();
    const answer = await here.retrieve(key, level);
    return {...answer, value: answer.record?.value, askedAt, tookMs: performance.now() - askedAt};
  };
  const refused = (error: unknown) =>
    isProtocolError(error, 'unavailable') && /is known here/.test(error.message);

  it('refuses a bounded read rather than answer what is older, and states the true age until then', async () => {
    await here.retrieve('another', {bounded: 60_000});
    stores.cut();
    await elsewhere.store('k', 'new');
    const changedAt = performance.now();
    let olds = 0;
    for (;;) {
      let answer: Awaited<ReturnType<typeof timed>>;
      try {
        answer = await timed({bounded: BOUND_MS});
      } catch (error) {
        assert.ok(refused(error), String(error));
        break;
      }
      if (answer.value === 'old') olds++;
      const staleMs = answer.value === 'old' ? answer.askedAt - changedAt : 0;
      const {ageMs = 0} = answer;
      assert.ok(ageMs <= BOUND_MS && staleMs <= ageMs, `${ageMs} ms were stated, it was ${staleMs}`);
      assert.ok(performance.now() - changedAt < 10_000, 'it was to refuse by now');
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    assert.ok(olds > 0, 'what is young enough is answered although the store is away');
    const eventual = await timed('eventual');
    assert.equal(eventual.value, 'old');
    assert.ok(
      (eventual.ageMs ?? 0) >= eventual.askedAt - changedAt,
      'the age covers the time since the change',
    );
    stores.heal();
    for (;;) {
      const value = await timed({bounded: BOUND_MS}).catch((error: unknown) => {
        assert.ok(refused(error), String(error));
        return undefined;
      });
      if (value?.value === 'new') break;
    }
  });

  it('knows other keys too where it keeps all of the store, and says so where it does not', async () => {
    await elsewhere.store('unread', 1);
    await here.retrieve('k', 'strong');
    stores.cut();
    const answer = timed({bounded: 60_000}, 'unread');
    if (stores.here.status().driver === 'etcd') await assert.rejects(answer, refused);
    else {
      const {value, ageMs = 0} = await answer;
      assert.equal(value, 1);
      assert.ok(ageMs > 0);
    }
  });

  it('waits for the revision that a client has seen elsewhere, and answers nothing before it', async () => {
    stores.cut();
    const {revision} = await elsewhere.store('k', 'new');
    await assert.rejects(here.retrieve('k', {session: revision}), refused);
    const waiting = timed({session: revision});
    await new Promise(resolve => setTimeout(resolve, 100));
    stores.heal();
    const answer = await waiting.catch((error: unknown) => {
      assert.ok(refused(error), String(error));
      return timed({session: revision});
    });
    assert.equal(answer.value, 'new');
    assert.ok(answer.revision >= revision);
  });

  it('serves a client that comes over with what it has seen, at once where that is here already', async () => {
    const {revision} = await elsewhere.store('k', 'new');
    assert.equal((await here.retrieve('k', {session: revision})).record?.value, 'new');
    stores.cut();
    assert.equal((await here.retrieve('k', {session: revision})).record?.value, 'new', 'it is here');
  });
}

describe('shared memory that is cut off from its store', function () {
  this.timeout(60_000);
  describe('as a follower of three', () => stalenessTests(follower));

  const missing = missingEtcd();
  describe(`on etcd${missing === undefined ? '' : `: ${missing}`}`, () => {
    before(function () {
      if (missing !== undefined) this.skip();
    });
    stalenessTests(etcd);
  });
});
