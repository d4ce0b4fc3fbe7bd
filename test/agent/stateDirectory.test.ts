/** An agent's folder and the id that is kept in it; its lock is tested with the runtime. */
import assert from 'node:assert/strict';
import {StateDirectory} from '../../coordinator/agent/stateDirectory.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {temporaryFolder} from './supervisor/support.ts';

describe('state directory of an agent', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => folder.remove());

  const acquire = (more: {agentId?: string} = {}) =>
    StateDirectory.acquire(folder.path, {random: systemRandom, ...more});

  it('keeps the id that it made, or the one that it was given last', async () => {
    const made = await acquire();
    await made.release();
    const again = await acquire();
    assert.equal(again.agentId, made.agentId);
    await again.release();
    const named = await acquire({agentId: 'chosen'});
    await named.release();
    assert.equal((await acquire()).agentId, 'chosen');
  });

  it('is refused while its owner lives, and given again after a release', async () => {
    const first = await acquire();
    await assert.rejects(acquire(), {code: 'conflict'});
    await first.release();
    await acquire();
  });
});
