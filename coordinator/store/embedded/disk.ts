/** All that the store asks of a disk. The log, the snapshots and their recovery run on this, so that a simulated disk can fail them. */
import * as fs from 'node:fs';
import {mkdir, open, readdir, rename, rm} from 'node:fs/promises';
import {type DirectoryLock, lockDirectory} from '../../runtime/directoryLock.ts';
import {syncFolder} from '../../runtime/durableFile.ts';

const IN_USE_HINT = 'Connect to that coordinator, stop it, or choose another data directory.';

export interface DiskFile {
  readonly path: string;
  /** Writes all of `bytes`. With `durable` from `open` the bytes are on disk when it resolves, else after `sync`. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Reads up to `length` bytes; fewer only at the end of the file. */
  read(position: number, length: number): Promise<Buffer>;
  /** Makes data written so far durable (fdatasync). */
  sync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Make the file, empty; it must not exist. */
  readonly create?: boolean;
  /** Every write is durable on its own (O_DSYNC). Only where `durableWrites` says so. */
  readonly durable?: boolean;
}

/** Failures are Node's system errors, with their `code`. */
export interface Disk {
  /** Whether `durable` files are to be had. */
  readonly durableWrites: boolean;
  makeFolder(folder: string): Promise<void>;
  /** Names in `folder`, in no order. */
  list(folder: string): Promise<string[]>;
  open(path: string, options?: OpenOptions): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in `folder` durable. */
  syncFolder(folder: string): Promise<void>;
  /** Rejects with `conflict` when another living process has `folder`. `unique` is a name of this attempt. */
  lock(folder: string, unique: string): Promise<DirectoryLock>;
}

/** Of the platforms only Linux promises that O_DSYNC flushes the drive's own cache. */
const O_DSYNC = process.platform === 'linux' ? fs.constants.O_DSYNC : 0;

export const realDisk: Disk = {
  durableWrites: O_DSYNC !== 0,
  async makeFolder(folder) {
    await mkdir(folder, {recursive: true, mode: 0o700});
  },
  list: folder => readdir(folder),
  async open(path, options = {}) {
    const {O_CREAT, O_EXCL, O_RDWR} = fs.constants;
    const flags = O_RDWR | (options.create ? O_CREAT | O_EXCL : 0) | (options.durable ? O_DSYNC : 0);
    const handle = await open(path, flags, 0o600);
    return {
      path,
      write: (bytes, position) => writeAll(handle.fd, bytes, position),
      read: (position, length) => readAll(handle.fd, position, length),
      sync: () => handle.datasync(),
      size: async () => (await handle.stat()).size,
      close: () => handle.close(),
    };
  },
  rename,
  remove: path => rm(path),
  syncFolder,
  lock: (folder, unique) => lockDirectory(folder, unique, IN_USE_HINT),
};

/** Callbacks rather than a FileHandle's promises: this is the hot path of every write. */
function writeAll(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (done: number): void => {
      fs.write(fd, bytes, done, bytes.length - done, position + done, (error, written) => {
        if (error) reject(error);
        else if (done + written >= bytes.length) resolve();
        else next(done + written);
      });
    };
    next(0);
  });
}

function readAll(fd: number, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  return new Promise((resolve, reject) => {
    const next = (done: number): void => {
      fs.read(fd, buffer, done, length - done, position + done, (error, count) => {
        if (error) reject(error);
        else if (count === 0 || done + count === length) resolve(buffer.subarray(0, done + count));
        else next(done + count);
      });
    };
    next(0);
  });
}
