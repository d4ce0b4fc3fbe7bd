/** A real artifact store behind a real HTTP server on loopback, and clients of it. */
import {once} from 'node:events';
import {mkdtemp, rm} from 'node:fs/promises';
import * as http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import {ArtifactClient, type TransferSettings} from '../../coordinator/artifacts/artifactClient.ts';
import {type AuthorizeArtifact, artifactRequests} from '../../coordinator/artifacts/artifactRequests.ts';
import {type ArtifactLimits, ArtifactStore} from '../../coordinator/artifacts/artifactStore.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';

export interface ArtifactHub {
  readonly folder: string;
  readonly store: ArtifactStore;
  readonly port: number;
  /** Requests served, as `METHOD path`. */
  readonly requests: string[];
  client(options?: {
    port?: number | (() => number);
    token?: string;
    settings?: Partial<TransferSettings>;
  }): ArtifactClient;
  close(): Promise<void>;
}

const bearer: AuthorizeArtifact = request =>
  request.headers.authorization === 'Bearer good'
    ? {kind: 'allowed'}
    : {kind: 'denied', status: 401, message: 'no valid token'};

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(path.join(os.tmpdir(), 'mcpx-test-'));
}

export async function artifactHub(limits: Partial<ArtifactLimits> = {}): Promise<ArtifactHub> {
  const folder = await temporaryFolder();
  const store = await ArtifactStore.open({
    folder: path.join(folder, 'artifacts'),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    limits: {reserveBytes: 0, ...limits},
  });
  const handle = artifactRequests(store, bearer, silentLogger);
  const requests: string[] = [];
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    void handle(request, response).then(handled => {
      if (!handled) response.writeHead(404).end('elsewhere');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const {port} = address;
  const clients: ArtifactClient[] = [];
  return {
    folder,
    store,
    port,
    requests,
    client(options = {}) {
      const client = new ArtifactClient(
        () => ({
          baseUrl: `http://127.0.0.1:${typeof options.port === 'function' ? options.port() : (options.port ?? port)}`,
          tenant: 'acme',
          token: options.token ?? 'good',
        }),
        {clock: systemClock, logger: silentLogger, random: systemRandom},
        {minBackoffMs: 1, maxBackoffMs: 5, ...options.settings},
      );
      clients.push(client);
      return client;
    },
    async close() {
      for (const client of clients) client.dispose();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await rm(folder, {recursive: true, force: true});
    },
  };
}
