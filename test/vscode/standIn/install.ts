/** Installs the stand-in editor's parts: the browser with apt where that is allowed, the packages with npm into the cache folder. Every step is said and has a limit. */
import {existsSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import path from 'node:path';
import {
  cacheFolder,
  type Environment,
  inPackage,
  installPackage,
  newerNode,
  nodePackage,
  runs,
} from '../../support/npmCache.ts';
import {type Found, findOnPath, findParts, PACKAGES, type Package} from './parts.ts';

const APT_LIMIT_MS = 180_000;

/** What code-server's addons are compiled with, by a file that shows that it is there. */
const BUILD_TOOLS: readonly (readonly [tool: string, debianPackage: string])[] = [
  ['g++', 'g++'],
  ['make', 'make'],
  ['python3', 'python3'],
];
const KERBEROS_HEADER = '/usr/include/gssapi/gssapi.h';

/** Installs what is missing; what could not be installed is missing still. */
export async function installParts(env: Environment): Promise<Found> {
  const before = findParts(env);
  if (before.kind === 'found' || process.platform !== 'linux') return before;
  await installDebianPackages(debianPackages(before.missing.includes('browser'), before, env), env);
  // code-server is built by the Node that runs it.
  for (const name of ['node', 'playwright', 'codeServer'] as const)
    if (before.missing.includes(name))
      await installPackage(PACKAGES[name](), env, buildEnvironment(name, env));
  return findParts(env);
}

function debianPackages(
  browser: boolean,
  {missing}: {readonly missing: readonly string[]},
  env: Environment,
): string[] {
  const wanted = browser ? ['chromium', 'fonts-dejavu-core'] : [];
  if (!missing.includes('codeServer')) return wanted;
  if (!existsSync(KERBEROS_HEADER)) wanted.push('libkrb5-dev');
  return [...wanted, ...BUILD_TOOLS.filter(([tool]) => !findOnPath(tool, env)).map(([, name]) => name)];
}

async function installDebianPackages(packages: readonly string[], env: Environment): Promise<void> {
  if (packages.length === 0) return;
  if (!findOnPath('apt-get', env)) {
    console.log(`  there is no apt-get here: install ${packages.join(' ')} yourself`);
    return;
  }
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const apt = (...args: string[]): Promise<boolean> => {
    const command = [...asRoot, 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=60', ...args];
    return runs(command, APT_LIMIT_MS, {...env, DEBIAN_FRONTEND: 'noninteractive'});
  };
  console.log(`  installing with apt: ${packages.join(' ')}`);
  if (await apt('update')) await apt('install', '--yes', '--no-install-recommends', ...packages);
}

/** code-server's addons are compiled for the Node that runs it, with that Node's headers. */
function buildEnvironment(name: Package, env: Environment): Environment {
  if (name !== 'codeServer') return {};
  const node = inPackage(cacheFolder(env), newerNode(), nodePackage());
  const searched = [path.join(node, 'bin'), env['PATH']].join(path.delimiter);
  const jobs = String(availableParallelism());
  // What is compiled once for a test need not be fast.
  return {PATH: searched, npm_config_nodedir: node, JOBS: jobs, CFLAGS: '-O0', CXXFLAGS: '-O0'};
}
