/** Uploads and downloads of artifacts that resume over broken connections. What is cached locally is artifactCache.ts. */
import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {open, rename} from 'node:fs/promises';
import type {IncomingMessage} from 'node:http';
import path from 'node:path';
import * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import {type Clock, delay} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import {syncFolder} from '../runtime/durableFile.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../runtime/errors.ts';
import type {Random} from '../runtime/random.ts';
import {checkedSha256} from './artifactName.ts';
import {type ArtifactEndpoint, ArtifactTransport} from './artifactTransport.ts';
import {diskFault, fileSize, hashFile, removeFile, writeAll} from './blobDisk.ts';
import type {StoredArtifact} from './tenantArtifacts.ts';

export interface TransferSettings {
  /** Tries in a row without a single new byte before a transfer fails. */
  readonly maxTries: number;
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  /** Bytes of one request of a large upload. */
  readonly partBytes: number;
  /** A connection silent for this long is given up. */
  readonly idleTimeoutMs: number;
}

export const TRANSFER_SETTINGS: TransferSettings = {
  maxTries: 8,
  minBackoffMs: 200,
  maxBackoffMs: 15_000,
  partBytes: 8 * 1024 ** 2,
  idleTimeoutMs: 60_000,
};

/** Content that disagrees with its digest is fetched again from the start this often in all. */
const MAX_CORRUPT_DOWNLOADS = 3;

/** `known` spares reading a file for its digest. */
export type UploadSource = Uint8Array | {readonly file: string; readonly known?: StoredArtifact};

const uploadAnswer = z.object({state: z.enum(['stored', 'partial']), offset: z.number().int().min(0)});
const errorAnswer = z.object({error: z.object({message: z.string(), hint: z.string().optional()})});

export interface TransferProgress {
  /** Bytes known to be across. */
  bytes: number;
}

export class ArtifactClient implements Disposable {
  private readonly transport: ArtifactTransport;
  private readonly settings: TransferSettings;
  private readonly uploader: string;
  private readonly downloading = new Set<string>();

  /** `endpoint` is read for every request, so that a fail-over or a renewed token is followed at once. */
  constructor(
    endpoint: () => ArtifactEndpoint,
    private readonly services: {readonly clock: Clock; readonly logger: Logger; readonly random: Random},
    settings: Partial<TransferSettings> = {},
  ) {
    this.settings = {...TRANSFER_SETTINGS, ...settings};
    this.transport = new ArtifactTransport(endpoint, this.settings.idleTimeoutMs);
    this.uploader = services.random.hex(12);
  }

  /**
   * Resolves once the coordinator has the content on its disk; `progress` is kept up meanwhile. Errors: `unavailable` (after `maxTries` without progress), `unauthorized`, `limit`,
   * `diskFull`, `corrupt` (the file changed while it was sent), or the signal's reason.
   */
  async upload(
    source: UploadSource,
    signal?: AbortSignal,
    progress: TransferProgress = {bytes: 0},
  ): Promise<StoredArtifact> {
    const known =
      source instanceof Uint8Array
        ? {sha256: createHash('sha256').update(source).digest('hex'), bytes: source.length}
        : (source.known ?? (await hashFile(source.file)));
    const small = known.bytes <= this.settings.partBytes;
    await this.persist(`upload of ${known.sha256}`, progress, signal, () =>
      small ? this.putWhole(source, known, signal) : this.putParts(source, known, progress, signal),
    );
    return known;
  }

  /**
   * Writes the artifact to `toFile`, on disk and verified when it resolves; what is there before that is in `{toFile}.part`, from which a later
   * call goes on. Errors as for `upload`, and `notFound`.
   */
  async download(sha256: string, toFile: string, signal?: AbortSignal): Promise<StoredArtifact> {
    const part = `${toFile}.part`;
    if (this.downloading.has(part))
      throw new CoordinatorError('conflict', `${toFile} is being downloaded already`);
    this.downloading.add(part);
    try {
      for (let corrupt = 1; ; corrupt++) {
        const progress: TransferProgress = {bytes: (await fileSize(part)) ?? 0};
        await this.persist(`download of ${sha256}`, progress, signal, () =>
          this.fetchRest(checkedSha256(sha256), part, progress, signal),
        );
        const found = await hashFile(part);
        if (found.sha256 === sha256) {
          await rename(part, toFile);
          await syncFolder(path.dirname(toFile));
          return found;
        }
        await removeFile(part);
        const message = `artifact ${sha256} arrived as ${found.sha256}`;
        if (corrupt === MAX_CORRUPT_DOWNLOADS) throw new CoordinatorError('corrupt', message);
        this.services.logger.warn(message);
      }
    } catch (error) {
      throw diskFault(error, `no room to download ${sha256} to ${path.dirname(toFile)}`);
    } finally {
      this.downloading.delete(part);
    }
  }

  /** Whether the coordinator has it. */
  async has(sha256: string, signal?: AbortSignal): Promise<boolean> {
    let found = false;
    await this.persist(`look for ${sha256}`, {bytes: 0}, signal, async () => {
      const response = await this.transport.send({method: 'HEAD', sha256: checkedSha256(sha256), signal});
      response.resume();
      if (response.statusCode !== 200 && response.statusCode !== 404)
        throw statusFault(response.statusCode, '');
      found = response.statusCode === 200;
    });
    return found;
  }

  /** The endpoint may be another one now: what is under way with the one before, which may never answer, breaks off and goes on there. */
  follow(): void {
    this.transport.follow();
  }

  dispose(): void {
    this.transport.dispose();
  }

  /** Tries until it works: any new byte renews the tries. */
  private async persist(
    what: string,
    progress: TransferProgress,
    signal: AbortSignal | undefined,
    attempt: () => Promise<void>,
  ): Promise<void> {
    const {maxTries, minBackoffMs, maxBackoffMs} = this.settings;
    const {clock, random, logger} = this.services;
    for (let fruitless = 1; ; fruitless++) {
      const before = progress.bytes;
      try {
        await attempt();
        return;
      } catch (error) {
        signal?.throwIfAborted();
        if (!isCoordinatorError(error, 'unavailable')) throw error;
        if (progress.bytes > before) fruitless = 1;
        if (fruitless >= maxTries) throw error;
        const pause = Math.min(maxBackoffMs, minBackoffMs * 2 ** (fruitless - 1)) * (0.5 + random.next() / 2);
        logger.debug(`${what} broke off`, {fruitless, bytes: progress.bytes, error: describeError(error)});
        await delay(clock, pause, signal);
      }
    }
  }

  private async putWhole(source: UploadSource, known: StoredArtifact, signal?: AbortSignal): Promise<void> {
    const response = await this.transport.send({
      method: 'PUT',
      sha256: known.sha256,
      headers: {'content-length': known.bytes},
      body: source instanceof Uint8Array ? source : createReadStream(source.file),
      signal,
    });
    await this.uploadState(response);
  }

  private async putParts(
    source: UploadSource,
    known: StoredArtifact,
    progress: TransferProgress,
    signal?: AbortSignal,
  ): Promise<void> {
    const {sha256, bytes} = known;
    const query = `?upload=${this.uploader}`;
    const asked = await this.transport.send({
      method: 'GET',
      sha256,
      query: `${query}&bytes=${bytes}`,
      signal,
    });
    let state = await this.uploadState(asked);
    while (state.state === 'partial') {
      progress.bytes = Math.max(progress.bytes, state.offset);
      const first = state.offset;
      const last = Math.min(bytes, first + this.settings.partBytes) - 1;
      const response = await this.transport.send({
        method: 'PUT',
        sha256,
        query,
        headers: {'content-range': `bytes ${first}-${last}/${bytes}`, 'content-length': last - first + 1},
        body:
          source instanceof Uint8Array
            ? source.subarray(first, last + 1)
            : createReadStream(source.file, {start: first, end: last}),
        signal,
      });
      state = await this.uploadState(response);
      // A wrong offset that does not move would otherwise spin without a pause.
      if (state.state === 'partial' && state.offset <= first) {
        throw new CoordinatorError('unavailable', `the upload of ${sha256} stands at ${state.offset} again`);
      }
    }
  }

  private async fetchRest(
    sha256: string,
    part: string,
    progress: TransferProgress,
    signal?: AbortSignal,
  ): Promise<void> {
    const from = (await fileSize(part)) ?? 0;
    const headers = from > 0 ? {range: `bytes=${from}-`} : {};
    const response = await this.transport.send({method: 'GET', sha256, headers, signal});
    // 416: all of it is here already, or more than all, which the digest decides.
    if (response.statusCode === 416 && from > 0) {
      response.resume();
      return;
    }
    if (response.statusCode !== 200 && response.statusCode !== 206) throw await this.fault(response);
    let position = response.statusCode === 206 ? from : 0;
    const handle = await open(part, position > 0 ? 'r+' : 'w', 0o600);
    try {
      for await (const chunk of brokenAsUnavailable(response, sha256)) {
        await writeAll(handle, chunk, position);
        position += chunk.length;
        progress.bytes = Math.max(progress.bytes, position);
      }
      await handle.sync();
    } finally {
      response.destroy();
      await handle.close();
    }
  }

  private async uploadState(response: IncomingMessage): Promise<z.infer<typeof uploadAnswer>> {
    const {statusCode = 0} = response;
    if (statusCode !== 409 && (statusCode < 200 || statusCode > 299)) throw await this.fault(response);
    const parsed = uploadAnswer.safeParse(await this.transport.json(response));
    if (!parsed.success) throw new CoordinatorError('unavailable', 'the coordinator gave no upload state');
    return parsed.data;
  }

  private async fault(response: IncomingMessage): Promise<CoordinatorError> {
    const body: unknown = await this.transport.json(response).catch(describeError);
    const parsed = errorAnswer.safeParse(body);
    if (!parsed.success) return statusFault(response.statusCode, 'no reason was given');
    const {message, hint} = parsed.data.error;
    return statusFault(response.statusCode, message, hint);
  }
}

/** Only `unavailable` is worth another try. */
function statusFault(status: number | undefined, detail: string, hint?: string): CoordinatorError {
  const message = `the coordinator answered ${status}: ${detail}`;
  if (status === 401 || status === 403) return new CoordinatorError('unauthorized', message);
  if (status === 404) return new CoordinatorError('notFound', message);
  if (status === 413) return new CoordinatorError('limit', message);
  if (status === 422) return new CoordinatorError('corrupt', message);
  if (status === 507) return new CoordinatorError('diskFull', message);
  if (status === 400 || status === 405) return new CoordinatorError('incompatible', message);
  return new CoordinatorError('unavailable', message, {hint});
}

async function* brokenAsUnavailable(response: IncomingMessage, sha256: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    throw new CoordinatorError('unavailable', `the download of ${sha256} broke off`, {cause: error});
  }
}
