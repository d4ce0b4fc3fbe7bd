/** Worktrees that were kept, and go: when a person says so, when their session is deleted, at once or when their agent comes back. */
import assert from 'node:assert/strict';
import {done, type FakeAgent, failing, keys} from '../fakeFleet.ts';
import {client, Harness, planOf, promptWork} from '../leadHarness.ts';

const once = {max: 0, backoffMs: 0, maxBackoffMs: 0};
const tasks = [
  {id: 'good', work: promptWork},
  {id: 'bad', work: promptWork, retry: once},
];

describe('Kept worktrees', () => {
  let harness: Harness;
  afterEach(() => harness.close());

  async function ended(keep: boolean, settings = {}): Promise<FakeAgent> {
    harness = await Harness.open(settings);
    const agent = await harness.fleet.add({
      id: 'a-1',
      slots: 2,
      work: ({taskId}) => (taskId === 'good' ? done : failing('exit')),
    });
    await harness.start(planOf(tasks), {keep});
    await harness.untilEnded();
    await harness.fleet.until(() => agent.released.length === 2);
    return agent;
  }

  const released = (agent: FakeAgent): string[] =>
    agent.released.map(({attemptId, keep}) => `${attemptId} ${keep ? 'kept' : 'gone'}`).sort();
  const noted = () => harness.store.range(keys.releases).then(({kvs}) => kvs.length);
  const release = () => harness.lead.controlSession({sessionId: 's-1', action: {kind: 'release'}}, client);

  it('are those of tasks that finally failed', async () => {
    assert.deepEqual(released(await ended(false)), ['s-1.bad.1 kept', 's-1.good.1 gone']);
  });

  it('are all of a session that keeps', async () => {
    assert.deepEqual(released(await ended(true)), ['s-1.bad.1 kept', 's-1.good.1 kept']);
  });

  it('go when a person releases the session, which then keeps no more', async () => {
    const agent = await ended(true);
    agent.released.length = 0;
    assert.equal((await release()).session.keep, false);
    await harness.until(noted, count => count === 0);
    assert.deepEqual(released(agent), ['s-1.bad.1 gone', 's-1.good.1 gone']);
    assert.equal((await harness.session()).keep, false);
    const [last] = harness.audited.slice(-1);
    assert.deepEqual([last?.action, last?.principal], ['session.release', client.id]);
  });

  it('go when their agent comes back, under another lead too', async () => {
    const agent = await ended(true);
    agent.released.length = 0;
    await agent.vanish();
    await release();
    assert.equal(await noted(), 2);
    await harness.lead.stop();
    harness.lead = harness.newLead();
    harness.lead.start();
    agent.incarnation = 'a-1-second';
    await agent.register();
    await harness.until(noted, count => count === 0);
    assert.deepEqual(released(agent), ['s-1.bad.1 gone', 's-1.good.1 gone']);
  });

  it('go although the way to an agent that stays broke while it was told', async () => {
    const agent = await ended(true, {resendMs: 10});
    agent.released.length = 0;
    agent.losesReleases = 2;
    await release();
    await harness.until(noted, count => count === 0);
    assert.deepEqual(released(agent), ['s-1.bad.1 gone', 's-1.good.1 gone']);
  });

  it('go when their session is deleted', async () => {
    const agent = await ended(true, {keepSessions: 0, retentionMs: 50});
    await harness.fleet.until(() => agent.released.length === 4);
    await harness.until(noted, count => count === 0);
  });
});
