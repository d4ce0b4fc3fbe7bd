/** Installs the stand-in editor's parts: the browser with apt where that is allowed, the packages with npm into the cache folder. Every step is said and has a limit. */
import {spawn} from 'node:child_process';
import {existsSync, mkdirSync, renameSync, rmSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import path from 'node:path';
import {
  cacheFolder,
  type Environment,
  type Found,
  findOnPath,
  findParts,
  nodePackage,
  PACKAGES,
  type Package,
  packageFolder,
} from './parts.ts';

const APT_LIMIT_MS = 180_000;
/** Most of it is compiling: two minutes on a machine that does nothing else. */
const NPM_LIMIT_MS = 600_000;

/** What code-server's addons are compiled with, by a file that shows that it is there. */
const BUILD_TOOLS: readonly (readonly [tool: string, debianPackage: string])[] = [
  ['g++', 'g++'],
  ['make', 'make'],
  ['python3', 'python3'],
];
/** A registry, proxy or cache that somebody chose stays. */
const OF_OUTER_NPM =
  /^(?:NODE|INIT_CWD|npm_(?!config_).*|npm_config_(?:user_agent|local_prefix|prefix|node_gyp|nodedir))$/;
const KERBEROS_HEADER = '/usr/include/gssapi/gssapi.h';

/** Installs what is missing; what could not be installed is missing still. */
export async function installParts(env: Environment): Promise<Found> {
  const before = findParts(env);
  if (before.kind === 'found' || process.platform !== 'linux') return before;
  await installDebianPackages(debianPackages(before.missing.includes('browser'), before, env), env);
  // code-server is built by the Node that runs it.
  for (const name of ['node', 'playwright', 'codeServer'] as const)
    if (before.missing.includes(name)) await installPackage(name, env);
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

async function installPackage(name: Package, env: Environment): Promise<void> {
  const cache = cacheFolder(env);
  const complete = packageFolder(cache, name);
  const partial = `${complete}.${process.pid}`;
  mkdirSync(partial, {recursive: true});
  console.log(`  installing ${PACKAGES[name]()} into ${complete}`);
  const install = ['npm', 'install', '--prefix', partial, '--no-audit', '--no-fund', '--loglevel=error'];
  try {
    if (!(await runs([...install, PACKAGES[name]()], NPM_LIMIT_MS, npmEnvironment(name, env)))) return;
    // Somebody else may have been faster, which is as good.
    if (!existsSync(complete)) renameSync(partial, complete);
  } finally {
    rmSync(partial, {recursive: true, force: true});
  }
}

/** Without what an npm around us says about itself; code-server's addons are compiled for the Node that runs it, with that Node's headers. */
function npmEnvironment(name: Package, env: Environment): Environment {
  const own = Object.fromEntries(Object.entries(env).filter(([variable]) => !OF_OUTER_NPM.test(variable)));
  if (name !== 'codeServer') return own;
  const node = path.join(packageFolder(cacheFolder(env), 'node'), 'node_modules', nodePackage());
  const searched = [path.join(node, 'bin'), env['PATH']].join(path.delimiter);
  const jobs = String(availableParallelism());
  // What is compiled once for a test need not be fast.
  return {...own, PATH: searched, npm_config_nodedir: node, JOBS: jobs, CFLAGS: '-O0', CXXFLAGS: '-O0'};
}

/** With everything that it starts in a group of its own, which ends with it. */
async function runs(
  [command = '', ...args]: readonly string[],
  limitMs: number,
  env: Environment,
): Promise<boolean> {
  const started = performance.now();
  const child = spawn(command, args, {
    env: {...env},
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  const late = setTimeout(() => killGroup(child.pid), limitMs);
  const how = await new Promise<string>(resolve => {
    child.once('error', error => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`exit ${code ?? signal}`));
  });
  clearTimeout(late);
  const seconds = Math.round((performance.now() - started) / 1000);
  const ok = how === 'exit 0';
  console.log(`  ${command} ${ok ? 'took' : `failed (${how}) after`} ${seconds} s`);
  return ok;
}

function killGroup(pid: number | undefined): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL');
}
