// npm run package: the extension as out/mcpx-VERSION.vsix. It is packaged from a staging folder: .vscodeignore says what of it goes in.

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {createVSIX} from '@vscode/vsce';
import {root, run, stop} from './install.mjs';

const SDK = 'node_modules/@anthropic-ai/claude-agent-sdk';
const MAX_BYTES = 5_000_000;

const STAGED = ['.vscodeignore', 'CHANGELOG.md', 'LICENSE', 'dist', 'extension/media', 'package.nls.json'];

if (!process.argv.includes('--no-build') && run(process.execPath, ['.config/build.mjs']) !== 0)
  stop('The build failed.');
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const packagePath = path.join(root, 'out', `${manifest.name}-${manifest.version}.vsix`);
const stage = mkdtempSync(path.join(tmpdir(), 'mcpx-package-'));
try {
  for (const name of STAGED) cpSync(path.join(root, name), path.join(stage, name), {recursive: true});
  writeFileSync(path.join(stage, 'package.json'), JSON.stringify(packagedManifest(), null, 2));
  writeFileSync(path.join(stage, 'README.md'), packagedReadme());
  stageSdk();
  mkdirSync(path.dirname(packagePath), {recursive: true});
  await createVSIX({cwd: stage, packagePath, allowMissingRepository: true, rewriteRelativeLinks: false});
} finally {
  rmSync(stage, {recursive: true, force: true});
}
const {size} = statSync(packagePath);
if (size > MAX_BYTES) stop(`${packagePath} has ${size} bytes, more than ${MAX_BYTES}.`);

/** Of the packages only the SDK goes along; everything else is in the bundles. */
function packagedManifest() {
  const {scripts: _scripts, devDependencies: _dev, bin: _bin, private: _private, ...others} = manifest;
  // The library is for programs, and .vscodeignore says what goes along.
  const {types: _types, exports: _exports, files: _files, ...kept} = others;
  const name = '@anthropic-ai/claude-agent-sdk';
  return {...kept, dependencies: {[name]: sdkManifest().version}};
}

function sdkManifest() {
  return JSON.parse(readFileSync(path.join(root, SDK, 'package.json'), 'utf8'));
}

/** The SDK without its types, its variants for browsers and its binary: Claude Code is found on the machine. */
function stageSdk() {
  const target = path.join(stage, SDK);
  mkdirSync(target, {recursive: true});
  const {
    peerDependencies: _peers,
    optionalDependencies: _binaries,
    devDependencies: _dev,
    scripts: _scripts,
    ...kept
  } = sdkManifest();
  writeFileSync(path.join(target, 'package.json'), JSON.stringify(kept, null, 2));
  for (const name of ['LICENSE.md', 'README.md', ...modulesFrom(kept.main)])
    cpSync(path.join(root, SDK, name), path.join(target, name));
}

/** The module, and what it loads from beside it. */
function modulesFrom(entry, known = new Set()) {
  if (known.has(entry) || !existsSync(path.join(root, SDK, entry))) return known;
  known.add(entry);
  const text = readFileSync(path.join(root, SDK, entry), 'utf8');
  for (const [, name] of text.matchAll(/["']\.\/([\w.-]+\.m?js)["']/g)) modulesFrom(name, known);
  return known;
}

/** What is relative to the repository leads nowhere from an installed extension: pictures go, links become their text. */
function packagedReadme() {
  return readFileSync(path.join(root, 'README.md'), 'utf8')
    .replace(/^!\[[^\]]*\]\((?!https:)[^)]*\)\n+/gm, '')
    .replace(/(?<!!)\[([^\]]+)\]\((?!https:|#)[^)]*\)/g, '$1');
}
