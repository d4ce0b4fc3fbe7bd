/** A small file system in memory, which can be filled up and freed. Whoever calls has mounts of its own (support.ts), with which it ends. */
import {spawnSync} from 'node:child_process';
import {closeSync, mkdirSync, openSync, rmSync, writeSync} from 'node:fs';
import path from 'node:path';
import {systemErrorCode} from '../../../coordinator/runtime/errors.ts';

const CHUNKS = [Buffer.alloc(256 * 1024, 1), Buffer.alloc(4096, 1)];
const AGAIN_MS = 100;

export class SmallDisk {
  private filling: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly folder: string,
    mebibytes: number,
  ) {
    mkdirSync(folder, {recursive: true});
    mountMemory(folder, `${mebibytes}m`);
  }

  /** Full, and full again whenever somebody deletes a file. */
  fill(): void {
    this.topUp();
    this.filling ??= setInterval(() => this.topUp(), AGAIN_MS);
  }

  free(): void {
    clearInterval(this.filling);
    this.filling = undefined;
    rmSync(this.ballast, {force: true});
  }

  private get ballast(): string {
    return path.join(this.folder, 'ballast');
  }

  private topUp(): void {
    const file = openSync(this.ballast, 'a');
    try {
      for (const chunk of CHUNKS) while (written(file, chunk));
    } finally {
      closeSync(file);
    }
  }
}

export function mountMemory(folder: string, size: string): void {
  const {status, stderr, error} = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'mcpx', folder], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`mount ${folder}: ${error?.message ?? stderr.trim()}`);
}

function written(file: number, chunk: Buffer): boolean {
  try {
    return writeSync(file, chunk) === chunk.length;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOSPC') return false;
    throw error;
  }
}
