/** Brings what the product is compared with onto this machine: BullMQ and its Redis client from npm, the Redis server from Debian. */
import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {mkdir, writeFile} from 'node:fs/promises';
import path from 'node:path';

const PACKAGES = ['bullmq@6', 'ioredis'];

/** The folder that has the packages in its node_modules. Throws with what to install by hand. */
export async function installPeers(root: string): Promise<string> {
  const folder = path.join(root, 'node_modules', '.cache', 'mcpx-bench');
  await mkdir(folder, {recursive: true});
  await writeFile(path.join(folder, 'package.json'), '{"private": true}\n');
  if (!existsSync(path.join(folder, 'node_modules', 'bullmq', 'package.json'))) {
    console.error(`installing ${PACKAGES.join(' and ')} into ${path.relative(root, folder)}`);
    run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, ...PACKAGES]);
  }
  if (!exists('redis-server')) installRedis();
  return folder;
}

function installRedis(): void {
  const missing = 'redis-server is not installed: apt-get install redis-server';
  if (process.getuid?.() !== 0 || !exists('apt-get')) throw new Error(missing);
  console.error('installing redis-server');
  // Its package would start a server of its own.
  const env = {...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1'};
  run('apt-get', ['update', '-q'], env);
  run('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'redis-server'], env);
  if (!exists('redis-server')) throw new Error(missing);
}

function exists(command: string): boolean {
  return spawnSync(command, ['--version'], {stdio: 'ignore'}).status === 0;
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const {status, stdout, stderr} = spawnSync(command, args, {env, encoding: 'utf8'});
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`);
}
