/** The blobs of one tenant: whole writes, verified reads, listing. Uploads in parts are in partialUploads.ts. */
import {createHash} from 'node:crypto';
import {open, readdir, rename, stat, utimes} from 'node:fs/promises';
import path from 'node:path';
import {type Readable, Transform} from 'node:stream';
import type {Logger} from '../observability/logger.ts';
import type {Clock} from '../runtime/clock.ts';
import {syncFolder} from '../runtime/durableFile.ts';
import {CoordinatorError, describeError, systemErrorCode} from '../runtime/errors.ts';
import type {Random} from '../runtime/random.ts';
import {checkedSha256, isSha256} from './artifactName.ts';
import type {ArtifactLimits} from './artifactStore.ts';
import {type BlobDisk, diskFault, fileSize, hashFile, removeFile, writeAll} from './blobDisk.ts';
import {PartialUploads} from './partialUploads.ts';

export interface StoredArtifact {
  readonly sha256: string;
  readonly bytes: number;
}

export interface OpenedArtifact {
  /** From `offset` to the end of what was asked for. Errors with `corrupt` before its end when a whole blob does not match its name. */
  readonly stream: Readable;
  /** Size of the whole artifact, whatever part is read. */
  readonly bytes: number;
}

export class TenantArtifacts {
  readonly uploads: PartialUploads;

  constructor(
    private readonly parts: {
      readonly folder: string;
      readonly root: string;
      readonly disk: BlobDisk;
      readonly limits: ArtifactLimits;
      readonly clock: Clock;
      readonly random: Random;
      readonly logger: Logger;
    },
  ) {
    this.uploads = new PartialUploads({
      folder: path.join(parts.folder, 'partial'),
      root: parts.root,
      disk: parts.disk,
      limits: parts.limits,
      storedBytes: sha256 => this.refresh(sha256),
      publish: (temporary, stored) => this.publish(temporary, stored),
    });
  }

  /**
   * Stores `content` and resolves once it is on disk. Storing the same content again changes nothing, also at the same time. Errors: `limit`
   * (too large), `corrupt` (not `expectedSha256`), `diskFull`; after an error nothing is left behind.
   */
  async put(
    content: Readable | Uint8Array,
    options: {expectedSha256?: string; signal?: AbortSignal} = {},
  ): Promise<StoredArtifact> {
    const {disk, root, folder} = this.parts;
    const temporaries = path.join(folder, 'tmp');
    await disk.ensureFolder(root, temporaries);
    await disk.checkRoom(temporaries, content instanceof Uint8Array ? content.length : 0);
    const temporary = path.join(temporaries, this.parts.random.hex(12));
    try {
      const stored = await this.write(temporary, content, options.signal);
      if (options.expectedSha256 !== undefined && options.expectedSha256 !== stored.sha256) {
        throw new CoordinatorError(
          'corrupt',
          `expected ${options.expectedSha256}, the content is ${stored.sha256}`,
        );
      }
      await this.publish(temporary, stored);
      return stored;
    } catch (error) {
      throw diskFault(error, `could not store an artifact in ${folder}`);
    } finally {
      await removeFile(temporary);
    }
  }

  /** Undefined when there is none. Offsets beyond the end are `limit`. Only reads of a whole blob are verified; others carry no digest to check. */
  async open(
    sha256: string,
    range: {offset?: number; length?: number} = {},
  ): Promise<OpenedArtifact | undefined> {
    const file = this.blobFile(sha256);
    const handle = await open(file, 'r').catch(absent);
    if (!handle) return undefined;
    const {size} = await handle.stat();
    const offset = range.offset ?? 0;
    const length = Math.min(range.length ?? size - offset, size - offset);
    if (offset > size || length < 0) {
      await handle.close();
      throw new CoordinatorError('limit', `offset ${offset} is beyond the ${size} bytes of ${sha256}`);
    }
    if (length === 0) {
      // A read stream's inclusive end cannot say "nothing".
      await handle.close();
      const empty = this.verifying(size === 0 ? sha256 : undefined);
      empty.end();
      return {stream: empty, bytes: size};
    }
    const source = handle.createReadStream({
      start: offset,
      end: offset + length - 1,
      highWaterMark: 256 * 1024,
    });
    if (length < size) return {stream: source, bytes: size};
    const verified = this.verifying(sha256);
    source.on('error', error => verified.destroy(error));
    verified.on('close', () => source.destroy());
    return {stream: source.pipe(verified), bytes: size};
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.size(sha256)) !== undefined;
  }

  /** Bytes, or undefined when there is no such artifact. */
  size(sha256: string): Promise<number | undefined> {
    return fileSize(this.blobFile(sha256));
  }

  /** The size of a blob that is about to be named again: from now on it counts as new. Undefined when there is none. */
  private async refresh(sha256: string): Promise<number | undefined> {
    const file = this.blobFile(sha256);
    const seconds = this.parts.clock.wallNow() / 1000;
    return (await utimes(file, seconds, seconds).then(() => true, absent)) ? fileSize(file) : undefined;
  }

  /**
   * Takes in what `write` leaves, synced, under the path that it is given; a file that it finds there is what an earlier call left. What does not
   * match `sha256` is deleted, with `corrupt`.
   */
  async adopt(sha256: string, write: (file: string) => Promise<StoredArtifact>): Promise<StoredArtifact> {
    const {disk, root, folder} = this.parts;
    const temporaries = path.join(folder, 'tmp');
    await disk.ensureFolder(root, temporaries);
    await disk.checkRoom(temporaries, 0);
    const file = path.join(temporaries, `adopted-${checkedSha256(sha256)}`);
    const stored = await write(file);
    if (stored.sha256 !== sha256) {
      await removeFile(file);
      throw new CoordinatorError('corrupt', `expected ${sha256}, the content is ${stored.sha256}`);
    }
    await this.publish(file, stored);
    return stored;
  }

  /** Whether there was one. */
  async delete(sha256: string): Promise<boolean> {
    const file = this.blobFile(sha256);
    const existed = (await fileSize(file)) !== undefined;
    await removeFile(file);
    return existed;
  }

  /** Reads the whole blob. A blob that does not match its name is set aside, so that `has` tells the truth and it can be fetched again. */
  async verify(sha256: string): Promise<'sound' | 'corrupt' | 'absent'> {
    const file = this.blobFile(sha256);
    if ((await fileSize(file)) === undefined) return 'absent';
    if ((await hashFile(file)).sha256 === sha256) return 'sound';
    await this.setAside(sha256);
    return 'corrupt';
  }

  /** The digests of every blob, in order. */
  async *digests(): AsyncGenerator<string> {
    const blobs = path.join(this.parts.folder, 'blobs');
    for (const shard of ((await readdir(blobs).catch(absent)) ?? []).sort())
      yield* ((await readdir(path.join(blobs, shard)).catch(absent)) ?? []).filter(isSha256).sort();
  }

  /** Every blob, in order of digest. `modifiedAt` is wall time in ms. */
  async *list(): AsyncGenerator<StoredArtifact & {readonly modifiedAt: number}> {
    const blobs = path.join(this.parts.folder, 'blobs');
    for (const shard of ((await readdir(blobs).catch(absent)) ?? []).sort()) {
      for (const name of (await readdir(path.join(blobs, shard))).sort()) {
        if (!isSha256(name)) continue;
        const found = await stat(path.join(blobs, shard, name)).catch(absent);
        if (found) yield {sha256: name, bytes: found.size, modifiedAt: found.mtimeMs};
      }
    }
  }

  private async write(
    file: string,
    content: Readable | Uint8Array,
    signal?: AbortSignal,
  ): Promise<StoredArtifact> {
    const hash = createHash('sha256');
    let bytes = 0;
    const handle = await this.parts.disk.openForWriting(file, 'wx');
    try {
      const chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array> =
        content instanceof Uint8Array ? [content] : content;
      for await (const chunk of chunks) {
        signal?.throwIfAborted();
        if (bytes + chunk.length > this.parts.limits.maxArtifactBytes) {
          throw new CoordinatorError(
            'limit',
            `an artifact may have ${this.parts.limits.maxArtifactBytes} bytes`,
          );
        }
        hash.update(chunk);
        await writeAll(handle, chunk, bytes);
        bytes += chunk.length;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    return {sha256: hash.digest('hex'), bytes};
  }

  /** Gives a synced file its name. An equal blob that is there already stays: someone may be reading it. */
  private async publish(temporary: string, stored: StoredArtifact): Promise<void> {
    const file = this.blobFile(stored.sha256);
    await this.parts.disk.ensureFolder(this.parts.root, path.dirname(file));
    if ((await this.refresh(stored.sha256)) === stored.bytes) {
      // The other writer may not have synced the folder yet, and this one is about to promise durability.
      await syncFolder(path.dirname(file));
      await removeFile(temporary);
    } else {
      await this.parts.disk.publish(temporary, file);
    }
  }

  /** Passes bytes through, holding the last ones back until the digest is right: a reader never completes on wrong content. */
  private verifying(sha256: string | undefined): Transform {
    const hash = createHash('sha256');
    let held: Uint8Array | undefined;
    return new Transform({
      transform: (chunk: Uint8Array, _encoding, done) => {
        hash.update(chunk);
        const ready = held;
        held = chunk;
        done(null, ready);
      },
      flush: done => {
        if (sha256 === undefined || hash.digest('hex') === sha256) {
          done(null, held);
          return;
        }
        const corrupt = new CoordinatorError('corrupt', `artifact ${sha256} does not match its name on disk`);
        this.setAside(sha256).then(
          () => done(corrupt),
          (error: unknown) => done(new CoordinatorError('corrupt', corrupt.message, {cause: error})),
        );
      },
    });
  }

  private async setAside(sha256: string): Promise<void> {
    const {disk, folder, root, logger} = this.parts;
    const corrupt = path.join(folder, 'corrupt');
    logger.error('an artifact does not match its name and was set aside', {sha256, folder: corrupt});
    await disk.ensureFolder(root, corrupt);
    try {
      await rename(this.blobFile(sha256), path.join(corrupt, sha256));
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
      logger.debug('the corrupt artifact was gone already', {sha256, error: describeError(error)});
    }
  }

  /** Where a blob is, if there is one. */
  blobFile(sha256: string): string {
    const name = checkedSha256(sha256);
    return path.join(this.parts.folder, 'blobs', name.slice(0, 2), name);
  }
}

function absent(error: unknown): undefined {
  if (systemErrorCode(error) === 'ENOENT') return undefined;
  throw error;
}
