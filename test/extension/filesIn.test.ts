/** Files of a conflict that the editor opens: those that are there, and none outside of its folder. */
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {filesIn} from '../../extension/documents/filesIn.ts';

describe('files that an agent names', () => {
  it('are opened where they are there, and nowhere outside of the folder', () => {
    const root = mkdtempSync(path.join(tmpdir(), 'mcpx-files-'));
    try {
      const folder = path.join(root, 'conflict');
      mkdirSync(path.join(folder, 'src'), {recursive: true});
      mkdirSync(path.join(root, 'conflict-of-another'));
      for (const name of ['conflict/src/a.ts', 'conflict/b', 'secret', 'conflict-of-another/c'])
        writeFileSync(path.join(root, name), '');
      const named = [
        'src/a.ts',
        '../secret',
        '../conflict-of-another/c',
        'src/../../secret',
        'gone',
        './b',
        '',
      ];
      assert.deepEqual(filesIn(folder, named), [path.join(folder, 'src/a.ts'), path.join(folder, 'b')]);
      assert.deepEqual(filesIn(folder, [path.join(root, 'secret')]), []);
    } finally {
      rmSync(root, {recursive: true, force: true});
    }
  });
});
