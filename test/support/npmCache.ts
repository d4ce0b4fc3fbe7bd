/** Packages of npm that tests run but the product does not need: each version in a folder of its own, outside the repository, kept between runs. */
import {spawn} from 'node:child_process';
import {existsSync, mkdirSync, renameSync, rmSync} from 'node:fs';
import {homedir} from 'node:os';
import path from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

/** For what asks for a newer Node than the product does. */
export const NODE_MAJOR = '24';
/** A registry, proxy or cache that somebody chose stays. */
const OF_OUTER_NPM =
  /^(?:NODE|INIT_CWD|npm_(?!config_).*|npm_config_(?:user_agent|local_prefix|prefix|node_gyp|nodedir))$/;
/** Most of it is compiling: two minutes on a machine that does nothing else. */
const NPM_LIMIT_MS = 600_000;

export function cacheFolder(env: Environment): string {
  const own = env['MCPX_TEST_CACHE'];
  if (own) return path.resolve(own);
  return path.join(env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache'), 'mcpx-test');
}

/** npm has Node's own binaries under this name. */
export function nodePackage(): string {
  return `node-linux-${process.arch}`;
}

/** Name and version, as npm takes them. */
export function newerNode(): string {
  return `${nodePackage()}@${NODE_MAJOR}`;
}

/** It appears when it is complete. */
export function packageFolder(cache: string, spec: string): string {
  return path.join(cache, spec.replaceAll('/', '+'));
}

/** A file of an installed package or of what it depends on, whether it is there or not. */
export function inPackage(cache: string, spec: string, file: string): string {
  return path.join(packageFolder(cache, spec), 'node_modules', file);
}

/** Says what it does. Whether it worked is for the caller to look at. `extra` goes on top of the environment. */
export async function installPackage(spec: string, env: Environment, extra: Environment = {}): Promise<void> {
  const complete = packageFolder(cacheFolder(env), spec);
  const partial = `${complete}.${process.pid}`;
  mkdirSync(partial, {recursive: true});
  console.log(`  installing ${spec} into ${complete}`);
  const install = ['npm', 'install', '--prefix', partial, '--no-audit', '--no-fund', '--loglevel=error'];
  try {
    if (!(await runs([...install, spec], NPM_LIMIT_MS, {...withoutOuterNpm(env), ...extra}))) return;
    // Somebody else may have been faster, which is as good.
    if (!existsSync(complete)) renameSync(partial, complete);
  } finally {
    rmSync(partial, {recursive: true, force: true});
  }
}

/** Without what an npm around us says about itself. */
function withoutOuterNpm(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([variable]) => !OF_OUTER_NPM.test(variable)));
}

/** With everything that it starts in a group of its own, which ends with it. */
export async function runs(
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
