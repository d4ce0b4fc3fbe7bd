/** Other people's programs that the hub is tried with: fetched from npm where the tests may install, else named as missing. */
import {existsSync} from 'node:fs';
import {
  cacheFolder,
  type Environment,
  inPackage,
  installPackage,
  newerNode,
  nodePackage,
} from '../support/npmCache.ts';

const CONFORMANCE = '@modelcontextprotocol/conformance@0.2.0-alpha.12';
const INSPECTOR = '@modelcontextprotocol/inspector@2.12.0';

export interface Tools {
  /** 22 or newer, which all of them ask for. */
  readonly node: string;
  readonly conformance: string;
  /** The scenarios that each revision of the specification requires. */
  readonly requirements: string;
  readonly inspector: string;
}

export type FoundTools =
  | {readonly kind: 'found'; readonly tools: Tools}
  | {readonly kind: 'missing'; readonly missing: readonly string[]};

/** With CI=true or --install what is missing is installed first. */
export async function findTools(env: Environment = process.env): Promise<FoundTools> {
  const mayInstall = env['CI'] === 'true' || env['MCPX_TEST_INSTALL'] === '1';
  if (mayInstall && process.platform === 'linux')
    for (const spec of missingOf(env)) await installPackage(spec, env);
  const missing = missingOf(env);
  if (missing.length > 0) return {kind: 'missing', missing};
  const cache = cacheFolder(env);
  const own = '@modelcontextprotocol/conformance';
  return {
    kind: 'found',
    tools: {
      node: inPackage(cache, newerNode(), `${nodePackage()}/bin/node`),
      conformance: inPackage(cache, CONFORMANCE, `${own}/dist/index.js`),
      requirements: inPackage(cache, CONFORMANCE, `${own}/requirements`),
      inspector: inPackage(cache, INSPECTOR, '@modelcontextprotocol/inspector'),
    },
  };
}

function missingOf(env: Environment): string[] {
  const cache = cacheFolder(env);
  const entries = [
    [newerNode(), nodePackage()],
    [CONFORMANCE, '@modelcontextprotocol/conformance'],
    [INSPECTOR, '@modelcontextprotocol/inspector'],
  ] as const;
  return entries.filter(([spec, name]) => !existsSync(inPackage(cache, spec, name))).map(([spec]) => spec);
}

/** Skips the suite that asks, naming what is missing. */
export function skipWithout(found: FoundTools, suite: Mocha.Context): Tools {
  if (found.kind === 'found') return found.tools;
  console.log(`  missing: ${found.missing.join(', ')} (CI=true or --install fetches them)`);
  return suite.skip();
}
