/** Several artifact stores behind real HTTP doors on loopback, as the coordinators of one cluster have them. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {readdir, rm} from 'node:fs/promises';
import * as http from 'node:http';
import path from 'node:path';
import {buffer} from 'node:stream/consumers';
import {ArtifactClient} from '../../../coordinator/artifacts/artifactClient.ts';
import {type ArtifactRequests, artifactRequests} from '../../../coordinator/artifacts/artifactRequests.ts';
import {ArtifactStore} from '../../../coordinator/artifacts/artifactStore.ts';
import type {Holder, Holders} from '../../../coordinator/artifacts/replication/holders.ts';
import {Repair} from '../../../coordinator/artifacts/replication/repair.ts';
import {replicaRequests} from '../../../coordinator/artifacts/replication/replicaRequests.ts';
import {ReplicatedArtifacts} from '../../../coordinator/artifacts/replication/replicatedArtifacts.ts';
import type {ReplicationSettings} from '../../../coordinator/artifacts/replication/replicationSettings.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {Emitter} from '../../../coordinator/runtime/emitter.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {temporaryFolder} from '../artifactHub.ts';

const QUICK: Partial<ReplicationSettings> = {
  patienceMs: 400,
  retryMs: 20,
  askMs: 2000,
  repairSoonMs: 5,
  transfer: {maxTries: 2, minBackoffMs: 5, maxBackoffMs: 10, partBytes: 64 * 1024},
};

export const TENANT = 'acme';

export interface ClusterOptions {
  readonly settings?: Partial<ReplicationSettings>;
  /** Those whose disks do not count. */
  readonly learners?: readonly string[];
}

export class ArtifactCluster {
  readonly members = new Map<string, Member>();
  private readonly changes = new Emitter<void>();

  private constructor(
    readonly folder: string,
    readonly options: ClusterOptions,
  ) {}

  static async start(ids: readonly string[], options: ClusterOptions = {}): Promise<ArtifactCluster> {
    const cluster = new ArtifactCluster(await temporaryFolder(), options);
    for (const id of ids) cluster.members.set(id, new Member(cluster, id));
    for (const id of ids) await cluster.member(id).start();
    return cluster;
  }

  member(id: string): Member {
    const member = this.members.get(id);
    assert.ok(member, id);
    return member;
  }

  /** As the coordinator `own` sees it. */
  holders(own: string): Holders {
    const counts = (id: string): boolean => !this.options.learners?.includes(id);
    return {
      counted: () => ({total: [...this.members.keys()].filter(counts).length, own: counts(own)}),
      others: () =>
        [...this.members.values()].flatMap((member): Holder[] =>
          member.id !== own && member.isListed
            ? [{id: member.id, baseUrl: `http://127.0.0.1:${member.seenPort}`, counts: counts(member.id)}]
            : [],
        ),
      credential: () => 'peer',
      onChanged: this.changes.event,
    };
  }

  changed(): void {
    this.changes.emit();
  }

  /** Ids of those that have it on disk. */
  async having(sha256: string): Promise<string[]> {
    const found: string[] = [];
    for (const member of this.members.values())
      if (await member.store.tenant(TENANT).has(sha256)) found.push(member.id);
    return found;
  }

  async close(): Promise<void> {
    for (const member of this.members.values()) await member.stop();
    // What was under way ends a moment later.
    await rm(this.folder, {recursive: true, force: true, maxRetries: 5});
  }
}

export class Member {
  /** Whether the others know of it. */
  isListed = false;
  /** What goes to another port passes through a proxy. */
  seenPort = 0;
  /** Requests of the other coordinators, as `METHOD path`. */
  readonly asked: string[] = [];
  private parts:
    | {readonly store: ArtifactStore; readonly replicated: ReplicatedArtifacts; readonly server: http.Server}
    | undefined;
  private readonly clients: ArtifactClient[] = [];

  constructor(
    private readonly cluster: ArtifactCluster,
    readonly id: string,
  ) {}

  get store(): ArtifactStore {
    assert.ok(this.parts, `${this.id} runs`);
    return this.parts.store;
  }

  get replicated(): ReplicatedArtifacts {
    assert.ok(this.parts, `${this.id} runs`);
    return this.parts.replicated;
  }

  get folder(): string {
    return path.join(this.cluster.folder, this.id);
  }

  async start(): Promise<void> {
    const store = await ArtifactStore.open({
      folder: this.folder,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      limits: {reserveBytes: 0},
    });
    const replicated = new ReplicatedArtifacts({
      store,
      holders: this.cluster.holders(this.id),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      settings: {...QUICK, ...this.cluster.options.settings},
    });
    const isPeer = (request: http.IncomingMessage): boolean =>
      request.headers.authorization === 'Bearer peer';
    const routes: ArtifactRequests[] = [
      artifactRequests(replicated, () => ({kind: 'allowed'}), silentLogger),
      replicaRequests(store, isPeer, silentLogger),
    ];
    const server = http.createServer((request, response) => {
      if (request.url?.startsWith('/replicas')) this.asked.push(`${request.method} ${request.url}`);
      void (async () => {
        for (const route of routes) if (await route(request, response)) return;
        response.writeHead(404).end();
      })();
    });
    server.listen(this.seenPort, '127.0.0.1');
    await once(server, 'listening');
    this.parts = {store, replicated, server};
    this.seenPort = this.port;
    this.isListed = true;
    this.cluster.changed();
  }

  get port(): number {
    const address = this.parts?.server.address();
    assert.ok(address && typeof address === 'object');
    return address.port;
  }

  /** As somebody who dies: `isKnown` until the others hear of it. */
  async stop({isKnown = true}: {isKnown?: boolean} = {}): Promise<void> {
    const {parts} = this;
    if (!parts) return;
    this.parts = undefined;
    for (const client of this.clients.splice(0)) client.dispose();
    parts.replicated.dispose();
    parts.server.closeAllConnections();
    parts.server.close();
    await once(parts.server, 'close');
    this.isListed = !isKnown;
    this.cluster.changed();
  }

  /** An agent or a person. */
  client(): ArtifactClient {
    const client = new ArtifactClient(
      () => ({baseUrl: `http://127.0.0.1:${this.port}`, tenant: TENANT}),
      {clock: systemClock, logger: silentLogger, random: systemRandom},
      {maxTries: 2, minBackoffMs: 5, maxBackoffMs: 10, partBytes: 64 * 1024},
    );
    this.clients.push(client);
    return client;
  }

  /** Repairs by the records that `values` stand for. */
  repair(values: readonly string[]): Repair {
    return new Repair({
      store: this.store,
      replicated: this.replicated,
      holders: this.cluster.holders(this.id),
      tenants: [TENANT],
      records: async () => recordsOf(values),
      clock: systemClock,
      logger: silentLogger,
    });
  }

  async read(sha256: string): Promise<Buffer | undefined> {
    const opened = await this.replicated.tenant(TENANT).open(sha256);
    return opened && buffer(opened.stream);
  }

  /** Files of any kind. */
  async files(): Promise<number> {
    const entries = await readdir(this.folder, {recursive: true, withFileTypes: true});
    return entries.filter(entry => entry.isFile()).length;
  }
}

export async function* recordsOf(values: readonly string[]): AsyncGenerator<{value: string}> {
  for (const value of values) yield {value};
}
