/** What the tests of the etcd driver share: stores on a server of theirs, and what a watch told them. */
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {parseEtcdAddress} from '../../../coordinator/store/etcd/etcdAddress.ts';
import {
  type EtcdStore,
  type EtcdStoreOptions,
  openEtcdStore,
} from '../../../coordinator/store/etcd/etcdStore.ts';
import type {Op, Store, WatchMessage} from '../../../coordinator/store/store.ts';

export function openStore(url: string, options: Partial<EtcdStoreOptions> = {}): Promise<EtcdStore> {
  return openEtcdStore({
    address: parseEtcdAddress(url),
    clock: systemClock,
    random: systemRandom,
    ...options,
  });
}

export const put = (key: string, value: string, lease?: string): Op => ({kind: 'put', key, value, lease});

/** Writes `count` revisions of two keys each, 64 at a time; resolves to their revisions in order. */
export async function writeMany(store: Store, count: number, value: string): Promise<number[]> {
  const revisions: number[] = [];
  let next = 0;
  const write = async (): Promise<void> => {
    while (next < count) {
      const n = next++;
      const {revision} = await store.txn({
        then: [put(`a/${n % 50}`, `${n} ${value}`), put(`b/${n % 70}`, `${n} ${value}`)],
      });
      revisions.push(revision);
    }
  };
  await Promise.all(Array.from({length: 64}, write));
  return revisions.sort((a, b) => a - b);
}

/** `revision:number of events`, in the order in which a watch told them, up to the revision `last`. */
export function followed(
  store: Store,
  prefix: string,
  fromRevision: number,
  last: number,
): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const seen: string[] = [];
    const watch = store.watch(prefix, {fromRevision}, (message: WatchMessage) => {
      if (message.kind !== 'events') {
        reject(new Error(`the watch ended: ${message.kind}`));
        return;
      }
      seen.push(`${message.revision}:${message.events.length}`);
      if (message.revision < last) return;
      watch.dispose();
      resolve(seen);
    });
  });
}
