/** What the artifact store asks of a disk: durable new files, room left, digests, and one error for a disk that is full. Names and layout belong to its callers. */
import {createHash} from 'node:crypto';
import {type FileHandle, mkdir, open, rename, rm, stat, statfs} from 'node:fs/promises';
import path from 'node:path';
import {syncFolder} from '../runtime/durableFile.ts';
import {CoordinatorError, systemErrorCode} from '../runtime/errors.ts';

/** Opens a file for writing; a seam so that a full disk can be simulated. */
export type OpenForWriting = (file: string, flags: 'wx' | 'r+') => Promise<FileHandle>;

const openOnDisk: OpenForWriting = (file, flags) => open(file, flags, 0o600);

export class BlobDisk {
  /** Folders whose entry in their parent is known to be on disk. */
  private readonly durableFolders = new Set<string>();

  constructor(
    private readonly reserveBytes: number,
    readonly openForWriting: OpenForWriting = openOnDisk,
  ) {}

  /** Creates `folder` so that it survives a power cut; `root` already exists. */
  async ensureFolder(root: string, folder: string): Promise<void> {
    if (this.durableFolders.has(folder)) return;
    if (folder !== root) await this.ensureFolder(root, path.dirname(folder));
    await mkdir(folder, {recursive: true, mode: 0o700});
    await syncFolder(path.dirname(folder));
    this.durableFolders.add(folder);
  }

  /** Refuses before the last room is gone: the log of the store may live on the same disk. */
  async checkRoom(folder: string, bytes: number): Promise<void> {
    const {bavail, bsize} = await statfs(folder);
    const free = bavail * bsize;
    if (free - bytes >= this.reserveBytes) return;
    throw diskFull(
      `${folder} has ${free} bytes left, ${bytes} are needed and ${this.reserveBytes} stay reserved`,
    );
  }

  /** Moves a written and synced file to its final name. */
  async publish(temporary: string, file: string): Promise<void> {
    await rename(temporary, file);
    await syncFolder(path.dirname(file));
  }
}

/** Turns a full disk into `diskFull`; every other fault stays what it is. */
export function diskFault(error: unknown, what: string): unknown {
  const code = systemErrorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT' ? diskFull(what, error) : error;
}

function diskFull(message: string, cause?: unknown): CoordinatorError {
  return new CoordinatorError('diskFull', message, {
    cause,
    hint: 'free some space on that disk and try again; nothing that was stored is lost',
  });
}

export async function hashFile(file: string): Promise<{sha256: string; bytes: number}> {
  const hash = createHash('sha256');
  let bytes = 0;
  const handle = await open(file, 'r');
  try {
    const chunk = Buffer.allocUnsafe(256 * 1024);
    for (;;) {
      const {bytesRead} = await handle.read(chunk, 0, chunk.length);
      if (bytesRead === 0) break;
      hash.update(chunk.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return {sha256: hash.digest('hex'), bytes};
}

/** Writes all of `chunk`: a plain `write` may write less. */
export async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const {bytesWritten} = await handle.write(chunk, written, chunk.length - written, position + written);
    written += bytesWritten;
  }
}

/** The size of a regular file, or undefined when there is none. */
export async function fileSize(file: string): Promise<number | undefined> {
  try {
    const found = await stat(file);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export async function removeFile(file: string): Promise<void> {
  await rm(file, {force: true});
}
