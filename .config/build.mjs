// Builds the three bundles: the mcpx command, the extension host part and the web pages.

import {existsSync} from 'node:fs';
import {chmod, rm} from 'node:fs/promises';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import * as esbuild from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const watch = process.argv.includes('--watch');
const production = !process.argv.includes('--dev');

/** The Agent SDK locates its native binary beside itself, so it must stay a package of its own. */
const external = ['@anthropic-ai/claude-agent-sdk', 'vscode', 'bufferutil', 'utf-8-validate'];

const common = {
  absWorkingDir: root,
  bundle: true,
  sourcemap: true,
  // Names stay, for stack traces. keepNames would name every closure anew each time it is made: a tenth of the time of a busy hub.
  minifyWhitespace: production,
  minifySyntax: production,
  logLevel: 'warning',
  target: 'node20',
};

const builds = [
  {
    ...common,
    entryPoints: {mcpx: 'coordinator/main.ts'},
    outdir: 'dist',
    outExtension: {'.js': '.mjs'},
    platform: 'node',
    format: 'esm',
    external,
    // CommonJS dependencies inside an ES module bundle still call require().
    banner: {
      js: "#!/usr/bin/env node\nimport {createRequire as __mcpxCreateRequire} from 'node:module';const require = __mcpxCreateRequire(import.meta.url);",
    },
  },
  {
    ...common,
    entryPoints: {extension: 'extension/extension.ts'},
    outdir: 'dist',
    outExtension: {'.js': '.cjs'},
    platform: 'node',
    format: 'cjs',
    external,
  },
].filter(build => Object.values(build.entryPoints).every(entry => existsSync(path.join(root, entry))));

if (watch) {
  for (const build of builds) await (await esbuild.context(build)).watch();
} else {
  await rm(path.join(root, 'dist'), {recursive: true, force: true});
  await Promise.all(builds.map(build => esbuild.build(build)));
  await chmod(path.join(root, 'dist/mcpx.mjs'), 0o755);
}
