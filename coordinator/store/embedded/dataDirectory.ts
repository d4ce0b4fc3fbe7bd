/** The data directory itself: its format version, whose it is, and leftovers of interrupted work. */
import path from 'node:path';
import * as z from 'zod';
import {isLockDraft} from '../../runtime/directoryLock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Disk} from './disk.ts';

/** 1 knew one voter and no cluster; such a directory becomes one of 2 when it is opened. */
const FORMAT = 2;
const FILE = 'VERSION';

const AnyVersion = z.looseObject({format: z.number().int()});
const SingleVersion = z.object({
  format: z.literal(1),
  node: z.string().min(1),
  segment: z.number().int(),
});
const Version = z.object({
  format: z.literal(FORMAT),
  node: z.string().min(1),
  /** Number of the newest log segment, 0 before the first: a log that ends before it has lost files. */
  segment: z.number().int(),
  /** Name of the cluster, '' for a node that is alone. */
  cluster: z.string(),
  /** Who votes at the start of the log; none where the node joined a cluster. */
  voters: z.array(z.string().min(1)),
  /** The others have removed this node: it must not come back. */
  removed: z.boolean().optional(),
});
export type Version = z.infer<typeof Version>;

/** What a new directory is to say. */
export type Founding = Pick<Version, 'node' | 'cluster' | 'voters'>;

export function aloneAs(node: string): Founding {
  return {node, cluster: '', voters: [node]};
}

/** Reads the VERSION file, or makes it. A string names a node that is alone. Throws `incompatible` for a newer format. */
export async function openVersion(
  disk: Disk,
  directory: string,
  founding: Founding | string,
): Promise<Version> {
  const names = await disk.list(directory);
  if (names.includes(FILE)) {
    const found = parseVersion(await readText(disk, path.join(directory, FILE)), directory);
    if (found.format === FORMAT) return found;
    const upgraded: Version = {...found, format: FORMAT, cluster: '', voters: [found.node]};
    await writeVersion(disk, directory, upgraded);
    return upgraded;
  }
  const first = typeof founding === 'string' ? aloneAs(founding) : founding;
  const version: Version = {format: FORMAT, segment: 0, ...first};
  await writeVersion(disk, directory, version);
  return version;
}

export async function writeVersion(disk: Disk, directory: string, version: Version): Promise<void> {
  const temporary = path.join(directory, `${FILE}.tmp`);
  await disk.remove(temporary).catch(() => undefined);
  const file = await disk.open(temporary, {create: true});
  try {
    await file.write(Buffer.from(`${JSON.stringify(version)}\n`), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path.join(directory, FILE));
  await disk.syncFolder(directory);
}

/** Removes files that an interrupted preparation or snapshot left; the drafts of those who ask for the lock right now are theirs. */
export async function removeLeftovers(disk: Disk, folder: string): Promise<void> {
  for (const name of await disk.list(folder))
    if (name.endsWith('.tmp') && !isLockDraft(name)) await disk.remove(path.join(folder, name));
}

async function readText(disk: Disk, file: string): Promise<string> {
  const handle = await disk.open(file);
  try {
    return (await handle.read(0, await handle.size())).toString('utf8');
  } finally {
    await handle.close();
  }
}

function parseVersion(text: string, directory: string): Version | z.infer<typeof SingleVersion> {
  try {
    const json: unknown = JSON.parse(text);
    const {format} = AnyVersion.parse(json);
    if (format <= FORMAT) return format === 1 ? SingleVersion.parse(json) : Version.parse(json);
    throw new CoordinatorError(
      'incompatible',
      `${directory} is of format ${format}, this build knows ${FORMAT}`,
      {
        hint: 'Start a newer version of the coordinator on this data directory.',
      },
    );
  } catch (cause) {
    if (cause instanceof CoordinatorError) throw cause;
    throw new CoordinatorError('corrupt', `the VERSION file in ${directory} cannot be read`, {cause});
  }
}
