/** What people change about balancing while a session runs, and what survives the lead: on a real store, with agents that answer. */
import assert from 'node:assert/strict';
import {LoadBalance} from '../../../coordinator/protocol/commands/balance.ts';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {type Deferred, deferred} from '../../../coordinator/runtime/deferred.ts';
import {done, keys} from '../fakeFleet.ts';
import {client, Harness, planOf} from '../leadHarness.ts';

const RUN = {kind: 'run', command: 'true'} as const;

describe('Balancing of running sessions', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  const balance = (change: Omit<Parameters<typeof LoadBalance.parse>[0] & object, 'sessionId'>) =>
    harness.lead.balance(LoadBalance.parse({sessionId: 's-1', ...change}), client);

  it('places by another strategy from the moment it is chosen, for the session or for one task', async () => {
    const gate: Deferred<void> = deferred();
    const work = async () => {
      await gate.promise;
      return done;
    };
    await harness.fleet.add({id: 'a-1', work});
    await harness.start(planOf(['one', 'two', 'three'].map(id => ({id}))));
    await harness.untilTask('one', task => task.state === 'running');
    const {session} = await balance({strategy: 'round-robin'});
    assert.equal(session.strategy, 'round-robin');
    await balance({strategy: 'geographic-affinity', taskId: 'three'});
    gate.resolve();
    await harness.untilEnded();
    const strategyOf = async (id: string) => (await harness.attempts(id))[0]?.placement?.strategy;
    assert.equal(await strategyOf('one'), 'capability-weighted');
    assert.equal(await strategyOf('two'), 'round-robin');
    assert.equal(await strategyOf('three'), 'geographic-affinity');
    assert.deepEqual(
      harness.audited.filter(entry => entry.action === 'session.balance').map(entry => entry.principal),
      [client.id, client.id],
    );
  });

  it('keeps what was chosen when another lead takes over', async () => {
    await harness.start(planOf([{id: 'one'}, {id: 'two'}]));
    await balance({strategy: 'round-robin'});
    await balance({strategy: 'ai-optimized', taskId: 'two'});
    await harness.lead.stop();
    harness.lead = harness.newLead();
    harness.lead.start();
    await harness.fleet.add({id: 'a-1'});
    await harness.untilEnded();
    assert.equal((await harness.attempts('one'))[0]?.placement?.strategy, 'round-robin');
    assert.equal((await harness.task('two')).strategy, 'ai-optimized');
  });

  it('refuses strategies and sessions that nobody knows', async () => {
    await harness.start(planOf([{id: 'one'}]));
    await assert.rejects(balance({strategy: 'oracle'}), error => isProtocolError(error, 'invalidParams'));
    await assert.rejects(balance({strategy: 'round-robin', taskId: 'none'}), error =>
      isProtocolError(error, 'notFound'),
    );
    await assert.rejects(
      harness.lead.balance(LoadBalance.parse({sessionId: 's-none', rebalance: true}), client),
      error => isProtocolError(error, 'notFound'),
    );
  });

  it('begins anew elsewhere what takes far longer than expected, at nobody’s cost, and leaves the rest alone', async () => {
    await harness.fleet.add({id: 'a-1', slots: 2, work: () => undefined});
    await harness.start(
      planOf([
        {id: 'late', work: RUN, estimateMs: 1000},
        {id: 'slow', work: RUN, estimateMs: 900_000, timeoutMs: 3_600_000},
      ]),
    );
    for (const id of ['late', 'slow']) await harness.untilTask(id, task => task.state === 'running');
    await harness.fleet.add({id: 'a-2', work: () => done});
    await harness.until(
      async () => harness.lead.status(),
      status => status.kind === 'leading' && status.agentsOnline === 2,
    );
    assert.deepEqual((await balance({rebalance: true})).moved, []);
    harness.clock.jump(30_000);
    assert.deepEqual((await balance({rebalance: true})).moved, ['late']);
    await harness.untilTask('late', task => task.state === 'succeeded');
    const attempts = await harness.attempts('late');
    assert.deepEqual(
      attempts.map(({agentId, outcome}) => [agentId, outcome]),
      [
        ['a-1', 'cancelled'],
        ['a-2', 'succeeded'],
      ],
    );
    assert.deepEqual([(await harness.task('late')).retries, (await harness.task('slow')).attempts], [0, 1]);
  });

  it('goes on from what an earlier lead learned', async () => {
    const work = async () => {
      harness.clock.jump(2000);
      return done;
    };
    await harness.fleet.add({id: 'a-1', work});
    const ids = Array.from({length: 16}, (_, index) => `t${index}`);
    const plan = planOf(
      ids.map(id => ({id, work: RUN})),
      {strategy: 'ai-optimized'},
    );
    await harness.start(plan);
    await harness.untilEnded();
    await harness.lead.stop();
    assert.ok((await harness.store.range(keys.learned)).kvs.length > 0);
    harness.lead = harness.newLead();
    harness.lead.start();
    await harness.start(planOf([{id: 'next', work: RUN}], {strategy: 'ai-optimized'}), {id: 's-2'});
    await harness.untilEnded('s-2');
    const [attempt] = await harness.attempts('next', 's-2');
    assert.equal(attempt?.placement?.strategy, 'ai-optimized');
    assert.ok((attempt.placement.features['n'] ?? 0) >= 12, JSON.stringify(attempt.placement.features));
  });
});
