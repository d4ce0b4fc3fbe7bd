// Builds the bundles (the mcpx command, the library for programs with its declarations, the extension with its parts that are loaded when they are needed, the web pages with their layout worker) and the schema of plans.

import {execFile} from 'node:child_process';
import {existsSync} from 'node:fs';
import {chmod, mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
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
  // The command keeps its names, for stack traces. keepNames would name every closure anew each time it is made: a tenth of the time of a busy hub.
  minifyWhitespace: production,
  minifySyntax: production,
  logLevel: 'warning',
  target: 'node20',
};

/** A dynamic import of a bundle of its own stays one: esbuild splits no CommonJS. */
function lazyChunk(filter, file) {
  return {
    name: 'lazy-chunk',
    setup(build) {
      build.onResolve({filter}, ({kind}) =>
        kind === 'dynamic-import' ? {path: file, external: true} : undefined,
      );
    },
  };
}

/** etcd3 reads its protocol from files beside its module, which a bundle has not: they are put in as what they say. */
const etcdProtocol = {
  name: 'etcd-protocol',
  setup(build) {
    build.onLoad({filter: /[\\/]etcd3[\\/]lib[\\/]connection-pool\.js$/}, async ({path: file}) => {
      const reading = /proto_loader_1\.loadSync\)\(`\$\{__dirname\}\/\.\.\/proto\/rpc\.proto`,/;
      const source = await readFile(file, 'utf8');
      if (!reading.test(source)) throw new Error(`${file} reads its protocol in another way than it did`);
      const loader = createRequire(file).resolve('@grpc/proto-loader');
      const protocol = new (createRequire(loader)('protobufjs').Root)();
      protocol.resolvePath = (_from, name) => path.join(path.dirname(file), '../proto', path.basename(name));
      protocol.loadSync('rpc.proto', {keepCase: true});
      const json = JSON.stringify(protocol.toJSON());
      const contents = source.replace(reading, () => `proto_loader_1.fromJSON)(${json},`);
      return {contents, loader: 'js'};
    });
  },
};

/** CommonJS dependencies inside an ES module bundle still call require(). */
const requireInModules =
  "import {createRequire as __mcpxCreateRequire} from 'node:module';const require = __mcpxCreateRequire(import.meta.url);";

const builds = [
  {
    ...common,
    entryPoints: {mcpx: 'coordinator/main.ts'},
    outdir: 'dist',
    outExtension: {'.js': '.mjs'},
    platform: 'node',
    format: 'esm',
    external,
    plugins: [etcdProtocol],
    banner: {js: `#!/usr/bin/env node\n${requireInModules}`},
  },
  {
    ...common,
    entryPoints: {mcpx: 'coordinator/client/orchestrator/mcpx.ts'},
    outdir: 'dist/client',
    outExtension: {'.js': '.mjs'},
    platform: 'node',
    format: 'esm',
    external,
    banner: {js: requireInModules},
  },
  {
    ...common,
    entryPoints: {
      extension: 'extension/extension.ts',
      window: 'extension/window.ts',
      language: 'extension/plan/language.ts',
      chat: 'extension/chat/hubInChat.ts',
      askServer: 'extension/commands/servers/askServer.ts',
      logIn: 'extension/commands/servers/logIn.ts',
      serverFiles: 'coordinator/protocol/servers/importServers.ts',
    },
    outdir: 'dist',
    outExtension: {'.js': '.cjs'},
    platform: 'node',
    format: 'cjs',
    // A third smaller, it is there sooner.
    minifyIdentifiers: production,
    external,
    plugins: [
      lazyChunk(/^\.\/window\.ts$/, './window.cjs'),
      lazyChunk(/\/plan\/language\.ts$/, './language.cjs'),
      lazyChunk(/\/chat\/hubInChat\.ts$/, './chat.cjs'),
      lazyChunk(/^\.\/askServer\.ts$/, './askServer.cjs'),
      lazyChunk(/^\.\/logIn\.ts$/, './logIn.cjs'),
      lazyChunk(/\/protocol\/servers\/importServers\.ts$/, './serverFiles.cjs'),
    ],
  },
  {
    ...common,
    entryPoints: {
      page: 'webview/page.ts',
      browser: 'webview/browser.ts',
      layoutWorker: 'webview/graph/layoutWorker.ts',
    },
    outdir: 'dist/webview',
    platform: 'browser',
    format: 'esm',
    target: 'chrome120',
    minify: production,
    loader: {'.css': 'text'},
  },
].filter(build => Object.values(build.entryPoints).every(entry => existsSync(path.join(root, entry))));

/** For plans in JSON: package.json names it. */
async function writePlanSchema() {
  const {outputFiles} = await esbuild.build({
    ...common,
    entryPoints: ['coordinator/protocol/plan/jsonSchema.ts'],
    format: 'esm',
    sourcemap: false,
    write: false,
  });
  const {planJsonSchema} = await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
  );
  await mkdir(path.join(root, 'dist'), {recursive: true});
  await writeFile(path.join(root, 'dist/plan.schema.json'), `${JSON.stringify(planJsonSchema())}\n`);
}

/** For whoever imports the library: declarations of it and of what its types name, without the suffix that only our own build understands. */
async function writeDeclarations() {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [tsc, '-p', '.config/client.tsconfig.json'], {cwd: root});
  const folder = path.join(root, 'dist/client/types');
  for (const entry of await readdir(folder, {recursive: true, withFileTypes: true})) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(/((?:from |import\()['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2'));
  }
}

if (watch) {
  await writePlanSchema();
  for (const build of builds) await (await esbuild.context(build)).watch();
} else {
  await rm(path.join(root, 'dist'), {recursive: true, force: true});
  await Promise.all([...builds.map(build => esbuild.build(build)), writePlanSchema(), writeDeclarations()]);
  await chmod(path.join(root, 'dist/mcpx.mjs'), 0o755);
}
