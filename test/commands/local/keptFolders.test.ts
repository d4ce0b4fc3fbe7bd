/** The folders of agents and machines that were added: whatever else lies beside them does not keep them from being listed. */
import assert from 'node:assert/strict';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import * as z from 'zod';
import {KeptFolders} from '../../../coordinator/commands/local/keptFolders.ts';

describe('folders of what was added', () => {
  it('are those with a record, whatever a crash or another program left beside them', async () => {
    const root = mkdtempSync(path.join(tmpdir(), 'mcpx-kept-'));
    try {
      const folders = new KeptFolders(root, z.object({slots: z.number()}), 'agent');
      assert.deepEqual(await folders.names(), []);
      await folders.write('here-2', {slots: 2});
      await folders.write('here-1', {slots: 1});
      mkdirSync(path.join(root, 'cut-off'));
      writeFileSync(path.join(root, '.DS_Store'), '');
      writeFileSync(path.join(root, 'notes'), '');
      assert.deepEqual(await folders.names(), ['here-1', 'here-2']);
      assert.deepEqual(await folders.require('here-2'), {slots: 2});
      await assert.rejects(folders.require('cut-off'), /there is no agent "cut-off" here/);
    } finally {
      rmSync(root, {recursive: true, force: true});
    }
  });

  for (const name of ['..', '../x', '', '.hidden', 'a/b', '-x'])
    it(`are never elsewhere (${JSON.stringify(name)})`, async () => {
      const folders = new KeptFolders('/nowhere', z.object({}), 'machine');
      await assert.rejects(folders.read(name), /cannot be the name of a machine/);
    });
});
