/** A data directory of a build before clusters is opened, becomes one of this format, and can become a cluster's first member. */
import assert from 'node:assert/strict';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {seededRandom} from '../../../coordinator/runtime/random.ts';
import type {ClusterOptions} from '../../../coordinator/store/embedded/clusterOptions.ts';
import {openVersion} from '../../../coordinator/store/embedded/dataDirectory.ts';
import {type OpenedStore, openEmbeddedStore} from '../../../coordinator/store/embedded/embeddedStore.ts';
import type {Transport} from '../../../coordinator/store/embedded/peers/transport.ts';
import type {SimulatedDisk} from '../../../coordinator/store/embedded/simulatedDisk.ts';
import {countWrites, FOLDER, LOG_ONLY, newDisk, openOn, writeNumber} from './simulation.ts';

/** Nobody is there. */
const NOBODY: Transport = {
  start: async () => undefined,
  send: () => undefined,
  flush: () => undefined,
  call: async () => '',
  sendSnapshot: async () => undefined,
  setPeers: () => undefined,
  stop: async () => undefined,
};

const CLUSTER: ClusterOptions = {
  name: 'fleet',
  node: 'n1',
  peers: new Map([['n1', 'ws://127.0.0.1:1']]),
  start: 'found',
  listen: {host: '127.0.0.1', port: 0},
  secret: 'a secret of the tests',
};

function openMember(disk: SimulatedDisk, cluster: Partial<ClusterOptions> = {}): Promise<OpenedStore> {
  return openEmbeddedStore({
    directory: FOLDER,
    disk,
    clock: new ManualClock(),
    random: seededRandom(8),
    settings: LOG_ONLY,
    cluster: {...CLUSTER, ...cluster},
    transport: NOBODY,
  });
}

const refused = (pattern: RegExp) => (error: unknown) =>
  isCoordinatorError(error, 'config') && pattern.test(`${error.message} ${error.hint ?? ''}`);

describe('a data directory of one node', () => {
  it('of the format before clusters keeps what it holds and is of the present format from then on', async () => {
    const disk = newDisk();
    const store = await openOn(disk, LOG_ONLY);
    await writeNumber(store, 1);
    await store.close();
    const {node, segment} = await openVersion(disk, FOLDER, 'unused');
    disk.replace(`${FOLDER}/VERSION`, Buffer.from(JSON.stringify({format: 1, node, segment})));
    const again = await openOn(disk, LOG_ONLY);
    assert.equal(await countWrites(again), 1);
    await again.close();
    assert.deepEqual(await openVersion(disk, FOLDER, 'unused'), {
      format: 2,
      node,
      segment,
      cluster: '',
      voters: [node],
    });
  });

  it('becomes a member of a cluster of one, and is refused alone from then on', async () => {
    const disk = newDisk();
    const store = await openOn(disk, LOG_ONLY);
    await writeNumber(store, 1);
    await store.close();
    const member = await openMember(disk);
    assert.equal(await countWrites(member), 1);
    await writeNumber(member, 2);
    assert.deepEqual(member.status().members, [{id: 'n1', address: 'ws://127.0.0.1:1', role: 'voter'}]);
    await member.close();
    await assert.rejects(openOn(disk, LOG_ONLY), refused(/--cluster fleet/));
    await assert.rejects(openMember(disk, {name: 'other'}), refused(/cluster fleet, not of other/));
  });

  it('that holds facts does not found a cluster with others, whose facts would be other ones', async () => {
    const disk = newDisk();
    await (await openOn(disk, LOG_ONLY)).close();
    const peers = new Map([...CLUSTER.peers, ['n2', 'ws://127.0.0.1:2']]);
    await assert.rejects(openMember(disk, {peers}), refused(/mcpx cluster add/));
    const renamed = {node: 'n9', peers: new Map([['n9', 'ws://127.0.0.1:9']])};
    await assert.rejects(openMember(disk, renamed), refused(/belongs to n1/));
  });
});
