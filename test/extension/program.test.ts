/** The bundled command as the extension runs it: what a verb answers, what becomes of one that is cancelled, and of its copies. */
import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import * as z from 'zod';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {Program} from '../../extension/connection/program.ts';
import {pruneCopies} from '../../extension/connection/programCopy.ts';

const DAY_MS = 86_400_000;

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
  const programs = (): string => path.join(root, 'storage/programs');

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'mcpx-program-'));
    mkdirSync(path.join(root, 'extension/dist'), {recursive: true});
    writeFileSync(path.join(root, 'extension/dist/mcpx.mjs'), COMMAND);
    program = makeProgram();
  });
  afterEach(() => rmSync(root, {recursive: true, force: true}));

  /** As another window would. */
  function makeProgram(): Program {
    return new Program({
      extensionFolder: path.join(root, 'extension'),
      storageFolder: path.join(root, 'storage'),
      execPath: process.execPath,
      env: process.env,
      clock: systemClock,
      logger: silentLogger,
    });
  }

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

  it('is copied anew when any part of it is another: the command, its pages, or the SDK', async () => {
    const copies = new Set([await program.path()]);
    assert.ok(copies.has(await makeProgram().path()));
    const parts = {
      'dist/mcpx.mjs': `${COMMAND}// newer`,
      'dist/webview/page.js': 'page',
      'node_modules/@anthropic-ai/claude-agent-sdk/package.json': '{"version": "2"}',
    };
    for (const [name, content] of Object.entries(parts)) {
      const file = path.join(root, 'extension', name);
      mkdirSync(path.dirname(file), {recursive: true});
      writeFileSync(file, content);
      copies.add(await makeProgram().path());
      copies.add(await makeProgram().path());
    }
    assert.equal(copies.size, 4);
    const [last = ''] = [...copies].slice(-1);
    for (const [name, content] of Object.entries(parts))
      assert.equal(readFileSync(path.join(path.dirname(last), name.replace('dist/', '')), 'utf8'), content);
  });

  it('has its copy marked as used by every call', async () => {
    const folder = path.dirname(await program.path());
    utimesSync(folder, 1, 1);
    await program.call(z.object({text: z.string()}), ['large']);
    assert.ok(statSync(folder).mtimeMs > 1_000_000);
  });

  describe('has copies', () => {
    const NOW = 1000 * DAY_MS;
    const DEAD = 2 ** 22 + 1;

    function copy(name: string, age: number, uses: readonly number[] = []): void {
      const folder = path.join(programs(), name);
      mkdirSync(path.join(folder, 'uses'), {recursive: true});
      for (const pid of uses) writeFileSync(path.join(folder, 'uses', String(pid)), '');
      const at = (NOW - age * DAY_MS) / 1000;
      utimesSync(folder, at, at);
    }
    async function prune(): Promise<readonly string[]> {
      const isAlive = (pid: number): boolean => pid === process.pid;
      await pruneCopies({programs: programs(), now: NOW, isAlive});
      return readdirSync(programs()).sort();
    }

    it('of which the newest three and those of a month stay', async () => {
      for (const [name, age] of Object.entries({a: 10, b: 20, c: 29, d: 29.9})) copy(name, age);
      assert.deepEqual(await prune(), ['a', 'b', 'c', 'd']);
      copy('e', 30.1);
      copy('f', 400);
      assert.deepEqual(await prune(), ['a', 'b', 'c', 'd']);
      for (const name of ['a', 'b', 'c', 'd']) copy(name, 60);
      copy('g', 70);
      assert.equal((await prune()).length, 3);
    });

    it('of which those stay that something runs from', async () => {
      for (const name of ['a', 'b', 'c']) copy(name, 1);
      copy('used', 90, [DEAD, process.pid]);
      copy('left', 90, [DEAD]);
      assert.deepEqual(await prune(), ['a', 'b', 'c', 'used']);
    });

    it('of which half deleted and half made ones go', async () => {
      for (const name of ['a', 'b', 'c']) copy(name, 1);
      copy('d.gone', 0);
      copy('e.123', 40);
      assert.deepEqual(await prune(), ['a', 'b', 'c']);
    });
  });
});
