/** The data directory itself: its format version, this node's name, and leftovers of interrupted work. */
import path from 'node:path';
import * as z from 'zod';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Disk} from './disk.ts';

const FORMAT = 1;
const FILE = 'VERSION';

const AnyVersion = z.looseObject({format: z.number().int()});
const Version = z.object({
  format: z.literal(FORMAT),
  node: z.string().min(1),
  /** Number of the newest log segment, 0 before the first: a log that ends before it has lost files. */
  segment: z.number().int(),
});
export type Version = z.infer<typeof Version>;

/** Reads the VERSION file, or makes it with `nodeId`. Throws `incompatible` for a newer format. */
export async function openVersion(disk: Disk, directory: string, nodeId: string): Promise<Version> {
  const names = await disk.list(directory);
  if (names.includes(FILE)) return parseVersion(await readText(disk, path.join(directory, FILE)), directory);
  const version: Version = {format: FORMAT, node: nodeId, segment: 0};
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

/** Removes files that an interrupted preparation or snapshot left. */
export async function removeLeftovers(disk: Disk, folder: string): Promise<void> {
  for (const name of await disk.list(folder))
    if (name.endsWith('.tmp')) await disk.remove(path.join(folder, name));
}

async function readText(disk: Disk, file: string): Promise<string> {
  const handle = await disk.open(file);
  try {
    return (await handle.read(0, await handle.size())).toString('utf8');
  } finally {
    await handle.close();
  }
}

function parseVersion(text: string, directory: string): Version {
  try {
    const json: unknown = JSON.parse(text);
    const {format} = AnyVersion.parse(json);
    if (format <= FORMAT) return Version.parse(json);
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
