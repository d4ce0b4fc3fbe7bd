/** What people do to running and ended sessions, and what budgets and deadlines do. */
import assert from 'node:assert/strict';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {seededRandom} from '../../../coordinator/runtime/random.ts';
import {done, failing, keys} from '../fakeFleet.ts';
import {FaultyStore} from '../faultyStore.ts';
import {client, Harness, planOf, promptWork} from '../leadHarness.ts';

const hang = (): undefined => undefined;
const once = {max: 0, backoffMs: 0, maxBackoffMs: 0};

describe('Session controls', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  it('cancels: running attempts are fenced off and stopped, the rest never starts', async () => {
    const agent = await harness.fleet.add({id: 'a-1', work: hang});
    await harness.start(planOf([{id: 'one'}, {id: 'two', dependsOn: ['one']}, {id: 'three'}]));
    await harness.fleet.until(() => agent.assigned.length === 1);
    const {session} = await harness.lead.endSession(
      {sessionId: 's-1', mode: 'cancel', reason: 'wrong plan'},
      client,
    );
    assert.equal(session.state, 'ending');
    const ended = await harness.untilEnded();
    assert.deepEqual([ended.state, ended.counts.cancelled], ['cancelled', 3]);
    await harness.fleet.until(() => agent.cancelled.length === 1);
    const [assign] = agent.assigned;
    assert.ok(assign);
    assert.equal(await agent.report(assign, done), false);
    assert.equal(agent.assigned.length, 1);
    const again = await harness.lead.endSession({sessionId: 's-1', mode: 'cancel'}, client);
    assert.equal(again.session.state, 'cancelled');
  });

  it('drains: what runs finishes, the rest never starts', async () => {
    const agent = await harness.fleet.add({id: 'a-1', work: hang});
    await harness.start(planOf([{id: 'one'}, {id: 'two', dependsOn: ['one']}]));
    await harness.fleet.until(() => agent.assigned.length === 1);
    await harness.lead.endSession({sessionId: 's-1', mode: 'drain'}, client);
    const [assign] = agent.assigned;
    assert.ok(assign);
    assert.equal(await agent.report(assign, done), true);
    const ended = await harness.untilEnded();
    assert.deepEqual([ended.state, ended.counts.succeeded, ended.counts.cancelled], ['cancelled', 1, 1]);
  });

  it('starts nothing while it is paused, over a change of the lead too, and goes on when resumed', async () => {
    const agent = await harness.fleet.add({id: 'a-1', work: hang});
    await harness.start(planOf([{id: 'one'}, {id: 'two'}]));
    await harness.fleet.until(() => agent.assigned.length === 1);
    assert.equal((await harness.control({kind: 'pause'})).state, 'paused');
    const [assign] = agent.assigned;
    assert.ok(assign);
    assert.equal(await agent.report(assign, done), true);
    await harness.untilTask(assign.taskId, task => task.state === 'succeeded');
    await harness.lead.stop();
    harness.lead = harness.newLead();
    harness.lead.start();
    assert.equal((await harness.control({kind: 'pause'})).state, 'paused');
    assert.equal(agent.assigned.length, 1);
    agent.work = () => done;
    assert.equal((await harness.control({kind: 'resume'})).state, 'running');
    assert.equal((await harness.untilEnded()).state, 'succeeded');
  });

  it('takes up a session that failed: what failed and what it held back run again', async () => {
    let healthy = false;
    const agent = await harness.fleet.add({
      id: 'a-1',
      work: assign => (assign.taskId === 'bad' && !healthy ? failing('exit') : done),
    });
    await harness.start(
      planOf([{id: 'good'}, {id: 'bad', retry: once}, {id: 'after', dependsOn: ['bad', 'good']}]),
    );
    assert.equal((await harness.untilEnded()).state, 'failed');
    healthy = true;
    assert.equal((await harness.control({kind: 'resume'})).state, 'running');
    const ended = await harness.untilEnded();
    assert.deepEqual([ended.state, ended.counts.succeeded, ended.failure], ['succeeded', 3, undefined]);
    assert.equal(agent.assigned.filter(assign => assign.taskId === 'good').length, 1);
    await assert.rejects(harness.control({kind: 'resume'}), error => isProtocolError(error, 'conflict'));
  });

  it('takes up a cancelled session as a whole', async () => {
    const agent = await harness.fleet.add({id: 'a-1', work: hang});
    await harness.start(planOf([{id: 'one'}, {id: 'two', dependsOn: ['one']}]));
    await harness.fleet.until(() => agent.assigned.length === 1);
    await harness.lead.endSession({sessionId: 's-1', mode: 'cancel'}, client);
    await harness.untilEnded();
    agent.work = () => done;
    await harness.control({kind: 'resume'});
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.equal((await harness.task('one')).attempts, 2);
  });

  it('retries one failed task of a running session, and what it held back', async () => {
    let healthy = false;
    const agent = await harness.fleet.add({
      id: 'a-1',
      slots: 2,
      work: assign => {
        if (assign.taskId === 'slow') return undefined;
        return assign.taskId === 'bad' && !healthy ? failing('exit') : done;
      },
    });
    await harness.start(planOf([{id: 'slow'}, {id: 'bad', retry: once}, {id: 'after', dependsOn: ['bad']}]));
    await harness.untilTask('after', task => task.state === 'cancelled');
    healthy = true;
    await harness.control({kind: 'retryTask', taskId: 'bad'});
    await harness.untilTask('after', task => task.state === 'succeeded');
    const slow = agent.assigned.find(assign => assign.taskId === 'slow');
    assert.ok(slow);
    await agent.report(slow, done);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
  });

  it('does not end a session whose last failed task is retried just then', async () => {
    let healthy = false;
    await harness.fleet.add({id: 'a-1', work: () => (healthy ? done : failing('exit'))});
    for (let round = 0; round < 10; round++) {
      healthy = false;
      const id = `s-${round}`;
      await harness.start(planOf([{id: 'bad', retry: once}]), {id});
      await harness.untilTask('bad', task => task.state === 'failed', id);
      healthy = true;
      // Before, while, or after the session ends.
      for (let turn = 0; turn < round; turn++) await new Promise<void>(resolve => setImmediate(resolve));
      await harness.lead.controlSession({sessionId: id, action: {kind: 'retryTask', taskId: 'bad'}}, client);
      const ended = await harness.untilSession(record => record.state === 'succeeded', id);
      assert.equal(ended.counts.succeeded, 1);
    }
  });

  it('retries nothing in an ended session that did not fail', async () => {
    await harness.fleet.add({id: 'a-1', work: ({taskId}) => (taskId === 'good' ? done : failing('exit'))});
    await harness.start(planOf([{id: 'good'}, {id: 'bad', retry: once}]));
    assert.equal((await harness.untilEnded()).state, 'failed');
    await assert.rejects(harness.control({kind: 'retryTask', taskId: 'good'}), error =>
      isProtocolError(error, 'conflict'),
    );
    assert.equal((await harness.session()).state, 'failed');
  });

  it('cancels one task and what depends on it, and answers when it is done', async () => {
    const agent = await harness.fleet.add({id: 'a-1', slots: 2, work: hang});
    await harness.start(planOf([{id: 'one'}, {id: 'two', dependsOn: ['one']}, {id: 'three'}]));
    await harness.fleet.until(() => agent.assigned.length === 2);
    await harness.control({kind: 'cancelTask', taskId: 'one'});
    assert.equal((await harness.task('one')).state, 'cancelled');
    await harness.untilTask('two', task => task.state === 'cancelled');
    const three = agent.assigned.find(assign => assign.taskId === 'three');
    assert.ok(three);
    await agent.report(three, done);
    const ended = await harness.untilEnded();
    assert.equal(ended.state, 'failed');
    assert.match(ended.failure ?? '', /cancelled: one/);
    await assert.rejects(harness.control({kind: 'cancelTask', taskId: 'one'}), error =>
      isProtocolError(error, 'conflict'),
    );
  });

  it('answers for sessions and tasks that do not exist', async () => {
    await assert.rejects(harness.control({kind: 'pause'}), error => isProtocolError(error, 'notFound'));
    await harness.start(planOf([{id: 'one'}]));
    await assert.rejects(harness.control({kind: 'retryTask', taskId: 'two'}), error =>
      isProtocolError(error, 'notFound'),
    );
  });

  it('fails a task that is not done by its deadline', async () => {
    const agent = await harness.fleet.add({id: 'a-1', work: hang});
    const deadline = harness.clock.wallNow() + 60_000;
    await harness.start(planOf([{id: 'one', deadline}]));
    await harness.fleet.until(() => agent.assigned.length === 1);
    harness.clock.jump(61_000);
    assert.equal((await harness.untilEnded()).state, 'failed');
    assert.equal((await harness.task('one')).failure?.kind, 'deadline');
    await harness.fleet.until(() => agent.cancelled.length === 1);
  });

  it('stops every agent at once, whatever the store says, and again when the sessions have ended', async () => {
    await harness.lead.stop();
    const store = new FaultyStore(harness.store, seededRandom(1), 0);
    harness.lead = harness.newLead('c-1', store);
    harness.lead.start();
    const agent = await harness.fleet.add({id: 'a-1', work: hang});
    await harness.start(planOf([{id: 'one'}]));
    await harness.fleet.until(() => agent.assigned.length === 1);
    store.fill();
    const stopping = harness.lead.stopFleet({reason: 'fire', graceMs: 0}, client);
    await harness.fleet.until(() => agent.stops === 1);
    assert.equal((await harness.session()).state, 'running');
    store.free();
    assert.deepEqual((await stopping).agents, [{agentId: 'a-1', confirmed: true, killed: 2}]);
    assert.equal(agent.stops, 2);
    assert.equal((await harness.untilEnded()).state, 'cancelled');
  });

  it('stops the fleet though a session ends by itself meanwhile, and leaves out agents that left', async () => {
    const agent = await harness.fleet.add({id: 'a-1'});
    const left = await harness.fleet.add({id: 'a-2', work: hang});
    await left.goodbye();
    await harness.start(planOf([{id: 'one'}]));
    await harness.untilTask('one', task => task.state === 'succeeded');
    const stopped = await harness.lead.stopFleet({reason: 'fire', graceMs: 0}, client);
    assert.deepEqual(
      stopped.agents.map(({agentId, confirmed}) => [agentId, confirmed]),
      [['a-1', true]],
    );
    assert.equal(agent.stops, 2);
  });

  it('stops the fleet: sessions are cancelled and every agent confirms', async () => {
    const agent = await harness.fleet.add({id: 'a-1', work: hang});
    const silent = await harness.fleet.add({id: 'a-2', work: hang});
    await harness.start(planOf([{id: 'one'}, {id: 'two'}, {id: 'three'}]));
    await harness.fleet.until(() => agent.assigned.length === 1 && silent.assigned.length === 1);
    silent.connected = false;
    const stopped = await harness.lead.stopFleet({reason: 'fire', graceMs: 0}, client);
    assert.deepEqual(stopped.sessions, ['s-1']);
    assert.deepEqual(
      stopped.agents.map(({agentId, confirmed}) => [agentId, confirmed]),
      [
        ['a-1', true],
        ['a-2', false],
      ],
    );
    assert.equal((await harness.untilEnded()).state, 'cancelled');
    assert.deepEqual((await harness.store.range(keys.lives)).kvs, []);
  });
});

describe('Budgets', () => {
  let harness: Harness;
  afterEach(() => harness.close());

  it('pauses a session whose budget is spent, stops what spends, and goes on when it is raised', async () => {
    harness = await Harness.open();
    const agent = await harness.fleet.add({id: 'a-1', slots: 2, work: hang});
    await harness.start(
      planOf(
        [
          {id: 'one', work: promptWork},
          {id: 'two', work: promptWork, budgetUsd: 0.4},
        ],
        {budgetUsd: 1},
      ),
    );
    await harness.fleet.until(() => agent.assigned.length === 2);
    const byTask = new Map(agent.assigned.map(assign => [assign.taskId, assign]));
    assert.deepEqual([byTask.get('one')?.budgetUsd, byTask.get('two')?.budgetUsd], [0.5, 0.4]);
    const [first] = agent.assigned;
    assert.ok(first);
    await agent.spend(first, 1.25);
    const paused = await harness.untilSession(record => record.state === 'paused');
    assert.equal(paused.pauseReason, 'budget');
    assert.match(paused.failure ?? '', /budget of \$1 is spent \(\$1\.25\)/);
    await harness.untilTask('one', task => task.waitingFor?.kind === 'budget');
    await harness.untilTask('two', task => task.waitingFor?.kind === 'budget');
    assert.equal((await harness.task('one')).retries, 0);
    await assert.rejects(
      harness.lead.controlSession({sessionId: 's-1', action: {kind: 'resume'}}, client),
      error => isProtocolError(error, 'conflict'),
    );
    agent.work = () => done;
    await harness.lead.controlSession({sessionId: 's-1', action: {kind: 'budget', budgetUsd: 3}}, client);
    const ended = await harness.untilEnded();
    assert.deepEqual([ended.state, ended.spentUsd], ['succeeded', 1.25]);
    assert.equal(agent.assigned.find(assign => assign.attemptId === 's-1.one.2')?.budgetUsd, 0.875);
  });

  it('fails a task that spends more than its own budget', async () => {
    harness = await Harness.open();
    const agent = await harness.fleet.add({id: 'a-1', work: hang});
    await harness.start(planOf([{id: 'one', work: promptWork, budgetUsd: 0.5}]));
    await harness.fleet.until(() => agent.assigned.length === 1);
    const [assign] = agent.assigned;
    assert.ok(assign);
    await agent.spend(assign, 0.6);
    assert.equal((await harness.untilEnded()).state, 'failed');
    assert.equal((await harness.task('one')).failure?.kind, 'budget');
  });

  it("counts every dollar of the day once, over leads, and stops at the fleet's daily budget", async () => {
    harness = await Harness.open({fleetBudgetUsdPerDay: 2});
    const agent = await harness.fleet.add({id: 'a-1', slots: 1, work: hang});
    await harness.start(
      planOf([
        {id: 'one', work: promptWork},
        {id: 'two', work: promptWork},
      ]),
    );
    await harness.fleet.until(() => agent.assigned.length === 1);
    const [assign] = agent.assigned;
    assert.ok(assign);
    assert.equal(assign.budgetUsd, 1);
    await agent.spend(assign, 1.5);
    await harness.untilSession(record => record.spentUsd === 1.5);
    await harness.lead.stop();
    harness.lead = harness.newLead();
    harness.lead.start();
    await agent.report(assign, done, {
      costUsd: 2,
      inputTokens: 1,
      outputTokens: 1,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      turns: 1,
    });
    const other = assign.taskId === 'one' ? 'two' : 'one';
    const waiting = await harness.untilTask(other, task => task.waitingFor?.kind === 'budget');
    assert.match(waiting.waitingFor?.message ?? '', /budget for \d{4}-\d\d-\d\d is spent/);
    await harness.untilSession(record => record.spentUsd === 2);
    const {kvs} = await harness.store.range(`${keys.base}spend/`);
    assert.equal(kvs.length, 1);
    assert.equal(JSON.parse(kvs[0]?.value ?? '{}').spentUsd, 2);
  });
});
