/** The embedded store keeps the contract as a follower of a cluster of three, over real links. */
import type {StoreUnderTest} from './contractSupport.ts';
import {describeStoreContract} from './storeContract.ts';
import {startThree} from './threeMembers.ts';

async function openFollower(): Promise<StoreUnderTest> {
  const three = await startThree();
  let [store] = three.followers;
  if (!store) throw new Error('three stores are open');
  return {
    store,
    pass: ms => new Promise(resolve => setTimeout(resolve, ms)),
    async reopen() {
      if (store) store = await three.reopen(store);
      if (!store) throw new Error('it is open again');
      return store;
    },
    dispose: () => three.stop(),
  };
}

describe('three members', function () {
  this.timeout(120_000);
  describeStoreContract('embedded, a follower of three', openFollower);
});
