/** An agent's bounded local copies of artifacts, by digest: least recently used goes first, what is in use stays. Fetching is artifactClient.ts. */
import {copyFile, mkdir, readdir, rename, rm, stat, utimes} from 'node:fs/promises';
import path from 'node:path';
import type {Logger} from '../observability/logger.ts';
import type {Clock} from '../runtime/clock.ts';
import {syncFolder} from '../runtime/durableFile.ts';
import type {ArtifactClient} from './artifactClient.ts';
import {checkedSha256, isSha256} from './artifactName.ts';
import {fileSize, hashFile, removeFile} from './blobDisk.ts';
import {KeyedLock} from './keyedLock.ts';

/** What can give the content of an artifact; the cache itself is one. */
export interface ArtifactSource {
  /** Calls `read` with a file of exactly that content, which stays until `read` settles. Errors: those of `ArtifactClient.download`. */
  use<T>(sha256: string, read: (file: string) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export interface ArtifactCacheOptions {
  readonly folder: string;
  /** Bytes kept beyond what is in use. */
  readonly maxBytes: number;
  readonly client: Pick<ArtifactClient, 'download'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const MAX_PART_AGE_MS = 24 * 60 * 60 * 1000;

interface Entry {
  bytes: number;
  /** Order of last use; higher is later. */
  used: number;
  users: number;
  /** Files of an earlier process are checked before they are trusted. */
  verified: boolean;
}

export class ArtifactCache implements ArtifactSource {
  private readonly entries = new Map<string, Entry>();
  private readonly lock = new KeyedLock();
  private uses = 0;

  private constructor(private readonly options: ArtifactCacheOptions) {}

  static async open(options: ArtifactCacheOptions): Promise<ArtifactCache> {
    await mkdir(options.folder, {recursive: true, mode: 0o700});
    const cache = new ArtifactCache(options);
    const found: {name: string; bytes: number; at: number}[] = [];
    for (const name of await readdir(options.folder)) {
      const file = path.join(options.folder, name);
      const {size, mtimeMs} = await stat(file);
      if (isSha256(name)) found.push({name, bytes: size, at: mtimeMs});
      // The next use goes on from a recent part of an interrupted download. Anything else is a leftover.
      else if (!name.endsWith('.part') || mtimeMs < options.clock.wallNow() - MAX_PART_AGE_MS) {
        await rm(file, {recursive: true, force: true});
      }
    }
    found.sort((a, b) => a.at - b.at);
    for (const {name, bytes} of found) {
      cache.entries.set(name, {bytes, used: cache.uses++, users: 0, verified: false});
    }
    await cache.shrink();
    return cache;
  }

  get bytes(): number {
    let bytes = 0;
    for (const entry of this.entries.values()) bytes += entry.bytes;
    return bytes;
  }

  async use<T>(sha256: string, read: (file: string) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const file = this.file(sha256);
    const entry = await this.lock.run(sha256, async () => {
      const entry = (await this.present(sha256)) ?? (await this.fetch(sha256, signal));
      entry.users++;
      entry.used = this.uses++;
      return entry;
    });
    try {
      const now = this.options.clock.wallNow() / 1000;
      await utimes(file, now, now);
      return await read(file);
    } finally {
      entry.users--;
      await this.shrink();
    }
  }

  /** Keeps a copy of a file of our own making, so that it is not fetched back. */
  async add(sha256: string, source: string): Promise<void> {
    await this.lock.run(sha256, async () => {
      if (await this.present(sha256)) return;
      const file = this.file(sha256);
      await copyFile(source, `${file}.tmp`);
      await rename(`${file}.tmp`, file);
      await syncFolder(this.options.folder);
      await this.admit(sha256, false);
    });
    await this.shrink();
  }

  private async present(sha256: string): Promise<Entry | undefined> {
    const entry = this.entries.get(sha256);
    if (!entry) return undefined;
    const file = this.file(sha256);
    if ((await fileSize(file)) === entry.bytes) {
      entry.verified ||= (await hashFile(file)).sha256 === sha256;
      if (entry.verified) return entry;
    }
    this.options.logger.warn('a cached artifact does not match its name and is fetched again', {sha256});
    this.entries.delete(sha256);
    await removeFile(file);
    return undefined;
  }

  private async fetch(sha256: string, signal?: AbortSignal): Promise<Entry> {
    await this.options.client.download(sha256, this.file(sha256), signal);
    return this.admit(sha256, true);
  }

  private async admit(sha256: string, verified: boolean): Promise<Entry> {
    const bytes = (await stat(this.file(sha256))).size;
    const entry: Entry = {bytes, used: this.uses++, users: 0, verified};
    this.entries.set(sha256, entry);
    return entry;
  }

  private async shrink(): Promise<void> {
    const idle = [...this.entries].filter(([, entry]) => entry.users === 0);
    idle.sort(([, a], [, b]) => a.used - b.used);
    let kept = this.bytes;
    for (const [sha256] of idle) {
      if (kept <= this.options.maxBytes) return;
      await this.lock.run(sha256, async () => {
        const entry = this.entries.get(sha256);
        if (!entry || entry.users > 0) return;
        this.entries.delete(sha256);
        await removeFile(this.file(sha256));
        kept -= entry.bytes;
      });
    }
  }

  private file(sha256: string): string {
    return path.join(this.options.folder, checkedSha256(sha256));
  }
}
