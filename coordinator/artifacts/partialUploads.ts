/**
 * Uploads in parts that survive broken connections and restarts. The file's length is the offset, its name carries digest, uploader and announced
 * size, so there is no second record that could disagree. Bytes are not synced before the end: after a power cut the digest finds out.
 */
import {open, readdir, stat} from 'node:fs/promises';
import path from 'node:path';
import type {Readable} from 'node:stream';
import {CoordinatorError, systemErrorCode} from '../runtime/errors.ts';
import {checkedSha256, checkedUploader} from './artifactName.ts';
import type {ArtifactLimits} from './artifactStore.ts';
import {type BlobDisk, diskFault, fileSize, hashFile, removeFile, writeAll} from './blobDisk.ts';

export interface Upload {
  readonly sha256: string;
  /** Announced size of the whole artifact. */
  readonly bytes: number;
  /** Names this sender's own upload; see `isUploaderName`. */
  readonly uploader: string;
}

export type UploadState =
  | {readonly kind: 'stored'; readonly bytes: number}
  | {readonly kind: 'partial'; readonly offset: number};

export type AppendResult = UploadState | {readonly kind: 'wrongOffset'; readonly offset: number};

interface Append {
  readonly content: Readable;
  readonly ended: Promise<unknown>;
}

export class PartialUploads {
  private readonly appends = new Map<string, Append>();

  constructor(
    private readonly parts: {
      readonly folder: string;
      readonly root: string;
      readonly disk: BlobDisk;
      readonly limits: ArtifactLimits;
      readonly storedBytes: (sha256: string) => Promise<number | undefined>;
      readonly publish: (temporary: string, stored: {sha256: string; bytes: number}) => Promise<void>;
    },
  ) {}

  /** Where the upload stands, without changing anything. An upload that never began stands at offset 0. Errors: `limit`. */
  async state(upload: Upload): Promise<UploadState> {
    this.checkSize(upload);
    const stored = await this.parts.storedBytes(upload.sha256);
    if (stored !== undefined) return {kind: 'stored', bytes: stored};
    return {kind: 'partial', offset: (await fileSize(this.file(upload))) ?? 0};
  }

  /** Creates the upload where there is none. An upload whose bytes are all there, but which a killed process never finished, is finished now. */
  async begin(upload: Upload): Promise<UploadState> {
    const state = await this.state(upload);
    if (state.kind === 'stored') return state;
    if (state.offset >= upload.bytes && upload.bytes > 0) return this.finish(upload);
    await this.create(upload);
    return upload.bytes === 0 ? this.finish(upload) : state;
  }

  /**
   * Adds bytes at `offset`; finishes the artifact when they complete it. A sender that comes back takes over from its own earlier request, whose
   * connection may be dead without this side knowing. When `content` breaks off, what arrived is kept. Errors: `limit` (more than announced),
   * `corrupt` (the digest is wrong; the upload is discarded), `diskFull` (the upload is discarded).
   */
  async append(upload: Upload, offset: number, content: Readable): Promise<AppendResult> {
    const key = this.file(upload);
    const earlier = this.appends.get(key);
    earlier?.content.destroy(new CoordinatorError('cancelled', 'the sender began again'));
    const ended = (earlier?.ended ?? Promise.resolve()).then(() => this.appendNow(upload, offset, content));
    const append = {content, ended: ended.catch(() => undefined)};
    this.appends.set(key, append);
    try {
      return await ended;
    } finally {
      if (this.appends.get(key) === append) this.appends.delete(key);
    }
  }

  /** Drops uploads last written before `wallTimeMs`; returns how many. */
  async dropOlderThan(wallTimeMs: number): Promise<number> {
    let dropped = 0;
    for (const name of await this.names()) {
      const file = path.join(this.parts.folder, name);
      if (this.appends.has(file) || (await stat(file)).mtimeMs >= wallTimeMs) continue;
      await removeFile(file);
      dropped++;
    }
    return dropped;
  }

  private async appendNow(upload: Upload, offset: number, content: Readable): Promise<AppendResult> {
    const state = await this.begin(upload);
    if (state.kind === 'stored') return state;
    if (state.offset !== offset) return {kind: 'wrongOffset', offset: state.offset};
    const file = this.file(upload);
    await this.parts.disk.checkRoom(this.parts.folder, upload.bytes - offset);
    let reached = offset;
    try {
      const handle = await this.parts.disk.openForWriting(file, 'r+');
      try {
        for await (const chunk of content as AsyncIterable<Uint8Array>) {
          if (reached + chunk.length > upload.bytes) {
            throw new CoordinatorError('limit', `${upload.sha256} was announced with ${upload.bytes} bytes`);
          }
          await writeAll(handle, chunk, reached);
          reached += chunk.length;
        }
      } finally {
        await handle.close();
      }
    } catch (error) {
      const fault = diskFault(error, `no room for an upload in ${this.parts.folder}`);
      if (fault !== error) await removeFile(file);
      throw fault;
    }
    return reached === upload.bytes ? this.finish(upload) : {kind: 'partial', offset: reached};
  }

  private async finish(upload: Upload): Promise<UploadState> {
    const file = this.file(upload);
    const handle = await open(file, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    const found = await hashFile(file);
    if (found.sha256 !== upload.sha256 || found.bytes !== upload.bytes) {
      await removeFile(file);
      throw new CoordinatorError('corrupt', `expected ${upload.sha256}, the upload is ${found.sha256}`, {
        hint: 'the upload was discarded; send it again from the start',
      });
    }
    await this.parts.publish(file, found);
    return {kind: 'stored', bytes: found.bytes};
  }

  private async create(upload: Upload): Promise<void> {
    const file = this.file(upload);
    if ((await fileSize(file)) !== undefined) return;
    await this.parts.disk.ensureFolder(this.parts.root, this.parts.folder);
    const names = await this.names();
    if (names.length >= this.parts.limits.maxPartialUploads) {
      throw new CoordinatorError('limit', `${names.length} uploads are in progress`, {
        hint: 'wait for some of them to finish',
      });
    }
    // The same sender may announce another size after its file changed; the digest then differs, but a broken sender must not pile up files.
    const own = `${upload.sha256}.${upload.uploader}.`;
    for (const name of names) if (name.startsWith(own)) await removeFile(path.join(this.parts.folder, name));
    const handle = await this.parts.disk.openForWriting(file, 'wx');
    await handle.close();
  }

  private checkSize(upload: Upload): void {
    const {maxArtifactBytes} = this.parts.limits;
    if (!Number.isSafeInteger(upload.bytes) || upload.bytes < 0 || upload.bytes > maxArtifactBytes) {
      throw new CoordinatorError(
        'limit',
        `an artifact may have ${maxArtifactBytes} bytes, not ${upload.bytes}`,
      );
    }
  }

  private async names(): Promise<string[]> {
    try {
      return await readdir(this.parts.folder);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  private file(upload: Upload): string {
    const name = `${checkedSha256(upload.sha256)}.${checkedUploader(upload.uploader)}.${upload.bytes}`;
    return path.join(this.parts.folder, name);
  }
}
