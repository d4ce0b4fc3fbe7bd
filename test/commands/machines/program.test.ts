/** The program as it travels: what is in it, what names it, and words for another machine's shell. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {packProgram} from '../../../coordinator/commands/machines/program.ts';
import {quoted} from '../../../coordinator/commands/machines/ssh.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';

describe('a program that travels', () => {
  let folder: string;
  let bundle: string;
  const sdkFile = (name: string, text = ''): void => {
    const file = path.join(folder, 'node_modules/@anthropic-ai/claude-agent-sdk', name);
    mkdirSync(path.dirname(file), {recursive: true});
    writeFileSync(file, text);
  };
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-program-'));
    bundle = path.join(folder, 'dist/mcpx.mjs');
    mkdirSync(path.dirname(bundle));
    writeFileSync(bundle, 'bundle');
  });
  afterEach(() => rmSync(folder, {recursive: true, force: true}));

  it('has the SDK without types and packages of its own, wherever Node would find it', async () => {
    for (const name of ['package.json', 'sdk.mjs', 'sdk.d.ts', 'vendor/a.js', 'node_modules/x/index.js'])
      sdkFile(name);
    const {files, hasSdk} = await packProgram(bundle);
    assert.equal(hasSdk, true);
    assert.deepEqual(
      files.map(file => file.path.replace('node_modules/@anthropic-ai/claude-agent-sdk', 'SDK')),
      ['mcpx.mjs', 'SDK/package.json', 'SDK/sdk.mjs', 'SDK/vendor/a.js'],
    );
  });

  it('has another name when anything in it is another', async () => {
    sdkFile('package.json');
    sdkFile('sdk.mjs', 'one');
    const {digest} = await packProgram(bundle);
    assert.equal((await packProgram(bundle)).digest, digest);
    sdkFile('sdk.mjs', 'two');
    const second = (await packProgram(bundle)).digest;
    writeFileSync(bundle, 'other');
    const third = (await packProgram(bundle)).digest;
    assert.equal(new Set([digest, second, third]).size, 3);
  });

  it('is the built one, with or without the SDK', async () => {
    assert.equal((await packProgram(bundle)).hasSdk, false);
    await assert.rejects(packProgram('/src/main.ts'), error => isCoordinatorError(error, 'config'));
  });
});

describe('a word for a shell', () => {
  for (const word of [
    'plain',
    '',
    'two words',
    "it's",
    '$HOME',
    '`id`',
    '*',
    'a;b',
    'a\nb',
    '~',
    '"',
    '\\',
    '!',
  ])
    it(`arrives as it is: ${JSON.stringify(word)}`, () => {
      const out = execFileSync('sh', ['-c', `printf %s ${quoted(word)}`], {encoding: 'utf8'});
      assert.equal(out, word);
    });
});
