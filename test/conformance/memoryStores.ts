/** The stores on which shared memory is tested, each emptied after a test rather than opened anew. */
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {parseEtcdAddress} from '../../coordinator/store/etcd/etcdAddress.ts';
import {openEtcdStore} from '../../coordinator/store/etcd/etcdStore.ts';
import type {Store} from '../../coordinator/store/store.ts';
import {openTestStore} from '../fixtures/openTestStore.ts';
import {EtcdServer} from '../support/etcdServer.ts';
import {startThree} from './threeMembers.ts';

export interface MemoryStore {
  readonly store: Store;
  /** The same facts as another coordinator has them. */
  readonly other: Store;
  /** The test is over. */
  remove(): Promise<void>;
}

/** Opened once for many tests. */
export interface MemoryStores {
  next(): Promise<MemoryStore>;
  stop(): Promise<void>;
}

export async function embeddedOne(): Promise<MemoryStores> {
  const {store, remove} = await openTestStore();
  return {next: async () => emptied(store, store), stop: remove};
}

export async function embeddedThree(as: 'leader' | 'follower'): Promise<MemoryStores> {
  const {leader, followers, stop} = await startThree();
  const [first, second] = followers;
  if (!first || !second) throw new Error('three stores are open');
  return {next: async () => (as === 'leader' ? emptied(leader, first) : emptied(first, second)), stop};
}

export async function etcd(members: number): Promise<MemoryStores> {
  const server = await EtcdServer.start({members});
  const open = (): Promise<Store> =>
    openEtcdStore({
      address: parseEtcdAddress(`${server.url}/memory`),
      clock: systemClock,
      random: systemRandom,
    });
  const store = await open();
  const other = await open();
  return {
    next: async () => emptied(store, other),
    async stop() {
      await Promise.all([store.close(), other.close()]);
      await server.stop();
    },
  };
}

function emptied(store: Store, other: Store): MemoryStore {
  return {
    store,
    other,
    remove: async () => void (await store.txn({then: [{kind: 'deletePrefix', prefix: 't/'}]})),
  };
}
