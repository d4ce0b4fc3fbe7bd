/** Three coordinators of one cluster in this process, each with a door, a store and a folder of its own, and peers that speak to any of them. */
import {copyFile, mkdir, mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {Connection, type ConnectionOptions} from '../../coordinator/client/connection.ts';
import {connectClient, type McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import {Settings} from '../../coordinator/config.ts';
import {startCoordinator} from '../../coordinator/coordinator.ts';
import type {Coordinator} from '../../coordinator/coordinatorOptions.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {openClusterAuthority} from '../../coordinator/security/clusterAuthority.ts';
import {freePort} from './freePorts.ts';
import {found} from './waiting.ts';

const PATIENCE_MS = 60_000;
const NODES = ['a', 'b', 'c'] as const;
export type Node = (typeof NODES)[number];

export class CoordinatorTrio {
  private readonly owned: {dispose(): void}[] = [];
  private readonly stopped = new Set<Node>();

  private constructor(
    private readonly folder: string,
    private readonly members: ReadonlyMap<Node, Coordinator>,
  ) {}

  /** With TLS all have a copy of one authority. */
  static async start({tls = false}: {tls?: boolean} = {}): Promise<CoordinatorTrio> {
    const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-trio-'));
    if (tls) await copyAuthority(folder);
    const peers = new Map<string, string>();
    for (const node of NODES) peers.set(node, `${tls ? 'wss' : 'ws'}://127.0.0.1:${await freePort()}`);
    const members = await Promise.all(
      NODES.map(async node => {
        const {hostname, port} = new URL(peers.get(node) ?? '');
        const coordinator = await startCoordinator({
          directory: path.join(folder, node),
          address: {host: '127.0.0.1', port: 0},
          tls,
          publicNames: ['127.0.0.1'],
          cluster: {
            ...{name: 'trio', node, peers, start: 'found', token: 'a secret of these tests'},
            listen: {host: hostname, port: Number(port)},
          },
          settings: Settings.parse({}),
          ...{clock: systemClock, random: systemRandom, logger: silentLogger},
        });
        return [node, coordinator] as const;
      }),
    );
    return new CoordinatorTrio(folder, new Map(members));
  }

  at(node: Node): Coordinator {
    const coordinator = this.members.get(node);
    if (!coordinator) throw new Error(`there is no ${node}`);
    return coordinator;
  }

  /** Stops one for good. */
  async stop(node: Node): Promise<void> {
    this.stopped.add(node);
    await this.at(node).stop(0);
  }

  /** A client of one of them, whose token it has unless it is told another. */
  client(node: Node, token = this.at(node).clientToken): McpxClient {
    const client = connectClient({...this.options(node), token: () => token, watchRetryMs: 100});
    this.owned.push(client);
    return client;
  }

  /** A connection as an agent has one; it is started by the caller. */
  connection(node: Node, more: Partial<ConnectionOptions>): Connection {
    const connection = new Connection({
      ...this.options(node),
      token: () => this.at(node).agentToken,
      ...more,
    });
    this.owned.push(connection);
    return connection;
  }

  /** The one that leads. */
  async lead(): Promise<Node> {
    return found(
      async () => {
        for (const node of NODES) {
          if (this.stopped.has(node)) continue;
          const {lead} = await this.client(node).request('mcpx.cluster.info', {});
          const leading = NODES.find(other => this.at(other).id === lead);
          if (leading && !this.stopped.has(leading)) return leading;
        }
        return undefined;
      },
      PATIENCE_MS,
      'a lead',
    );
  }

  async close(): Promise<void> {
    for (const each of this.owned) each.dispose();
    await Promise.all(NODES.filter(node => !this.stopped.has(node)).map(node => this.at(node).stop(0)));
    await rm(this.folder, {recursive: true, force: true});
  }

  private options(node: Node) {
    return {
      urls: [this.at(node).url],
      openSocket: nodeSocket({ca: () => this.at(node).authority}),
      ...{clock: systemClock, random: systemRandom, logger: silentLogger},
      implementation: {name: 'test', version: '0'},
      settings: {minBackoffMs: 10, maxBackoffMs: 100},
    };
  }
}

async function copyAuthority(folder: string): Promise<void> {
  await openClusterAuthority({directory: folder, clock: systemClock});
  for (const node of NODES) {
    await mkdir(path.join(folder, node));
    await copyFile(path.join(folder, 'authority.pem'), path.join(folder, node, 'authority.pem'));
  }
}
