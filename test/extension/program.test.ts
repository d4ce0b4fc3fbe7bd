/** The bundled command as the extension runs it: what a verb answers, and what becomes of one that is cancelled. */
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import * as z from 'zod';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {Program} from '../../extension/connection/program.ts';

/** Verbs of a command that says what it is told to. */
const COMMAND = `
const [verb] = process.argv.slice(2);
if (verb === 'wait') {
  process.stderr.write('waiting\\n');
  setInterval(() => undefined, 1000);
} else if (verb === 'large') {
  process.stderr.write('working\\n');
  process.stdout.write(JSON.stringify({text: 'x'.repeat(3_000_000)}));
} else if (verb === 'fail') {
  process.stdout.write(JSON.stringify({error: {code: 'conflict', message: 'it is there', hint: 'Take another.'}}) + '\\n');
  process.exitCode = 1;
} else {
  process.stderr.write('one\\ntwo');
  process.exitCode = 3;
}
`;

describe('the bundled command', () => {
  let root: string;
  let program: Program;

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'mcpx-program-'));
    mkdirSync(path.join(root, 'extension/dist'), {recursive: true});
    writeFileSync(path.join(root, 'extension/dist/mcpx.mjs'), COMMAND);
    program = new Program({
      extensionFolder: path.join(root, 'extension'),
      storageFolder: path.join(root, 'storage'),
      execPath: process.execPath,
      env: process.env,
      logger: silentLogger,
    });
  });
  afterEach(() => rmSync(root, {recursive: true, force: true}));

  it('answers with its last line, however long, and even when that is not ended', async () => {
    const {text} = await program.call(z.object({text: z.string()}), ['large']);
    assert.equal(text.length, 3_000_000);
  });

  it('fails as the verb says, or with its last words when it says nothing that can be understood', async () => {
    await assert.rejects(program.call(z.object({}), ['fail']), error => {
      assert.ok(isCoordinatorError(error, 'conflict'));
      assert.equal(error.hint, 'Take another.');
      return true;
    });
    await assert.rejects(program.call(z.object({}), ['other']), /one\ntwo/);
  });

  it('rejects with what its call was cancelled for, before the verb has begun and while it works', async () => {
    const why = new Error('the person thought better of it');
    const early = new AbortController();
    early.abort(why);
    await assert.rejects(program.call(z.object({}), ['wait'], {signal: early.signal}), why);
    const late = new AbortController();
    const onLine = (): void => late.abort(why);
    await assert.rejects(program.call(z.object({}), ['wait'], {signal: late.signal, onLine}), why);
  });
});
