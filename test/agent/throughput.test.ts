/** How many empty attempts a second one agent takes and reports: the machinery's own cost. */
import assert from 'node:assert/strict';
import type {Agent} from '../../coordinator/agent/agent.ts';
import {assignment, startAgent} from './agentFixture.ts';
import {FakeHub} from './fakeHub.ts';
import {temporaryFolder} from './supervisor/support.ts';

describe('agent throughput', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let hub: FakeHub;
  let agent: Agent;

  before(async () => {
    hub = await FakeHub.listen();
    agent = await startAgent(folder.path, hub.url, {maxConcurrentTasks: 64});
    await agent.link.whenUp();
  });
  after(async () => {
    await agent.stop('test over', {now: true});
    await hub.close();
    folder.remove();
  });

  it('works off thousands of empty attempts over 64 slots, each reported once', async () => {
    const total = 5000;
    let next = 0;
    const startedAt = performance.now();
    const lane = async (): Promise<void> => {
      while (next < total) {
        const assign = assignment(`t${next++}`, {kind: 'noop'});
        assert.deepEqual(await hub.send('mcpx.orchestrate.task.assign', assign), {kind: 'accepted'});
        await hub.taken(assign.attemptId);
      }
    };
    await Promise.all(Array.from({length: 64}, lane));
    const seconds = (performance.now() - startedAt) / 1000;
    console.log(`      ${Math.round(total / seconds)} empty attempts a second, hub included`);
    assert.equal(hub.of('mcpx.orchestrate.task.complete').length, total);
    assert.equal(hub.completed.size, total);
    assert.equal(hub.of('mcpx.status.update').length, 0);
  });
});
