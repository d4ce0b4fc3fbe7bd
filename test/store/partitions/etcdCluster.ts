/** Three members of a real etcd, reached through our driver: by three stores that know one member each, and one that knows them all. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {Etcd3} from 'etcd3';
import * as z from 'zod';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {parseEtcdAddress} from '../../../coordinator/store/etcd/etcdAddress.ts';
import {type EtcdStore, openEtcdStore} from '../../../coordinator/store/etcd/etcdStore.ts';
import {KeySpace} from '../../../coordinator/store/etcd/keySpace.ts';
import {keyValueOf} from '../../../coordinator/store/etcd/records.ts';
import type {EtcdSettings} from '../../../coordinator/store/etcd/settings.ts';
import type {StoreEvent} from '../../../coordinator/store/store.ts';
import type {HistoryEvent} from '../../simulation/checker/history.ts';
import {etcdProgram} from '../../support/etcdServer.ts';
import type {HostNetwork} from '../../support/hostNetwork.ts';
import {found} from '../../support/waiting.ts';
import {type Cluster, type Findings, Machine, NODES} from './cluster.ts';
import {type Door, localState, replyOf} from './door.ts';
import type {Change} from './memberDump.ts';
import {numberedBy, renumbered} from './renumbered.ts';

const HashAnswer = z.object({hash: z.union([z.number(), z.string()])});

const PREFIX = 'partitions';
const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
/** Its log is of 64 MiB, preallocated, and the next one is prepared meanwhile. */
const DISK_MEBIBYTES = 160;
const START_MS = 60_000;
const TRY_MS = 1000;
const AGAIN_MS = 50;

const SETTINGS: Partial<EtcdSettings> = {
  requestTimeoutMs: 4000,
  staleAfterMs: 4000,
  // Heartbeats spend revisions; those that overtake lost requests do it all the same.
  heartbeatMs: 600_000,
};

export class EtcdCluster implements Cluster {
  readonly machines: ReadonlyMap<string, Machine>;
  base = 0;
  private readonly clients: ReadonlyMap<string, Etcd3>;
  private readonly stores = new Map<string, EtcdStore>();
  private readonly space = new KeySpace(PREFIX);

  private constructor(
    private readonly network: HostNetwork,
    folder: string,
  ) {
    const at = (node: string, port: number): string => `http://${network.address(node)}:${port}`;
    const all = NODES.map(node => `${node}=${at(node, PEER_PORT)}`).join(',');
    const command = (node: string) => (directory: string) => [
      ...[etcdProgram() ?? 'etcd', '--name', node, '--data-dir', directory],
      ...['--listen-client-urls', at(node, CLIENT_PORT), '--advertise-client-urls', at(node, CLIENT_PORT)],
      ...['--listen-peer-urls', at(node, PEER_PORT), '--initial-advertise-peer-urls', at(node, PEER_PORT)],
      ...['--initial-cluster', all, '--initial-cluster-token', path.basename(folder)],
      ...['--logger', 'zap', '--log-level', 'warn', '--log-outputs', 'stderr'],
    ];
    this.machines = new Map(
      NODES.map(node => [
        node,
        new Machine(node, network, {folder, diskMebibytes: DISK_MEBIBYTES, command: command(node)}),
      ]),
    );
    this.clients = new Map(NODES.map(node => [node, new Etcd3({hosts: at(node, CLIENT_PORT)})]));
  }

  static async start(network: HostNetwork, folder: string): Promise<EtcdCluster> {
    const cluster = new EtcdCluster(network, folder);
    for (const machine of cluster.machines.values()) machine.start();
    await Promise.all(NODES.map(node => cluster.answers(node)));
    for (const node of NODES) cluster.stores.set(node, await cluster.open([node]));
    cluster.stores.set('all', await cluster.open(NODES));
    const {header} = await cluster.client('n1').kv.range({key: Buffer.from('the newest revision')});
    cluster.base = Number(header.revision);
    return cluster;
  }

  doors(): Door[] {
    return [...this.stores].map(([name, store]) => ({
      name,
      ask: input => replyOf(store, input),
      local: () => localState(store).catch(() => undefined),
      watch: (prefix, fromRevision, listener) => store.watch(prefix, {fromRevision}, listener),
      // The driver ends by itself what takes too long.
      close: () => undefined,
    }));
  }

  async leader(): Promise<string | undefined> {
    const deadline = Date.now() + TRY_MS;
    return Promise.any(
      NODES.map(async node => {
        const status = await this.client(node).maintenance.status({deadline});
        if (status.leader !== status.header.member_id) throw new Error(`${node} does not lead`);
        return node;
      }),
    ).catch(() => undefined);
  }

  async answers(node: string): Promise<void> {
    const look = async (): Promise<true | undefined> => {
      try {
        const key = Buffer.from('is it there');
        await this.client(node).kv.range({key}, {deadline: Date.now() + TRY_MS});
        return true;
      } catch {
        // Its client would shut it out for a while.
        await pause(AGAIN_MS);
        return undefined;
      }
    };
    await found(look, START_MS, () => `${node} to answer:\n${this.machines.get(node)?.log}`);
  }

  async findings(revision: number, history: readonly HistoryEvent[]): Promise<Findings> {
    const raw = await Promise.all(
      NODES.map(async node => {
        return {node, hash: await this.hash(node, revision), changes: await this.changes(node, revision)};
      }),
    );
    const [first] = raw;
    assert.ok(first);
    const number = numberedBy(first.changes.map(change => change.revision));
    return {
      hashes: new Map(raw.map(({node, hash}) => [node, hash])),
      changes: new Map(raw.map(({node, changes}) => [node, changes.map(change => number.change(change))])),
      history: renumbered(history, number),
    };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.stores.values()].map(store => store.close()));
    for (const client of this.clients.values()) client.close();
    await Promise.all([...this.machines.values()].map(machine => machine.kill()));
  }

  private open(nodes: readonly string[]): Promise<EtcdStore> {
    const hosts = nodes.map(node => `${this.network.address(node)}:${CLIENT_PORT}`).join(',');
    return openEtcdStore({
      address: parseEtcdAddress(`etcd://${hosts}/${PREFIX}`),
      clock: systemClock,
      random: systemRandom,
      settings: SETTINGS,
    });
  }

  /** etcd's own, of all keys at a revision. The client library calls it by a wrong name. */
  private async hash(node: string, revision: number): Promise<string> {
    const url = `http://${this.network.address(node)}:${CLIENT_PORT}/v3/maintenance/hash`;
    const answer = await fetch(url, {method: 'POST', body: JSON.stringify({revision})});
    return HashAnswer.parse(await answer.json()).hash.toString();
  }

  /** What this member tells of the clients' keys, from the first revision on, past the driver. */
  private async changes(node: string, last: number): Promise<Change[]> {
    const {client, space} = {client: this.client(node), space: this.space};
    const stream = await client.watchClient.watch();
    const changes: {revision: number; events: StoreEvent[]}[] = [];
    return new Promise((resolve, reject) => {
      stream.on('error', reject);
      stream.on('data', response => {
        for (const {type, kv, prev_kv} of response.events) {
          const revision = Number(kv.mod_revision);
          const key = space.nameOf(kv.key);
          if (revision > last || key === undefined) continue;
          if (changes.at(-1)?.revision !== revision) changes.push({revision, events: []});
          const kind = type === 'Put' ? 'put' : 'delete';
          const previous = prev_kv ? keyValueOf(prev_kv, key) : undefined;
          changes.at(-1)?.events.push({kind, key, kv: keyValueOf(kv, key), previous});
        }
        const newest = Number(response.events.at(-1)?.kv.mod_revision ?? 0);
        if (newest < last) return;
        resolve(changes);
        stream.cancel();
      });
      stream.write({create_request: {...space.whole, start_revision: 1, prev_kv: true}});
    });
  }

  private client(node: string): Etcd3 {
    const client = this.clients.get(node);
    assert.ok(client, node);
    return client;
  }
}
