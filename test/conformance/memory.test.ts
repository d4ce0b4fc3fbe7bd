/** Shared memory does the same on every store: alone, as a follower and as the leader of three, on etcd. */
import {missingEtcd} from '../support/etcdServer.ts';
import {expiryTests} from './memoryExpiries.ts';
import {embeddedOne, embeddedThree, etcd, type MemoryStore, type MemoryStores} from './memoryStores.ts';
import {syncTests} from './memorySyncs.ts';
import {valueTests} from './memoryValues.ts';

const PARTS = {values: valueTests, 'values that end': expiryTests, 'the sync of replicas': syncTests};

function describeMemory(
  name: string,
  start: () => Promise<MemoryStores>,
  parts: readonly (keyof typeof PARTS)[] = ['values', 'values that end', 'the sync of replicas'],
): void {
  describe(`shared memory: ${name}`, function () {
    this.timeout(120_000);
    let stores: MemoryStores;
    const open = (): Promise<MemoryStore> => stores.next();
    before(async () => {
      stores = await start();
    });
    after(() => stores?.stop());
    for (const part of parts) describe(part, () => PARTS[part](open));
  });
}

describeMemory('embedded, one node', embeddedOne);
describeMemory('embedded, a follower of three', () => embeddedThree('follower'));
describeMemory('embedded, the leader of three', () => embeddedThree('leader'));

const missing = missingEtcd();
describe(`with etcd${missing === undefined ? '' : `: ${missing}`}`, () => {
  before(function () {
    if (missing !== undefined) this.skip();
  });
  describeMemory('etcd, one member', () => etcd(1));
  describeMemory('etcd, three members', () => etcd(3), ['values']);
});
