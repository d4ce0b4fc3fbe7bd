/** Debian packages that tests need, installed by apt. Whoever calls has been asked to install; whether it worked is theirs to look at. */
import {spawnSync} from 'node:child_process';

const LIMIT_MS = 300_000;

/** `env` goes on top of the process's own. */
export function aptInstall(packages: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const options = {
    env: {...process.env, DEBIAN_FRONTEND: 'noninteractive', ...env},
    stdio: 'ignore',
    timeout: LIMIT_MS,
  } as const;
  const apt = (...args: string[]): boolean => {
    const [command = '', ...rest] = [...asRoot, 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=60', ...args];
    return spawnSync(command, rest, options).status === 0;
  };
  console.log(`  installing with apt: ${packages.join(' ')}`);
  if (apt('update')) apt('install', '--yes', '--no-install-recommends', ...packages);
}
