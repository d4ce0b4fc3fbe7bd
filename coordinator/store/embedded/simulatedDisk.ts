/**
 * A disk in memory that fails as real ones do: a crash keeps what was flushed and, of what was not, any sectors; names live as long as their folder
 * was flushed. Tests and the simulation run the store's real code on it.
 */

import type {DirectoryLock} from '../../runtime/directoryLock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import type {Disk, DiskFile, OpenOptions} from './disk.ts';
import {SECTOR} from './frame.ts';

export type DiskOperation = 'open' | 'write' | 'read' | 'sync' | 'rename' | 'remove' | 'syncFolder' | 'list';

export interface SimulatedDiskOptions {
  readonly random: Random;
  readonly durableWrites: boolean;
  /** Asked before every operation; a code such as ENOSPC or EIO fails it, 'crash' ends the disk's life in the middle of it. */
  fault?: ((operation: DiskOperation, path: string, step: number) => string | undefined) | undefined;
}

class Inode {
  /** What a read sees. */
  view: Buffer = Buffer.alloc(0);
  /** What survives a crash for sure. */
  durable: Buffer = Buffer.alloc(0);
  unsynced: {position: number; bytes: Buffer}[] = [];

  write(bytes: Uint8Array, position: number): void {
    const copy = Buffer.from(bytes);
    this.view = written(this.view, copy, position);
    this.unsynced.push({position, bytes: copy});
  }

  flush(): void {
    for (const {position, bytes} of this.unsynced) this.durable = written(this.durable, bytes, position);
    this.unsynced = [];
  }

  /** What a restart finds: of each write that was not flushed, any sectors. */
  survivor(random: Random): Inode {
    for (const {position, bytes} of this.unsynced)
      for (const [from, to] of sectorsOf(position, bytes.length))
        if (random.next() < 0.5)
          this.durable = written(this.durable, bytes.subarray(from, to), position + from);
    const inode = new Inode();
    inode.view = Buffer.from(this.durable);
    inode.durable = Buffer.from(this.durable);
    return inode;
  }
}

/** A rename is one change: it happens or it does not. */
interface NameChange {
  readonly folder: string;
  readonly removed?: string | undefined;
  readonly added?: {readonly path: string; readonly inode: Inode} | undefined;
}

export class SimulatedDisk implements Disk {
  readonly durableWrites: boolean;
  private names = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  /** Changes of names that no folder flush has covered, oldest first. */
  private changes: NameChange[] = [];
  private readonly locked = new Set<string>();
  private crashed = false;
  private taken = 0;

  constructor(readonly options: SimulatedDiskOptions) {
    this.durableWrites = options.durableWrites;
  }

  /** Operations so far. */
  get steps(): number {
    return this.taken;
  }

  get isCrashed(): boolean {
    return this.crashed;
  }

  /** Cuts the power: every further operation fails. Returns the disk as the next start finds it. */
  restart(fault?: SimulatedDiskOptions['fault']): SimulatedDisk {
    this.crashed = true;
    const {random, durableWrites} = this.options;
    for (const change of this.changes) if (random.next() < 0.5) applyChange(this.durableNames, change);
    const next = new SimulatedDisk({random, durableWrites, fault});
    for (const [path, inode] of this.durableNames) next.names.set(path, inode.survivor(random));
    next.durableNames = new Map(next.names);
    return next;
  }

  /** Flips bits of one byte behind everybody's back. What was in memory only is on the medium by then, so that flipping them again is the way back. */
  damage(path: string, offset: number, mask: number): void {
    const inode = this.need(path);
    inode.flush();
    for (const bytes of [inode.view, inode.durable]) bytes[offset] = (bytes[offset] ?? 0) ^ mask;
  }

  /** Replaces a file's content behind everybody's back. */
  replace(path: string, content: Uint8Array): void {
    const inode = this.need(path);
    inode.view = Buffer.from(content);
    inode.durable = Buffer.from(content);
    inode.unsynced = [];
  }

  content(path: string): Buffer {
    return Buffer.from(this.need(path).view);
  }

  paths(): string[] {
    return [...this.names.keys()].sort();
  }

  async makeFolder(): Promise<void> {}

  async list(folder: string): Promise<string[]> {
    await this.step('list', folder);
    return this.paths().flatMap(path => (folderOf(path) === folder ? path.slice(folder.length + 1) : []));
  }

  async open(path: string, options: OpenOptions = {}): Promise<DiskFile> {
    await this.step('open', path);
    if (options.create) {
      if (this.names.has(path)) throw systemError('EEXIST', path);
      this.change({folder: folderOf(path), added: {path, inode: new Inode()}});
    }
    return this.file(path, this.need(path), options.durable ?? false);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.step('rename', from);
    const inode = this.need(from);
    this.change({folder: folderOf(to), removed: from, added: {path: to, inode}});
  }

  async remove(path: string): Promise<void> {
    await this.step('remove', path);
    this.need(path);
    this.change({folder: folderOf(path), removed: path});
  }

  async syncFolder(folder: string): Promise<void> {
    await this.step('syncFolder', folder);
    for (const change of this.changes) if (change.folder === folder) applyChange(this.durableNames, change);
    this.changes = this.changes.filter(change => change.folder !== folder);
  }

  async lock(folder: string): Promise<DirectoryLock> {
    if (this.locked.has(folder)) throw new CoordinatorError('conflict', `${folder} is in use`);
    this.locked.add(folder);
    return {release: async () => void this.locked.delete(folder)};
  }

  private file(path: string, inode: Inode, durable: boolean): DiskFile {
    return {
      path,
      write: async (bytes, position) => {
        await this.step('write', path, crash => {
          const done = crash ? bytes : bytes.subarray(0, bytes.length / 2);
          inode.write(done, position);
        });
        inode.write(bytes, position);
        if (durable) inode.flush();
      },
      read: async (position, length) => {
        await this.step('read', path);
        return Buffer.from(inode.view.subarray(position, position + length));
      },
      sync: async () => {
        await this.step('sync', path);
        inode.flush();
      },
      size: async () => inode.view.length,
      close: async () => undefined,
    };
  }

  /**
   * One operation: it may fail, or the power may go in the middle of it. `partly` does what of it happens all the same, unflushed: any part of a
   * write that a power cut hits, the first half of one that fails.
   */
  private async step(
    operation: DiskOperation,
    path: string,
    partly?: (crash: boolean) => void,
  ): Promise<void> {
    await Promise.resolve();
    if (this.crashed) throw systemError('EIO', path);
    this.taken += 1;
    const fault = this.options.fault?.(operation, path, this.taken);
    if (fault === undefined) return;
    partly?.(fault === 'crash');
    if (fault === 'crash') this.crashed = true;
    throw systemError(fault === 'crash' ? 'EIO' : fault, path);
  }

  private change(change: NameChange): void {
    applyChange(this.names, change);
    this.changes.push(change);
  }

  private need(path: string): Inode {
    const inode = this.names.get(path);
    if (!inode) throw systemError('ENOENT', path);
    return inode;
  }
}

function written(content: Buffer, bytes: Uint8Array, position: number): Buffer {
  const end = position + bytes.length;
  const result =
    content.length >= end ? content : Buffer.concat([content, Buffer.alloc(end - content.length)]);
  result.set(bytes, position);
  return result;
}

/** The parts of a write that fall into one sector each, as offsets into its bytes. */
function sectorsOf(position: number, length: number): [number, number][] {
  const parts: [number, number][] = [];
  for (let from = 0; from < length; ) {
    const to = Math.min(length, from + SECTOR - ((position + from) % SECTOR));
    parts.push([from, to]);
    from = to;
  }
  return parts;
}

function applyChange(names: Map<string, Inode>, change: NameChange): void {
  if (change.removed !== undefined) names.delete(change.removed);
  if (change.added) names.set(change.added.path, change.added.inode);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${path}`), {code});
}
