/** What a folder takes on the disk. */
import type {Dirent} from 'node:fs';
import {lstat, readdir} from 'node:fs/promises';
import path from 'node:path';
import {systemErrorCode} from '../../runtime/errors.ts';

const AT_ONCE = 32;
/** What `stat` counts in, whatever the file system's own blocks are. */
const BLOCK_BYTES = 512;

/** Bytes, links not followed. What goes while it is counted counts for nothing; what cannot be read neither. */
export async function diskUsage(folder: string, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const current = next;
    signal.throwIfAborted();
    const entries = await readdir(current, {withFileTypes: true}).catch((error: unknown): Dirent[] =>
      nothing(error, []),
    );
    for (let at = 0; at < entries.length; at += AT_ONCE) {
      const part = entries.slice(at, at + AT_ONCE).map(({name}) => path.join(current, name));
      for (const size of await Promise.all(part.map(sizeOf))) bytes += size;
    }
    for (const entry of entries) if (entry.isDirectory()) waiting.push(path.join(current, entry.name));
  }
  return bytes;
}

async function sizeOf(file: string): Promise<number> {
  try {
    const {blocks, size} = await lstat(file);
    // Some systems do not count blocks.
    return blocks === undefined ? size : blocks * BLOCK_BYTES;
  } catch (error) {
    return nothing(error, 0);
  }
}

function nothing<T>(error: unknown, value: T): T {
  const code = systemErrorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES' || code === 'EPERM') return value;
  throw error;
}
