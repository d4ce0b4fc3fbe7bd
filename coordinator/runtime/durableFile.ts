/** Whole-file writes that survive a power cut: temporary file, fsync, rename, fsync of the folder. */
import {open, rename, rm} from 'node:fs/promises';
import path from 'node:path';

/** Makes a rename or a new file in `folder` durable. Windows has no such call and needs none. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces `file` atomically; after it resolves the new content is on disk. `mode` defaults to 0600. */
export async function writeFileDurably(
  file: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const temporary = `${file}.tmp-${process.pid}`;
  try {
    const handle = await open(temporary, 'w', mode);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    // On a full disk it would hold the space that is wanted.
    await rm(temporary, {force: true}).catch(() => undefined);
    throw error;
  }
  await syncFolder(path.dirname(file));
}
