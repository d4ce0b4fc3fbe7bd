/** The simulation with one source file changed: bundled anew, and loaded beside the unchanged one. */
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {build} from 'esbuild';
import type {Mutation} from './mutations.ts';
import type {simulate} from './simulate.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export type Simulate = typeof simulate;

/** The text of the mutated file. Throws when what is to be changed is not there exactly once. */
export function mutate({name, file, find, replace}: Mutation): string {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  const parts = text.split(find);
  if (parts.length !== 2)
    throw new Error(`"${name}": ${file} has ${parts.length - 1} places that read ${JSON.stringify(find)}`);
  return parts.join(replace);
}

export async function loadMutant(mutation: Mutation): Promise<Simulate> {
  const folder = mkdtempSync(path.join(tmpdir(), 'mcpx-mutant-'));
  try {
    const outfile = path.join(folder, 'simulate.mjs');
    const target = path.join(ROOT, mutation.file);
    const contents = mutate(mutation);
    await build({
      entryPoints: [path.join(ROOT, 'test/simulation/simulate.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'silent',
      banner: {
        js: "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);",
      },
      plugins: [
        {
          name: 'mutation',
          setup: ({onLoad}) => {
            onLoad({filter: /\.ts$/}, args => (args.path === target ? {contents, loader: 'ts'} : undefined));
          },
        },
      ],
    });
    const loaded: {simulate: Simulate} = await import(pathToFileURL(outfile).href);
    return loaded.simulate;
  } finally {
    rmSync(folder, {recursive: true, force: true});
  }
}
