/** Coordinators that keep their facts together, each as a real process with a folder, clients and agents of its own. */
import {rm} from 'node:fs/promises';
import path from 'node:path';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {Fleet, type FleetOptions} from './fleet.ts';
import {freePort} from './freePorts.ts';
import {found} from './waiting.ts';

const ELECTION_TIMEOUT_MS = 60_000;

export class CoordinatorCluster {
  private constructor(readonly members: ReadonlyMap<string, Fleet>) {}

  /** All of them listen. `etcd`: the facts are in that one, `etcd://...`, instead of with the coordinators. Close it, whatever happens. */
  static async start(
    nodes: readonly string[],
    {etcd, ...options}: FleetOptions & {etcd?: string | undefined} = {},
  ): Promise<CoordinatorCluster> {
    const peers: string[] = [];
    for (const node of nodes) peers.push(`${node}=ws://127.0.0.1:${await freePort()}`);
    const member = (node: string): Fleet =>
      Fleet.create({
        ...options,
        coordinatorArgs:
          etcd === undefined
            ? ['--cluster', 'fleet', '--node', node, '--peers', peers.join(',')]
            : ['--store', etcd],
        env: {...options.env, MCPX_CLUSTER_TOKEN: 'the token of this test cluster'},
      });
    const cluster = new CoordinatorCluster(new Map(nodes.map(node => [node, member(node)])));
    try {
      await Promise.all([...cluster.members.values()].map(each => each.startCoordinator()));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  member(node: string): Fleet {
    const member = this.members.get(node);
    if (!member) throw new Error(`there is no ${node}`);
    return member;
  }

  /** Who schedules, by its own word. */
  async lead(): Promise<string> {
    const clients = new Map<string, McpxClient>();
    for (const [node, member] of this.members)
      if (member.coordinator.isRunning) clients.set(node, await member.connect());
    try {
      return await found(
        async () => {
          for (const [node, client] of clients) {
            const {coordinator, lead} = await client.request('mcpx.cluster.info', {});
            if (lead === coordinator) return node;
          }
          return undefined;
        },
        ELECTION_TIMEOUT_MS,
        'a lead',
      );
    } finally {
      for (const client of clients.values()) client.dispose();
    }
  }

  /** `kill -9`. */
  async kill(node: string): Promise<void> {
    await this.member(node).coordinator.kill();
  }

  /** SIGSTOP: its sockets stay open and nobody answers on them. */
  pause(node: string): void {
    this.member(node).coordinator.pause();
  }

  resume(node: string): void {
    this.member(node).coordinator.resume();
  }

  /** Of one that does not run. */
  async loseArtifacts(node: string): Promise<void> {
    await rm(path.join(this.member(node).dataFolder, 'artifacts'), {recursive: true});
  }

  async close(): Promise<void> {
    await Promise.all([...this.members.values()].map(member => member.close()));
  }
}
