/** Three members of an embedded cluster in this process, over real links on loopback. */
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {realDisk} from '../../coordinator/store/embedded/disk.ts';
import {type OpenedStore, openEmbeddedStore} from '../../coordinator/store/embedded/embeddedStore.ts';
import {PeerNetwork} from '../../coordinator/store/embedded/peers/peerNetwork.ts';
import {DEFAULT_PEER_SETTINGS} from '../../coordinator/store/embedded/peers/peerSettings.ts';
import type {Transport} from '../../coordinator/store/embedded/peers/transport.ts';
import {DEFAULT_EMBEDDED_SETTINGS, type EmbeddedSettings} from '../../coordinator/store/embedded/settings.ts';
import {freePorts} from '../support/freePorts.ts';

const NODES = ['n1', 'n2', 'n3'];

export interface ThreeMembers {
  readonly leader: OpenedStore;
  /** In no particular order. */
  readonly followers: readonly OpenedStore[];
  /** Stops a member as a restart of its process does, and opens it again. */
  reopen(store: OpenedStore): Promise<OpenedStore>;
  /** Nothing that this member says arrives, nor what the others say to it, until it is healed. */
  cut(store: OpenedStore): void;
  heal(store: OpenedStore): void;
  stop(): Promise<void>;
}

/** The sockets of a member, which can be cut. */
class CuttableNetwork {
  isCut = false;
  readonly transport: Transport;

  constructor(network: PeerNetwork) {
    this.transport = {
      start: listener =>
        network.start({
          ...listener,
          message: message => this.isCut || listener.message(message),
        }),
      send: message => this.isCut || network.send(message),
      flush: () => network.flush(),
      call: (to, body) => network.call(to, body),
      sendSnapshot: (to, source) => network.sendSnapshot(to, source),
      setPeers: addresses => network.setPeers(addresses),
      stop: () => network.stop(),
    };
  }
}

export async function startThree(settings: Partial<EmbeddedSettings> = {}): Promise<ThreeMembers> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-cluster-'));
  const ports = await freePorts(NODES.length);
  const peers = new Map(NODES.map((node, at) => [node, `ws://127.0.0.1:${ports[at]}`]));
  const secret = 'a secret of the tests';
  const all: EmbeddedSettings = {
    ...DEFAULT_EMBEDDED_SETTINGS,
    segmentBytes: 256 * 1024,
    firstSegmentBytes: 64 * 1024,
    snapshotEntries: 20,
    snapshotLogBytes: 1,
    electionMs: 400,
    ...settings,
  };
  const networks = new Map<string, CuttableNetwork>();
  const open = (node: string): Promise<OpenedStore> => {
    const address = peers.get(node) ?? '';
    const listen = {host: '127.0.0.1', port: Number(new URL(address).port)};
    const directory = path.join(folder, node);
    const parts = {clock: systemClock, random: systemRandom, logger: silentLogger, disk: realDisk};
    const network = new CuttableNetwork(
      new PeerNetwork({
        identity: {cluster: 'contract', node, secret, tls: undefined, address},
        environment: {...parts, folder: directory, settings: DEFAULT_PEER_SETTINGS},
        listen,
      }),
    );
    networks.set(node, network);
    return openEmbeddedStore({
      ...parts,
      directory,
      settings: all,
      cluster: {name: 'contract', node, peers, start: 'found', listen, secret},
      transport: network.transport,
    });
  };
  const opened = await Promise.all(NODES.map(open));
  const stores = new Map(NODES.map((node, at) => [node, opened[at]]));
  const leader = stores.get(opened[0]?.status().leader ?? '');
  if (!leader) throw new Error('a cluster that is open has a leader');
  const nodeOf = (store: OpenedStore): string => {
    const node = NODES.find(each => stores.get(each) === store);
    if (node === undefined) throw new Error('the store is no member');
    return node;
  };
  const setCut = (store: OpenedStore, isCut: boolean): void => {
    const network = networks.get(nodeOf(store));
    if (network) network.isCut = isCut;
  };
  return {
    leader,
    followers: [...stores.values()].flatMap(store => (store && store !== leader ? [store] : [])),
    async reopen(store) {
      const node = nodeOf(store);
      await store.close();
      const again = await open(node);
      stores.set(node, again);
      return again;
    },
    cut: store => setCut(store, true),
    heal: store => setCut(store, false),
    async stop() {
      await Promise.all([...stores.values()].map(member => member?.close()));
      await rm(folder, {recursive: true, force: true});
    },
  };
}
