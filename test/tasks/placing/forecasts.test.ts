/** Where tasks would go: the answer, its reasons, and that nothing comes of asking. Strategies that have to be waited for are consulted in time. */
import assert from 'node:assert/strict';
import {registerStrategy} from '../../../coordinator/balancing/placementRules.ts';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import type {LoadBalancingStrategy} from '../../../coordinator/protocol/strategy.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import {client, Harness, planOf, specOf} from '../leadHarness.ts';

describe('Forecasts of placement', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  const ask = (params: Parameters<Harness['lead']['planDistribution']>[0]) =>
    harness.lead.planDistribution(params, client);

  it('say of each task of a plan who would get it and why, after what it waits for, and start nothing', async () => {
    const north = await harness.fleet.add({id: 'north', metadata: {region: 'north'}});
    await harness.fleet.add({id: 'south', metadata: {region: 'south'}});
    const plan = planOf([
      {
        id: 'after',
        dependsOn: ['first'],
        affinity: [{kind: 'sameAgent', with: ['first'], strength: 'require'}],
      },
      {id: 'first', requires: {region: 'north'}, estimateMs: 1000},
      {id: 'urgent', priority: 5, requires: {region: 'south'}},
      {id: 'nobody', requires: {region: 'west'}},
    ]);
    const {revision} = harness.store.status();
    const answer = await ask({plan});
    assert.deepEqual(
      answer.assignments.map(({taskId, agentId}) => [taskId, agentId]),
      [
        ['urgent', 'south'],
        ['first', 'north'],
        ['after', 'north'],
      ],
    );
    const [urgent, first, after] = answer.assignments;
    assert.equal(first?.startMs, 0);
    assert.equal(after?.startMs, first?.finishMs);
    assert.equal(answer.finishMs, Math.max(urgent?.finishMs ?? 0, after?.finishMs ?? 0));
    assert.equal(first?.strategy, 'capability-weighted');
    assert.equal(first?.considered, 1);
    assert.ok((first?.reasons.length ?? 0) > 0);
    assert.deepEqual(
      answer.unplaced.map(({taskId}) => taskId),
      ['nobody'],
    );
    assert.match(answer.unplaced[0]?.reason ?? '', /west/);
    assert.deepEqual([answer.more, north.assigned.length], [0, 0]);
    assert.equal(harness.store.status().revision, revision);
  });

  it('are of single tasks, of these agents alone, of what a session has still to do, and of tasks added to it', async () => {
    const never = deferred<undefined>();
    const busy = await harness.fleet.add({id: 'a-1', work: () => never.promise});
    await harness.start(planOf([{id: 'runs'}, {id: 'waits', dependsOn: ['runs']}]));
    await harness.fleet.until(() => busy.assigned.length === 1);
    await harness.untilTask('runs', ({state}) => state === 'running');
    await harness.fleet.add({id: 'a-2'});
    const agentsOf = (answer: Awaited<ReturnType<typeof ask>>) =>
      answer.assignments.map(({taskId, agentId}) => [taskId, agentId]);
    const task = specOf({id: 'one', dependsOn: ['runs']});
    // Busy or not, it fits.
    await harness.until(
      () => ask({tasks: [task], agents: ['a-2']}),
      answer => answer.assignments.length === 1,
    );
    assert.deepEqual(agentsOf(await ask({tasks: [task]})), [['one', 'a-2']]);
    assert.deepEqual(agentsOf(await ask({tasks: [task], agents: ['a-1']})), [['one', 'a-1']]);
    assert.match(
      (await ask({tasks: [task], agents: ['none']})).unplaced[0]?.reason ?? '',
      /agents in question/,
    );
    assert.deepEqual(agentsOf(await ask({sessionId: 's-1'})), [['waits', 'a-2']]);
    const near = specOf({
      id: 'near',
      affinity: [{kind: 'sameAgent', with: ['runs'], strength: 'require'}],
    });
    assert.deepEqual(agentsOf(await ask({sessionId: 's-1', tasks: [near]})), [['near', 'a-1']]);
    assert.equal((await harness.session()).counts.total, 2);
    await assert.rejects(ask({sessionId: 's-9'}), error => isProtocolError(error, 'notFound'));
    const wrong = planOf([{id: 'a', dependsOn: ['b']}]);
    await assert.rejects(ask({plan: wrong}), error => isProtocolError(error, 'invalidParams'));
    never.resolve(undefined);
  });
});

describe('Strategies that have to be waited for', () => {
  const undo: (() => void)[] = [];
  let harness: Harness;
  afterEach(async () => {
    await harness.close();
    for (const each of undo.splice(0)) each();
  });

  async function begin(
    optimize: LoadBalancingStrategy['optimize'],
    strategyTimeoutMs = 60_000,
  ): Promise<void> {
    undo.push(registerStrategy({name: 'mine', optimize}));
    harness = await Harness.open({strategyTimeoutMs});
    for (const id of ['a-1', 'a-2']) await harness.fleet.add({id});
  }
  const placed = async (taskId: string, id = 's-1') =>
    (await harness.attempts(taskId, id)).map(({agentId, placement}) => ({agentId, ...placement}));

  it('decide, with the score and features that they give, and are asked again for another try', async () => {
    const asked: string[][] = [];
    await begin(async (candidates, task) => {
      asked.push(candidates.map(({instance}) => instance.id));
      return [{agentId: 'a-2', taskId: task.id, score: 7, features: {moon: 1}}];
    });
    await harness.start(planOf([{id: 'a', strategy: 'mine'}]));
    await harness.untilEnded();
    const [decision] = await placed('a');
    assert.deepEqual(
      [decision?.agentId, decision?.strategy, decision?.score, decision?.features],
      ['a-2', 'mine', 7, {moon: 1}],
    );
    assert.deepEqual(asked[0]?.sort(), ['a-1', 'a-2']);
    const answer = await harness.lead.planDistribution(
      {tasks: [specOf({id: 'b', strategy: 'mine'})]},
      client,
    );
    assert.deepEqual([answer.assignments[0]?.agentId, answer.assignments[0]?.strategy], ['a-2', 'mine']);
  });

  it('keep nobody else waiting while they think', async () => {
    const thinking = deferred<void>();
    await begin(async ([first], task) => {
      await thinking.promise;
      return [{agentId: first?.instance.id ?? '', taskId: task.id, score: 1, features: {}}];
    });
    await harness.start(planOf([{id: 'slow', strategy: 'mine', priority: 9}, {id: 'quick'}]));
    await harness.untilTask('quick', ({state}) => state === 'succeeded');
    assert.equal((await harness.task('slow')).attempts, 0);
    thinking.resolve();
    await harness.untilEnded();
    assert.equal((await placed('slow'))[0]?.strategy, 'mine');
  });

  const silent: readonly (readonly [string, LoadBalancingStrategy['optimize'], RegExp])[] = [
    ['do not answer in time', () => new Promise(() => undefined), /no answer within 20 ms/],
    ['fail', () => Promise.reject(new Error('out of ideas')), /out of ideas/],
    [
      'throw at once',
      () => {
        throw new Error('at once');
      },
      /at once/,
    ],
    ['make no sense', async () => [{agentId: 'a-1'}] as never, /makes no sense/],
    [
      'name nobody who is there',
      async (_, task) => [{agentId: 'x', taskId: task.id, score: 1, features: {}}],
      /none of the/,
    ],
  ];
  for (const [what, optimize, why] of silent)
    it(`are replaced where they ${what}, and the record says so`, async () => {
      await begin(optimize, 20);
      await harness.start(planOf([{id: 'a'}], {strategy: 'mine'}));
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      const [decision] = await placed('a');
      assert.equal(decision?.strategy, 'capability-weighted');
      assert.equal(decision?.insteadOf?.strategy, 'mine');
      assert.match(decision?.insteadOf?.reason ?? '', why);
    });
});
