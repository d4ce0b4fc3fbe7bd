/** What the stand-in editor is made of, and where it is: VS Code's server in code-server, a browser, and what drives the browser. Finding only: installing is beside it. */
import {accessSync, constants, existsSync} from 'node:fs';
import path from 'node:path';
import {cacheFolder, type Environment, inPackage, newerNode, nodePackage} from '../../support/npmCache.ts';

export const CODE_SERVER_VERSION = '4.139.1';
export const PLAYWRIGHT_VERSION = '1.65.1';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

export interface Parts {
  readonly node: string;
  readonly codeServer: string;
  /** A folder to require `playwright-core` from. */
  readonly playwright: string;
  readonly browser: string;
}

export type Package = 'node' | 'codeServer' | 'playwright';
export type Missing = Package | 'browser';

export type Found =
  | {readonly kind: 'found'; readonly parts: Parts}
  | {readonly kind: 'missing'; readonly missing: readonly Missing[]};

/** Name and version of each package, as npm takes it. */
export const PACKAGES: Readonly<Record<Package, () => string>> = {
  /** code-server runs on this one only. */
  node: newerNode,
  codeServer: () => `code-server@${CODE_SERVER_VERSION}`,
  playwright: () => `playwright-core@${PLAYWRIGHT_VERSION}`,
};

export function findParts(env: Environment): Found {
  const cache = cacheFolder(env);
  const part = (name: Package, file: string): string => inPackage(cache, PACKAGES[name](), file);
  const browser = findBrowser(env);
  const node = part('node', `${nodePackage()}/bin/node`);
  const codeServer = part('codeServer', 'code-server/out/node/entry.js');
  const playwright = part('playwright', 'playwright-core');
  const missing: Missing[] = [];
  if (!browser) missing.push('browser');
  if (!existsSync(node)) missing.push('node');
  if (!existsSync(codeServer)) missing.push('codeServer');
  if (!existsSync(playwright)) missing.push('playwright');
  return browser && missing.length === 0
    ? {kind: 'found', parts: {node, codeServer, playwright, browser}}
    : {kind: 'missing', missing};
}

/** As a person would write it down. */
export function describeMissing(missing: Missing): string {
  return missing === 'browser' ? 'a browser (chromium or google-chrome)' : PACKAGES[missing]();
}

export function findBrowser(env: Environment): string | undefined {
  const own = env['MCPX_TEST_BROWSER'];
  return own ? own : BROWSERS.map(name => findOnPath(name, env)).find(file => file !== undefined);
}

export function findOnPath(name: string, env: Environment): string | undefined {
  const folders = (env['PATH'] ?? '').split(path.delimiter).filter(Boolean);
  return folders.map(folder => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
