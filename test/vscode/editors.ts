/** Which VS Code the suites run in: one on the desktop where there is one, else the stand-in. */
import {existsSync, realpathSync} from 'node:fs';
import path from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {downloadAndUnzipVSCode} from '@vscode/test-electron';
import {cacheFolder, type Environment} from '../support/npmCache.ts';
import {installParts} from './standIn/install.ts';
import {describeMissing, findOnPath, findParts} from './standIn/parts.ts';

export type Editor =
  | {readonly kind: 'found'; readonly name: string; readonly executable: string}
  | {readonly kind: 'none'; readonly missing: readonly string[]};

export const STAND_IN = fileURLToPath(new URL('standIn/code', import.meta.url));

const DOWNLOAD_HOST = 'https://update.code.visualstudio.com/api/releases/stable';
const REACHABLE_LIMIT_MS = 5000;
const DOWNLOAD_LIMIT_MS = 150_000;

/** With `install` it fetches what it lacks. `MCPX_VSCODE` names an executable that is used as it is. */
export async function chooseEditor(env: Environment, install: boolean): Promise<Editor> {
  const named = env['MCPX_VSCODE'];
  if (named) {
    if (!existsSync(named)) throw new Error(`MCPX_VSCODE names ${named}, which is not there.`);
    return {kind: 'found', name: named, executable: path.resolve(named)};
  }
  const desktop = await desktopEditor(env, install);
  if (desktop !== undefined) return {kind: 'found', name: `VS Code at ${desktop}`, executable: desktop};
  const standIn = install ? await installParts(env) : findParts(env);
  if (standIn.kind === 'found')
    return {kind: 'found', name: 'VS Code in code-server and a browser', executable: STAND_IN};
  return {kind: 'none', missing: standIn.missing.map(describeMissing)};
}

/** Undefined as well where no window could be shown. */
async function desktopEditor(env: Environment, install: boolean): Promise<string | undefined> {
  if (process.platform === 'linux' && !env['DISPLAY'] && !env['WAYLAND_DISPLAY']) return undefined;
  const installed = executableOf(findOnPath('code', env));
  if (installed !== undefined || !install || !(await isReachable(DOWNLOAD_HOST))) return installed;
  return await download(path.join(cacheFolder(env), 'desktop'));
}

/** The `code` on the PATH is a script that returns at once; the executable is beside it. */
function executableOf(script: string | undefined): string | undefined {
  if (script === undefined) return undefined;
  const folder = path.dirname(path.dirname(realpathSync(script)));
  return [path.join(folder, 'code'), path.join(folder, '../../MacOS/Electron')].find(existsSync);
}

async function isReachable(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, {method: 'HEAD', signal: AbortSignal.timeout(REACHABLE_LIMIT_MS)});
    return response.ok;
  } catch {
    // Offline: the stand-in is tried next, and what it lacks is named.
    return false;
  }
}

async function download(cachePath: string): Promise<string | undefined> {
  const late = pause(DOWNLOAD_LIMIT_MS, undefined, {ref: false});
  try {
    return (
      (await Promise.race([downloadAndUnzipVSCode({version: 'stable', cachePath, timeout: 15_000}), late])) ??
      undefined
    );
  } catch (error) {
    console.log(`  VS Code could not be downloaded: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}
