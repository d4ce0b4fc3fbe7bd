/** Three coordinators' members of the embedded store, with timers short enough for a test and logs short enough for a small disk. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {buildSync} from 'esbuild';
import type {EmbeddedSettings} from '../../../coordinator/store/embedded/settings.ts';
import type {StoreStatus} from '../../../coordinator/store/store.ts';
import type {HistoryEvent} from '../../simulation/checker/history.ts';
import type {HostNetwork} from '../../support/hostNetwork.ts';
import {found} from '../../support/waiting.ts';
import {type Cluster, type Findings, Machine, NODES} from './cluster.ts';
import type {ServerOptions} from './memberServer.ts';
import {RemoteDoor} from './remoteDoor.ts';
import {before} from './workload.ts';

const PROGRAM = fileURLToPath(new URL('memberServer.ts', import.meta.url));
const PEER_PORT = 7000;
const CLIENT_PORT = 7001;
const DISK_MEBIBYTES = 16;
const START_MS = 60_000;
const LEADER_MS = 1000;

const KIB = 1024;
const SETTINGS: Partial<EmbeddedSettings> = {
  heartbeatMs: 100,
  electionMs: 800,
  writeTimeoutMs: 4000,
  diskRetryMs: 300,
  firstSegmentBytes: 16 * KIB,
  segmentBytes: 16 * KIB,
  snapshotEntries: 150,
  snapshotLogBytes: 1,
  followerLagBytes: 16 * KIB,
};

export class EmbeddedCluster implements Cluster {
  readonly base = 0;
  readonly machines: ReadonlyMap<string, Machine>;
  private readonly control: ReadonlyMap<string, RemoteDoor>;

  private constructor(
    private readonly network: HostNetwork,
    folder: string,
  ) {
    const bundle = bundled(folder);
    const peers = Object.fromEntries(NODES.map(node => [node, `ws://${network.address(node)}:${PEER_PORT}`]));
    this.machines = new Map(
      NODES.map(node => {
        const command = (directory: string): string[] => {
          const options: ServerOptions = {
            node,
            directory,
            host: network.address(node),
            peerPort: PEER_PORT,
            clientPort: CLIENT_PORT,
            peers,
            settings: SETTINGS,
          };
          return [process.execPath, bundle, JSON.stringify(options)];
        };
        return [node, new Machine(node, network, {folder, diskMebibytes: DISK_MEBIBYTES, command})];
      }),
    );
    this.control = new Map(this.doors().map(door => [door.name, door]));
  }

  static async start(network: HostNetwork, folder: string): Promise<EmbeddedCluster> {
    const cluster = new EmbeddedCluster(network, folder);
    for (const machine of cluster.machines.values()) machine.start();
    await Promise.all(NODES.map(node => cluster.answers(node)));
    return cluster;
  }

  doors(): RemoteDoor[] {
    return NODES.map(node => new RemoteDoor(node, this.network.address(node), CLIENT_PORT));
  }

  async leader(): Promise<string | undefined> {
    const told = Promise.any(
      [...this.control.values()].map(async door => {
        // The connection may still wait for what a fault has lost.
        door.close();
        const status = await door.status();
        if (status?.leader === undefined) throw new Error(`${door.name} knows no leader`);
        return status.leader;
      }),
    ).catch(() => undefined);
    const leader = await before(told, LEADER_MS);
    return NODES.find(node => node === leader);
  }

  async answers(node: string): Promise<void> {
    const door = this.controlOf(node);
    const look = async (): Promise<StoreStatus | undefined> => {
      const status = await before(door.status(), LEADER_MS);
      if (!status) door.close();
      return status;
    };
    await found(look, START_MS, () => `${node} to answer:\n${this.machines.get(node)?.log}`);
  }

  async findings(revision: number, history: readonly HistoryEvent[]): Promise<Findings> {
    const dumps = await Promise.all(
      NODES.map(async node => {
        const dump = await this.controlOf(node).dump(revision);
        assert.ok(dump, `${node} does not tell what it has`);
        return [node, dump] as const;
      }),
    );
    return {
      hashes: new Map(dumps.map(([node, {hash}]) => [node, hash])),
      changes: new Map(dumps.map(([node, {changes}]) => [node, changes])),
      history,
    };
  }

  async stop(): Promise<void> {
    for (const door of this.control.values()) door.close();
    await Promise.all([...this.machines.values()].map(machine => machine.kill()));
  }

  private controlOf(node: string): RemoteDoor {
    const door = this.control.get(node);
    assert.ok(door, node);
    return door;
  }
}

/** One file starts in a fraction of the time that its sources take. */
function bundled(folder: string): string {
  const outfile = path.join(folder, 'memberServer.mjs');
  buildSync({
    entryPoints: [PROGRAM],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['bufferutil', 'utf-8-validate'],
    // CommonJS dependencies inside an ES module still call require().
    banner: {js: "import {createRequire} from 'node:module';const require = createRequire(import.meta.url);"},
  });
  return outfile;
}
