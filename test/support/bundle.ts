/** A program of the tests as one file without TypeScript: it starts as fast as other people's programs do. */
import * as esbuild from 'esbuild';

export async function bundle(source: string, outfile: string): Promise<string> {
  await esbuild.build({
    entryPoints: [source],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    external: ['bufferutil', 'utf-8-validate'],
    banner: {js: "import {createRequire as __r} from 'node:module';const require = __r(import.meta.url);"},
  });
  return outfile;
}
