/** The etcd driver keeps the store's contract, on one member and on three of a real etcd. */
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {parseEtcdAddress} from '../../coordinator/store/etcd/etcdAddress.ts';
import {type EtcdStore, openEtcdStore} from '../../coordinator/store/etcd/etcdStore.ts';
import {EtcdServer, missingEtcd} from '../support/etcdServer.ts';
import type {StoreUnderTest} from './contractSupport.ts';
import {describeStoreContract} from './storeContract.ts';

const missing = missingEtcd();

/** Every store has a prefix of its own in the one etcd. */
let stores = 0;

async function open(server: EtcdServer): Promise<StoreUnderTest> {
  const address = parseEtcdAddress(`${server.url}/contract/${stores++}`);
  const again = (): Promise<EtcdStore> =>
    openEtcdStore({
      address,
      clock: systemClock,
      random: systemRandom,
      // A heartbeat spends a revision; the contract counts them.
      settings: {heartbeatMs: 600_000, pageKeys: 4},
    });
  let current = await again();
  return {
    store: current,
    pass: ms => new Promise(resolve => setTimeout(resolve, ms)),
    async reopen() {
      await current.close();
      current = await again();
      return current;
    },
    dispose: () => current.close(),
  };
}

for (const members of [1, 3])
  describe(`etcd of ${members}${missing === undefined ? '' : `: ${missing}`}`, function () {
    this.timeout(120_000);
    let server: EtcdServer;
    before(async function () {
      if (missing !== undefined) return this.skip();
      server = await EtcdServer.start({members});
    });
    after(() => server?.stop());

    describeStoreContract(`etcd, ${members} members`, () => open(server));
  });
