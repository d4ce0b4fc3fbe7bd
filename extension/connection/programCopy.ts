/**
 * Copies of the bundled command: an update deletes the extension's folder while coordinator and agents run on, so they run from a folder that is
 * named by its content. Copies of versions long gone are deleted once nothing runs from them.
 */
import {createHash} from 'node:crypto';
import {cp, mkdir, readdir, readFile, rename, rm, stat} from 'node:fs/promises';
import path from 'node:path';
import {systemErrorCode} from '../../coordinator/runtime/errors.ts';

export const PROGRAM = 'mcpx.mjs';
/** Every long-lived process of a copy is a file in it, named by its id: see selfCommand.ts. */
export const USES = 'uses';

const SDK = path.join('node_modules', '@anthropic-ai', 'claude-agent-sdk');
const DIGEST_DIGITS = 16;
const KEPT_COPIES = 3;
const MIN_AGE_MS = 30 * 86_400_000;
/** What is being deleted is called so first: nothing is found half deleted. */
const GONE = '.gone';

/** Makes the copy in a folder of `programs` when it is not there yet; resolves with the path of the command in it. */
export async function copyProgram(extensionFolder: string, programs: string): Promise<string> {
  const bundle = path.join(extensionFolder, 'dist', PROGRAM);
  const pages = path.join(extensionFolder, 'dist', 'webview');
  const sdk = path.join(extensionFolder, SDK);
  const folder = path.join(programs, await digestOf([bundle, pages, path.join(sdk, 'package.json')]));
  const file = path.join(folder, PROGRAM);
  if (await exists(file)) return file;
  const making = `${folder}.${process.pid}`;
  await rm(making, {recursive: true, force: true});
  await mkdir(path.join(making, USES), {recursive: true});
  await cp(bundle, path.join(making, PROGRAM));
  if (await exists(sdk)) await cp(sdk, path.join(making, SDK), {recursive: true, dereference: true});
  if (await exists(pages)) await cp(pages, path.join(making, 'webview'), {recursive: true});
  try {
    await rename(making, folder);
  } catch (error) {
    // Another window was faster.
    if (!(await exists(file))) throw error;
    await rm(making, {recursive: true, force: true});
  }
  return file;
}

export interface PruneOptions {
  readonly programs: string;
  /** Wall time in ms. */
  readonly now: number;
  readonly isAlive: (pid: number) => boolean;
}

/** Deletes copies that were not used for a month, apart from the newest three and from those that something runs from. */
export async function pruneCopies({programs, now, isAlive}: PruneOptions): Promise<void> {
  const copies: {folder: string; usedAt: number}[] = [];
  for (const name of await readdir(programs)) {
    const folder = path.join(programs, name);
    const usedAt = (await stat(folder)).mtimeMs;
    if (name.endsWith(GONE)) await rm(folder, {recursive: true, force: true});
    else copies.push({folder, usedAt});
  }
  const older = copies.sort((a, b) => b.usedAt - a.usedAt).slice(KEPT_COPIES);
  for (const {folder, usedAt} of older) {
    if (now - usedAt < MIN_AGE_MS || (await isInUse(folder, isAlive))) continue;
    const gone = `${folder}${GONE}`;
    await rename(folder, gone);
    await rm(gone, {recursive: true, force: true});
  }
}

/** A number that belongs to another process by now keeps the copy too long, which does no harm. */
async function isInUse(folder: string, isAlive: (pid: number) => boolean): Promise<boolean> {
  const uses = await readdir(path.join(folder, USES)).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  });
  return uses.some(name => isAlive(Number(name)));
}

/** Of files and folders with their names; what is not there counts as such. */
async function digestOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const take = async (file: string): Promise<void> => {
    const names = await readdir(file).catch(() => undefined);
    const content = names ? undefined : await readFile(file).catch(() => undefined);
    hash.update(`${path.basename(file)}\0${names?.length ?? content?.length ?? 'none'}\0`);
    if (content) hash.update(content);
    for (const name of [...(names ?? [])].sort()) await take(path.join(file, name));
  };
  for (const file of files) await take(file);
  return hash.digest('hex').slice(0, DIGEST_DIGITS);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
