/** The embedded store keeps the contract as a follower of a cluster of three, over real links. */
import {mkdtemp, rm} from 'node:fs/promises';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {type OpenedStore, openEmbeddedStore} from '../../coordinator/store/embedded/embeddedStore.ts';
import type {StoreUnderTest} from './contractSupport.ts';
import {describeStoreContract} from './storeContract.ts';

const NODES = ['n1', 'n2', 'n3'];

async function openThree(): Promise<StoreUnderTest> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-cluster-'));
  const ports = await freePorts(NODES.length);
  const peers = new Map(NODES.map((node, at) => [node, `ws://127.0.0.1:${ports[at]}`]));
  const open = (node: string): Promise<OpenedStore> =>
    openEmbeddedStore({
      directory: path.join(folder, node),
      clock: systemClock,
      random: systemRandom,
      settings: {
        segmentBytes: 256 * 1024,
        firstSegmentBytes: 64 * 1024,
        snapshotEntries: 20,
        snapshotLogBytes: 1,
        electionMs: 400,
      },
      cluster: {
        name: 'contract',
        node,
        peers,
        start: 'found',
        listen: {host: '127.0.0.1', port: Number(new URL(peers.get(node) ?? '').port)},
        secret: 'a secret of the tests',
      },
    });
  const opened = await Promise.all(NODES.map(open));
  const stores = new Map(NODES.map((node, at) => [node, opened[at]]));
  const leader = opened[0]?.status().leader;
  const follower = NODES.find(node => node !== leader) ?? 'n1';
  const store = stores.get(follower);
  if (!store) throw new Error('three stores are open');
  return {
    store,
    pass: ms => new Promise(resolve => setTimeout(resolve, ms)),
    async reopen() {
      await stores.get(follower)?.close();
      const again = await open(follower);
      stores.set(follower, again);
      return again;
    },
    async dispose() {
      await Promise.all([...stores.values()].map(member => member?.close()));
      await rm(folder, {recursive: true, force: true});
    },
  };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({length: count}, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    const listening = deferred<void>();
    server.listen(0, '127.0.0.1', () => listening.resolve());
    await listening.promise;
    const address = server.address();
    if (typeof address === 'object' && address) ports.push(address.port);
  }
  for (const server of servers) server.close();
  return ports;
}

describe('three members', function () {
  this.timeout(120_000);
  describeStoreContract('embedded, a follower of three', openThree);
});
