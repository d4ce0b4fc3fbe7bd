// Brings node_modules up to date with package-lock.json, and says what it does. Needs nothing but Node itself.
import {spawnSync} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const LEAST_NODE = [20, 10];

/** Exits with a clear message when this Node is too old, or git is missing. */
export function requireTools() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])) {
    stop(`Node ${process.versions.node} is too old: install Node ${LEAST_NODE.join('.')} or newer.`);
  }
  const git = spawnSync('git', ['--version'], {encoding: 'utf8'});
  if (git.error || git.status !== 0) stop('git is missing: install it (Debian: apt-get install git).');
}

/** True when every package of the lock file is in place. */
export function installed() {
  try {
    const wanted = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
    const present = JSON.parse(
      readFileSync(path.join(root, 'node_modules/.package-lock.json'), 'utf8'),
    ).packages;
    return Object.entries(wanted).every(
      ([name, entry]) => name === '' || present[name]?.version === entry.version || entry.optional === true,
    );
  } catch {
    return false;
  }
}

export function install() {
  if (installed()) return;
  console.log('Installing packages (npm ci) ...');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // The prepare script would build; whoever calls this builds itself.
  const result = spawnSync(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (result.status !== 0)
    stop(`npm ci failed with ${result.status ?? result.signal}: see its messages above.`);
}

export function built() {
  return existsSync(path.join(root, 'dist/mcpx.mjs'));
}

export function run(command, args, options = {}) {
  const result = spawnSync(command, args, {cwd: root, stdio: 'inherit', ...options});
  if (result.error) stop(`cannot run ${command}: ${result.error.message}`);
  return result.status ?? 1;
}

export function stop(message) {
  console.error(message);
  process.exit(1);
}
