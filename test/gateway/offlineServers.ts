/** The reference servers that need no network, from npm into a folder of the cache. With CI=true or MCPX_TEST_INSTALL=1 they are installed. */
import {spawnSync} from 'node:child_process';
import {existsSync, mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const FOLDER =
  process.env['MCPX_TEST_SERVERS'] ??
  fileURLToPath(new URL('../../node_modules/.cache/mcpx-test-servers', import.meta.url));
const NAMES = ['everything', 'filesystem', 'memory', 'sequential-thinking'] as const;
export type OfflineServer = (typeof NAMES)[number];

export function offlineServer(name: OfflineServer): string {
  return path.join(FOLDER, 'node_modules', '@modelcontextprotocol', `server-${name}`, 'dist', 'index.js');
}

/** Why they are not there; undefined when they are. */
export function missingServers(): string | undefined {
  const missing = (): OfflineServer[] => NAMES.filter(name => !existsSync(offlineServer(name)));
  if (missing().length === 0) return undefined;
  if (process.env['CI'] === 'true' || process.env['MCPX_TEST_INSTALL'] === '1') {
    mkdirSync(FOLDER, {recursive: true});
    writeFileSync(path.join(FOLDER, 'package.json'), '{"private": true}\n');
    const packages = NAMES.map(name => `@modelcontextprotocol/server-${name}@2026`);
    const args = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', FOLDER, ...packages];
    console.log(`  installing with npm: ${packages.join(' ')}`);
    spawnSync('npm', args, {stdio: 'ignore', timeout: 300_000});
  }
  const still = missing();
  return still.length === 0 ? undefined : `the MCP servers ${still.join(', ')} are not installed`;
}
