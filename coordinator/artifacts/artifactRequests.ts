/**
 * Artifacts over HTTP, for a server that somebody else owns: whole and ranged reads, whole and resumable writes. Who may do what is the caller's
 * decision, asked for every request.
 *
 * `GET|HEAD /artifacts/{tenant}/{sha256}`                       the content; `Range: bytes=…` for a part
 * `GET …?upload={uploader}&bytes={size}`                        where an upload stands: `{"state":"stored"|"partial","offset":n}`
 * `PUT …`                                                       the whole content
 * `PUT …?upload={uploader}` with `Content-Range: bytes a-b/n`   a part: 202 `{"state":"partial","offset"}`, 201 when complete, 409 at another offset
 */
import type {IncomingMessage, ServerResponse} from 'node:http';
import {pipeline} from 'node:stream/promises';
import type {Logger} from '../observability/logger.ts';
import {type CoordinatorErrorCode, describeError, isCoordinatorError} from '../runtime/errors.ts';
import {isSha256, isTenantName, isUploaderName} from './artifactName.ts';
import {ARTIFACTS} from './artifactTransport.ts';
import {parseContentRange, parseRange} from './httpRange.ts';
import type {AppendResult, UploadState} from './partialUploads.ts';
import type {ServedArtifacts, ServedTenants} from './servedArtifacts.ts';

export interface ArtifactAccess {
  readonly tenant: string;
  readonly sha256: string;
  readonly action: 'read' | 'write';
}

export type ArtifactPermission =
  | {readonly kind: 'allowed'}
  | {readonly kind: 'denied'; readonly status: 401 | 403; readonly message: string};

export type AuthorizeArtifact = (
  request: IncomingMessage,
  access: ArtifactAccess,
) => Promise<ArtifactPermission> | ArtifactPermission;

/** Answers whether the request was one for artifacts; if so, it has been answered. Never rejects. */
export type ArtifactRequests = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

export function artifactRequests(
  store: ServedTenants,
  authorize: AuthorizeArtifact,
  logger: Logger,
  prefix = ARTIFACTS,
): ArtifactRequests {
  return async (request, response) => {
    const target = request.url ?? '';
    if (!target.startsWith(prefix)) return false;
    try {
      await answer(store, authorize, request, response, target.slice(prefix.length));
    } catch (error) {
      logger.debug('an artifact request failed', {
        method: request.method,
        target,
        error: describeError(error),
      });
      const status = isCoordinatorError(error) ? (STATUS[error.code] ?? 500) : 500;
      if (status >= 500) logger.warn('an artifact request failed', {target, error: describeError(error)});
      if (!isCoordinatorError(error)) refuse(response, status, 'internal', 'internal error');
      else refuse(response, status, error.code, error.message, error.hint);
    }
    return true;
  };
}

const STATUS: Partial<Record<CoordinatorErrorCode, number>> = {
  limit: 413,
  corrupt: 422,
  config: 400,
  diskFull: 507,
  unauthorized: 401,
  unavailable: 503,
};

async function answer(
  store: ServedTenants,
  authorize: AuthorizeArtifact,
  request: IncomingMessage,
  response: ServerResponse,
  target: string,
): Promise<void> {
  const [path = '', query = ''] = target.split('?', 2);
  // Never decoded: a name that needs an escape is not a name.
  const [tenant = '', sha256 = '', ...rest] = path.split('/');
  if (rest.length > 0 || !isTenantName(tenant) || !isSha256(sha256)) {
    refuse(response, 400, 'config', 'expected {tenant}/{sha256}');
    return;
  }
  const reading = request.method === 'GET' || request.method === 'HEAD';
  if (!reading && request.method !== 'PUT') {
    response.setHeader('Allow', 'GET, HEAD, PUT');
    refuse(response, 405, 'config', `no ${request.method} for artifacts`);
    return;
  }
  const parameters = new URLSearchParams(query);
  const uploader = parameters.get('upload');
  if (uploader !== null && !isUploaderName(uploader)) {
    refuse(response, 400, 'config', 'expected upload={1 to 32 lower-case letters and digits}');
    return;
  }
  const action = reading && uploader === null ? 'read' : 'write';
  const permission = await authorize(request, {tenant, sha256, action});
  if (permission.kind === 'denied') {
    refuse(response, permission.status, 'unauthorized', permission.message);
    return;
  }
  const artifacts = store.tenant(tenant);
  if (!reading) return write(artifacts, request, response, sha256, uploader);
  if (uploader === null) return read(artifacts, request, response, sha256);
  const bytes = Number(parameters.get('bytes'));
  const state = await artifacts.uploads.state({sha256, uploader, bytes});
  answerUpload(response, state, 200);
}

async function read(
  artifacts: ServedArtifacts,
  request: IncomingMessage,
  response: ServerResponse,
  sha256: string,
): Promise<void> {
  const bytes = await artifacts.size(sha256);
  if (bytes === undefined) {
    refuse(response, 404, 'notFound', `no artifact ${sha256}`);
    return;
  }
  const range = parseRange(request.headers.range, bytes);
  if (range === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${bytes}`);
    refuse(response, 416, 'limit', `the artifact has ${bytes} bytes`);
    return;
  }
  const length = range ? range.last - range.first + 1 : bytes;
  response.writeHead(range ? 206 : 200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': length,
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'private, immutable',
    'X-Content-Type-Options': 'nosniff',
    ETag: `"${sha256}"`,
    ...(range ? {'Content-Range': `bytes ${range.first}-${range.last}/${bytes}`} : {}),
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const opened = await artifacts.open(sha256, range ? {offset: range.first, length} : {});
  // Deleted in between: the reader sees a broken connection, asks again and gets its 404.
  if (opened) await pipeline(opened.stream, response);
  else response.destroy();
}

async function write(
  artifacts: ServedArtifacts,
  request: IncomingMessage,
  response: ServerResponse,
  sha256: string,
  uploader: string | null,
): Promise<void> {
  if (uploader === null) {
    const known = await artifacts.size(sha256);
    const stored = await artifacts.put(request, {expectedSha256: sha256});
    answerUpload(response, {kind: 'stored', bytes: stored.bytes}, known === undefined ? 201 : 200);
    return;
  }
  const range = parseContentRange(request.headers['content-range']);
  if (!range) {
    refuse(response, 400, 'config', 'a part needs Content-Range: bytes first-last/size');
    return;
  }
  const result = await artifacts.uploads.append({sha256, uploader, bytes: range.size}, range.first, request);
  answerUpload(response, result, UPLOAD_STATUS[result.kind]);
}

const UPLOAD_STATUS = {stored: 201, partial: 202, wrongOffset: 409} as const;

function answerUpload(response: ServerResponse, state: UploadState | AppendResult, status: number): void {
  const offset = state.kind === 'stored' ? state.bytes : state.offset;
  answerJson(response, status, {state: state.kind === 'stored' ? 'stored' : 'partial', offset});
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  hint?: string,
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  answerJson(response, status, {error: {code, message, hint}});
}

function answerJson(response: ServerResponse, status: number, body: object): void {
  // A body that nobody read would otherwise be parsed as the next request of this connection.
  if (!response.req.complete && response.req.method === 'PUT') response.setHeader('Connection', 'close');
  const text = JSON.stringify(body);
  response.writeHead(status, {'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text)});
  response.end(response.req.method === 'HEAD' ? undefined : text);
}
