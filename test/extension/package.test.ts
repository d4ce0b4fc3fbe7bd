/** The packaged extension: what it holds, how large it is, and that the command in it runs from nothing else. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {pathToFileURL} from 'node:url';
import * as z from 'zod';
import {ROOT} from '../integration/person.ts';
import {extractZip, readZip} from '../support/zip.ts';

const MAX_PACKAGE_BYTES = 5_000_000;
const MAX_ENTRANCE_BYTES = 20_000;
const MAX_EXTENSION_BYTES = 500_000;

const Manifest = z.object({
  name: z.string(),
  version: z.string(),
  main: z.string(),
  icon: z.string(),
  dependencies: z.record(z.string(), z.string()),
});

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

describe('the packaged extension', function () {
  this.timeout(180_000);
  let folder: string;
  let file: string;
  let entries: Map<string, Buffer>;
  before(function () {
    if (!existsSync(path.join(ROOT, 'dist/extension.cjs'))) this.skip();
    execFileSync(process.execPath, ['.config/package.mjs', '--no-build'], {cwd: ROOT, stdio: 'pipe'});
    const {version} = z.object({version: z.string()}).parse(readJson(path.join(ROOT, 'package.json')));
    file = path.join(ROOT, 'out', `mcpx-${version}.vsix`);
    entries = readZip(file);
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-package-'));
    extractZip(file, 'extension/', folder);
  });
  after(() => {
    if (folder !== undefined) rmSync(folder, {recursive: true, force: true});
  });

  const manifest = (): z.infer<typeof Manifest> =>
    Manifest.parse(readJson(path.join(folder, 'package.json')));

  it('is smaller than 5 MB, what a window loads than 500 kB, and what every window loads than 20 kB', () => {
    assert.ok(statSync(file).size < MAX_PACKAGE_BYTES, `${statSync(file).size} bytes`);
    const sizeOf = (name: string): number => entries.get(`extension/dist/${name}.cjs`)?.length ?? Number.NaN;
    assert.ok(sizeOf('extension') < MAX_ENTRANCE_BYTES, `${sizeOf('extension')} bytes`);
    const both = sizeOf('extension') + sizeOf('window');
    assert.ok(both < MAX_EXTENSION_BYTES, `${both} bytes`);
  });

  it('holds everything that its manifest names', () => {
    const {main, icon} = manifest();
    const named = [main, icon, 'package.nls.json', 'readme.md', 'LICENSE.txt'];
    const built = readdirSync(path.join(ROOT, 'dist'), {recursive: true, encoding: 'utf8'})
      // Programs have the library from the npm package.
      .filter(name => /\.[cm]?js$/.test(name) && !name.startsWith(`client${path.sep}`))
      .map(name => path.join('dist', name));
    for (const name of [...named, ...built]) assert.ok(existsSync(path.join(folder, name)), name);
  });

  it('holds no source, no test, no map, no other package and no binary', () => {
    const strangers = [...entries.keys()].filter(
      name =>
        /\.(?:ts|map|node)$|\/(?:test|coordinator|webview\/[a-z]+\.ts)\//.test(name) ||
        /node_modules\/(?!@anthropic-ai\/claude-agent-sdk\/)/.test(name) ||
        /claude(?:\.exe)?$/.test(name),
    );
    assert.deepEqual(strangers, []);
    assert.deepEqual(Object.keys(manifest().dependencies), ['@anthropic-ai/claude-agent-sdk']);
  });

  it('has a page about it whose pictures and links can be followed from anywhere', () => {
    const readme = entries.get('extension/readme.md')?.toString('utf8') ?? '';
    assert.match(readme, /^# MCPX/);
    assert.deepEqual([...readme.matchAll(/\]\((?!https:|#)[^)]*\)/g)].map(String), []);
  });

  it('runs the command that it brings, with the SDK that it brings', () => {
    const run = (...args: string[]): string =>
      execFileSync(process.execPath, args, {
        cwd: folder,
        encoding: 'utf8',
        env: {PATH: process.env['PATH'] ?? '', HOME: folder, MCPX_HOME: path.join(folder, 'home')},
      });
    const command = path.join(folder, 'dist/mcpx.mjs');
    assert.equal(run(command, '--version').trim(), manifest().version);
    assert.match(
      run(command, 'plan', 'check', path.join(ROOT, 'examples/greeter/team.mcpx.yaml')),
      /greeter/,
    );
    const sdk = createRequire(command).resolve('@anthropic-ai/claude-agent-sdk');
    assert.ok(sdk.startsWith(folder), sdk);
    const probe = `console.log(typeof (await import(${JSON.stringify(pathToFileURL(sdk))})).query)`;
    assert.equal(run('--input-type=module', '--eval', probe).trim(), 'function');
  });
});
