/** Whole-file writes: the old content or the new, never a part, whatever ends the process. */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {writeFileDurably} from '../../coordinator/runtime/durableFile.ts';

const WRITER = fileURLToPath(new URL('durableFileWriter.mts', import.meta.url));

describe('a durable write', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-durable-'));
    file = path.join(folder, 'state.json');
  });
  afterEach(() => rmSync(folder, {recursive: true, force: true}));

  it('replaces the file, keeps it private and leaves nothing beside it', async () => {
    await writeFileDurably(file, 'one');
    await writeFileDurably(file, new Uint8Array([50]));
    assert.equal(readFileSync(file, 'utf8'), '2');
    assert.deepEqual(readdirSync(folder), ['state.json']);
    if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  it('goes on after a temporary file that a dead process left', async () => {
    writeFileSync(`${file}.tmp-${process.pid}`, 'a longer text than the new one');
    await writeFileDurably(file, 'new');
    assert.equal(readFileSync(file, 'utf8'), 'new');
  });

  it('rejects where there is no folder', async () => {
    await assert.rejects(writeFileDurably(path.join(folder, 'none', 'x'), 'x'), {code: 'ENOENT'});
  });

  it('is whole after the process is killed in the middle of writing', async () => {
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, ['--import', 'tsx', WRITER, file], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let lines = 0;
      for await (const chunk of child.stdout) {
        lines += String(chunk).split('\n').length - 1;
        if (lines >= 5) break;
      }
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      const {number, filler} = JSON.parse(readFileSync(file, 'utf8'));
      assert.ok(number >= 5);
      assert.equal(filler.length, 100_000);
    }
  });
});
