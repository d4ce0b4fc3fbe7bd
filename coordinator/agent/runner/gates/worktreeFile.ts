/** Reads a file of a worktree for a gate: never one outside it, whatever links lie there, and never a huge one. */
import {readFile, realpath, stat} from 'node:fs/promises';
import path from 'node:path';
import {CoordinatorError, systemErrorCode} from '../../../runtime/errors.ts';

const MAX_BYTES = 32 * 1024 * 1024;

/** Undefined when there is none. Errors: `limit`, `config` for a place outside the worktree. */
export async function readWorktreeFile(worktree: string, name: string): Promise<string | undefined> {
  const root = await realpath(worktree);
  let real: string;
  try {
    real = await realpath(path.resolve(root, name));
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
  if (!real.startsWith(root + path.sep))
    throw new CoordinatorError('config', `${name} is not in the worktree`);
  const found = await stat(real);
  if (!found.isFile()) throw new CoordinatorError('config', `${name} is not a file`);
  if (found.size > MAX_BYTES)
    throw new CoordinatorError('limit', `${name} has ${found.size} bytes, at most ${MAX_BYTES} are read`);
  return readFile(real, 'utf8');
}
