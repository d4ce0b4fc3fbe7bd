/** The built command that the benchmark runs: built when it is missing or older than its sources. */
import {spawnSync} from 'node:child_process';
import {readdir, stat} from 'node:fs/promises';
import path from 'node:path';

export async function builtProgram(root: string): Promise<string> {
  const program = path.join(root, 'dist', 'mcpx.mjs');
  const built = await stat(program).then(
    ({mtimeMs}) => mtimeMs,
    () => 0,
  );
  if (built >= (await newest(path.join(root, 'coordinator')))) return program;
  console.error('building dist/mcpx.mjs');
  const {status} = spawnSync(process.execPath, [path.join(root, '.config', 'build.mjs')], {stdio: 'inherit'});
  if (status !== 0) throw new Error('the build failed');
  return program;
}

async function newest(folder: string): Promise<number> {
  let latest = 0;
  for (const entry of await readdir(folder, {withFileTypes: true, recursive: true})) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    latest = Math.max(latest, (await stat(path.join(entry.parentPath ?? entry.path, entry.name))).mtimeMs);
  }
  return latest;
}
