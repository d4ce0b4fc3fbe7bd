/**
 * The archive of ignored files that every worktree gets: a JSON header and the contents behind it. Which files belong in it is the client's
 * matter (`workspace.include`); keeping them out of results is the workspace's.
 *
 * Format: `MCPXINC1`, header length (uint32, big endian), header `[{path, mode, bytes} | {path, link}]`, contents in the order of the header.
 */
import {lstat, mkdir, open, readFile, readlink, rm, symlink} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import {CoordinatorError, systemErrorCode} from '../runtime/errors.ts';

export interface IncludeLimits {
  readonly maxFiles: number;
  readonly maxBytes: number;
}

export const INCLUDE_LIMITS: IncludeLimits = {maxFiles: 2000, maxBytes: 64 * 1024 ** 2};

const MAGIC = 'MCPXINC1';
const Entry = z.union([
  z.strictObject({
    path: z.string().min(1).max(4096),
    mode: z.number().int().min(0).max(0o777),
    bytes: z.number().int().nonnegative(),
  }),
  z.strictObject({path: z.string().min(1).max(4096), link: z.string().min(1).max(4096)}),
]);
type Entry = z.infer<typeof Entry>;

/** Packs `paths`, relative to `root` with "/" between. Errors: `limit`, `notFound`, `config` (neither a file nor a link). */
export async function packIncluded(
  root: string,
  paths: readonly string[],
  limits: IncludeLimits = INCLUDE_LIMITS,
): Promise<Buffer> {
  if (paths.length > limits.maxFiles) {
    throw new CoordinatorError('limit', `workspace.include names ${paths.length} files`, {
      hint: `at most ${limits.maxFiles}; use workspace.setup for what a command can make`,
    });
  }
  const entries: Entry[] = [];
  const contents: Buffer[] = [];
  let bytes = 0;
  for (const name of [...paths].sort()) {
    const file = path.join(root, safePath(name));
    const found = await lstat(file).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
      throw new CoordinatorError('notFound', `workspace.include: there is no ${name} in ${root}`, {
        cause: error,
      });
    });
    if (found.isSymbolicLink()) {
      entries.push({path: name, link: await readlink(file)});
      continue;
    }
    if (!found.isFile()) throw new CoordinatorError('config', `workspace.include: ${name} is not a file`);
    bytes += found.size;
    if (bytes > limits.maxBytes) {
      throw new CoordinatorError(
        'limit',
        `workspace.include has more than ${limits.maxBytes} bytes, at ${name}`,
      );
    }
    const content = await readFile(file);
    entries.push({path: name, mode: found.mode & 0o777, bytes: content.length});
    contents.push(content);
  }
  const header = Buffer.from(JSON.stringify(entries));
  const prefix = Buffer.alloc(MAGIC.length + 4);
  prefix.write(MAGIC, 'latin1');
  prefix.writeUInt32BE(header.length, MAGIC.length);
  return Buffer.concat([prefix, header, ...contents]);
}

/** The paths in an archive, without unpacking it. Errors: `corrupt`. */
export function includedPaths(archive: Buffer): string[] {
  return parse(archive).entries.map(entry => entry.path);
}

/** Writes every file into `root`, replacing what is there; never through a symbolic link. Errors: `corrupt`, `config`. */
export async function unpackIncluded(archive: Buffer, root: string): Promise<void> {
  const {entries, contents} = parse(archive);
  let offset = contents;
  for (const entry of entries) {
    const file = path.join(root, safePath(entry.path));
    await makeParents(root, entry.path);
    await rm(file, {force: true});
    if ('link' in entry) {
      await symlink(entry.link, file);
      continue;
    }
    const handle = await open(file, 'wx', entry.mode);
    try {
      await handle.writeFile(archive.subarray(offset, offset + entry.bytes));
      // The umask applies to the creation only.
      await handle.chmod(entry.mode);
    } finally {
      await handle.close();
    }
    offset += entry.bytes;
  }
}

function parse(archive: Buffer): {entries: Entry[]; contents: number} {
  const start = MAGIC.length + 4;
  if (archive.length < start || archive.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw new CoordinatorError('corrupt', 'the included files are not an archive of this kind');
  }
  const contents = start + archive.readUInt32BE(MAGIC.length);
  let json: unknown;
  try {
    json = JSON.parse(archive.toString('utf8', start, contents));
  } catch (error) {
    throw new CoordinatorError('corrupt', 'the header of the included files is not JSON', {cause: error});
  }
  const parsed = z.array(Entry).safeParse(json);
  if (!parsed.success) throw new CoordinatorError('corrupt', z.prettifyError(parsed.error));
  const bytes = parsed.data.reduce((sum, entry) => sum + ('bytes' in entry ? entry.bytes : 0), contents);
  if (bytes !== archive.length) throw new CoordinatorError('corrupt', 'the included files are truncated');
  for (const entry of parsed.data) safePath(entry.path);
  return {entries: parsed.data, contents};
}

/** Refuses what could leave the folder or reach into a `.git`. */
function safePath(name: string): string {
  const parts = name.split('/');
  const bad = parts.some(
    part => part === '' || part === '.' || part === '..' || part.toLowerCase() === '.git',
  );
  if (bad || name.includes('\\') || name.includes('\0') || path.isAbsolute(name) || /^[A-Za-z]:/.test(name)) {
    throw new CoordinatorError(
      'config',
      `workspace.include: ${JSON.stringify(name)} is not a path inside the repository`,
    );
  }
  return name;
}

async function makeParents(root: string, name: string): Promise<void> {
  let folder = root;
  for (const part of name.split('/').slice(0, -1)) {
    folder = path.join(folder, part);
    await mkdir(folder).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    });
    if (!(await lstat(folder)).isDirectory()) {
      throw new CoordinatorError('config', `workspace.include: ${name} would be written through ${folder}`, {
        hint: 'a part of its path is a file or a symbolic link in this commit',
      });
    }
  }
}
