import assert from 'node:assert/strict';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {KnownCoordinators} from '../../../coordinator/agent/link/knownCoordinators.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';

describe('the coordinators that an agent knows', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mcpx-known-'));
  });
  afterEach(() => rm(folder, {recursive: true, force: true}));
  const open = (joined: string[]) =>
    KnownCoordinators.open(path.join(folder, 'coordinators.json'), joined, silentLogger);

  it('are there after a restart, the newest of them, and only for the cluster that it joined', async () => {
    const first = await open(['ws://a:1']);
    assert.deepEqual(first.known, []);
    first.onTold(['ws://a:1', 'ws://b:1']);
    first.onTold(['ws://b:1', 'ws://c:1']);
    await first.close();
    assert.deepEqual((await open(['ws://a:1'])).known, ['ws://b:1', 'ws://c:1']);
    assert.deepEqual((await open(['ws://other:1'])).known, []);
  });

  it('are none where the file cannot be read', async () => {
    await writeFile(path.join(folder, 'coordinators.json'), '{"v": 1, "joined"');
    assert.deepEqual((await open(['ws://a:1'])).known, []);
  });
});
