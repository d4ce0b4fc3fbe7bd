/**
 * What other coordinators ask of this one's disk, and of no more than that: nothing is fetched or passed on for them.
 *
 * `GET /replicas/{tenant}/`            the digests of all artifacts here, one a line, and a line with a dot when that was all
 * `GET|HEAD|PUT /replicas/{tenant}/…`  as /artifacts/
 */
import type {IncomingMessage, ServerResponse} from 'node:http';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import type {Logger} from '../../observability/logger.ts';
import {describeError} from '../../runtime/errors.ts';
import {isTenantName} from '../artifactName.ts';
import {type ArtifactRequests, artifactRequests} from '../artifactRequests.ts';
import type {ArtifactStore} from '../artifactStore.ts';

export const REPLICAS = '/replicas/';

const LIST = new RegExp(`^${REPLICAS}([^/?]+)/$`);
/** Digests of one write. */
const LINES = 1000;

export function replicaRequests(
  store: ArtifactStore,
  isCoordinator: (request: IncomingMessage) => boolean,
  logger: Logger,
): ArtifactRequests {
  const blobs = artifactRequests(
    store,
    request =>
      isCoordinator(request)
        ? {kind: 'allowed'}
        : {kind: 'denied', status: 403, message: 'only for the other coordinators'},
    logger,
    REPLICAS,
  );
  return async (request, response) => {
    const tenant = LIST.exec(request.url ?? '')?.[1];
    const isList = tenant !== undefined && request.method === 'GET' && isTenantName(tenant);
    if (!isList || !isCoordinator(request)) return blobs(request, response);
    await answerList(store, tenant, response, logger);
    return true;
  };
}

async function answerList(
  store: ArtifactStore,
  tenant: string,
  response: ServerResponse,
  logger: Logger,
): Promise<void> {
  response.writeHead(200, {'content-type': 'text/plain'});
  try {
    await pipeline(Readable.from(lines(store, tenant)), response);
  } catch (error) {
    logger.debug('a list of artifacts was cut off', {tenant, error: describeError(error)});
    response.destroy();
  }
}

async function* lines(store: ArtifactStore, tenant: string): AsyncGenerator<string> {
  let batch: string[] = [];
  for await (const sha256 of store.tenant(tenant).digests()) {
    batch.push(sha256);
    if (batch.length < LINES) continue;
    yield `${batch.join('\n')}\n`;
    batch = [];
  }
  yield [...batch, '.', ''].join('\n');
}
