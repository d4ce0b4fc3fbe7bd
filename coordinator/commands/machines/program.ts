/** This very program as files that work on another machine: the bundle, and the Agent SDK without its native binary. */
import {createHash} from 'node:crypto';
import {readdir, readFile} from 'node:fs/promises';
import path from 'node:path';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';

export interface ProgramFile {
  /** Relative, with slashes. */
  readonly path: string;
  readonly sha256: string;
  readonly content: Buffer;
}

export interface Program {
  /** Over the names and hashes of all files: its folder on every machine. */
  readonly digest: string;
  readonly files: readonly ProgramFile[];
  /** False: prompts cannot be worked on there. */
  readonly hasSdk: boolean;
}

export const BUNDLE_NAME = 'mcpx.mjs';
const SDK = 'node_modules/@anthropic-ai/claude-agent-sdk';

/** Throws `config` when what runs is not the built bundle. */
export async function packProgram(bundle: string | undefined): Promise<Program> {
  if (bundle === undefined || !bundle.endsWith('.mjs'))
    throw new CoordinatorError('config', 'only the built mcpx can be copied to another machine', {
      hint: 'npm run build, then node dist/mcpx.mjs machine add …',
    });
  const files = [await fileOf(BUNDLE_NAME, bundle)];
  const sdk = await findSdk(path.dirname(bundle));
  if (sdk !== undefined)
    for (const name of await filesBelow(sdk))
      files.push(await fileOf(`${SDK}/${name}`, path.join(sdk, name)));
  const listing = files.map(file => `${file.sha256}  ${file.path}\n`).join('');
  return {digest: sha256(listing), files, hasSdk: sdk !== undefined};
}

/** The nearest one above the bundle, as Node would find it. */
async function findSdk(from: string): Promise<string | undefined> {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, SDK);
    if ((await namesIn(candidate)).includes('package.json')) return candidate;
    if (folder === path.dirname(folder)) return undefined;
  }
}

/** Its own files: types are of no use at run time, and dependencies of its own are not loaded. */
async function filesBelow(folder: string, prefix = ''): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(path.join(folder, prefix), {withFileTypes: true})) {
    const name = prefix + entry.name;
    if (entry.isDirectory() && entry.name !== 'node_modules')
      found.push(...(await filesBelow(folder, `${name}/`)));
    else if (entry.isFile() && !entry.name.endsWith('.d.ts')) found.push(name);
  }
  return found.sort();
}

async function fileOf(name: string, file: string): Promise<ProgramFile> {
  const content = await readFile(file);
  return {path: name, sha256: sha256(content), content};
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return [];
    throw error;
  }
}

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}
