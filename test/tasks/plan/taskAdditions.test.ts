/** Tasks that are added to a session while it runs. */
import assert from 'node:assert/strict';
import type {SessionControl} from '../../../coordinator/protocol/commands/session.ts';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {RECORD_VERSION} from '../../../coordinator/protocol/model/record.ts';
import type {SessionRecord, WorkspaceSource} from '../../../coordinator/protocol/model/session.ts';
import {Plan, type TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {putRecord} from '../../../coordinator/store/records.ts';
import {newTaskRecord} from '../../../coordinator/tasks/fleet/nodes.ts';
import {eventually} from '../../fixtures/eventually.ts';
import {done, type FakeAgent, failing, keys, type Work} from '../fakeFleet.ts';
import {client, Harness, planOf, promptWork, specOf} from '../leadHarness.ts';

const once = {max: 0, backoffMs: 0, maxBackoffMs: 0};
const commit = (name: string): string => Buffer.from(name.padEnd(20, '.')).toString('hex').slice(0, 40);
const workspace: WorkspaceSource = {repositoryId: 'r-1', commit: commit('base'), bundles: []};
const git: Partial<Plan> = {workspace: {kind: 'git', setup: [], include: []}};
const resultOf = (taskId: string) =>
  ({outcome: 'succeeded', result: {summary: taskId, commit: commit(taskId)}}) as const;

describe('Added tasks', () => {
  let harness: Harness;
  let agent: FakeAgent;
  /** Hangs until it is told what becomes of a task. */
  const work: Work = ({taskId}) => (taskId === 'slow' ? undefined : resultOf(taskId));

  beforeEach(async () => {
    harness = await Harness.open();
    agent = await harness.fleet.add({id: 'a-1', slots: 4, work});
  });
  afterEach(() => harness.close());

  async function add(...tasks: (Partial<TaskSpecification> & {id: string})[]): Promise<SessionRecord> {
    const action: SessionControl['action'] = {kind: 'addTasks', tasks: tasks.map(specOf)};
    return (await harness.lead.controlSession({sessionId: 's-1', action}, client)).session;
  }

  async function finishSlow(): Promise<void> {
    const slow = agent.assigned.findLast(({taskId}) => taskId === 'slow');
    assert.ok(slow);
    assert.equal(await agent.report(slow, resultOf('slow')), true);
  }

  const storedPlan = async (): Promise<Plan> =>
    Plan.parse(JSON.parse(await harness.plans.get('default', (await harness.session()).plan)));

  const inputsOf = (taskId: string): string[] => {
    const assign = agent.assigned.findLast(other => other.taskId === taskId);
    return assign?.workspace.kind === 'git' ? assign.workspace.inputs.map(input => input.taskId) : [];
  };

  it('run after tasks in any state, and are merged into the result', async () => {
    const before = await harness.start(planOf([{id: 'quick'}, {id: 'slow'}], git), {workspace});
    await harness.untilTask('quick', task => task.state === 'succeeded');
    const session = await add(
      {id: 'after-quick', dependsOn: ['quick']},
      {id: 'after-slow', dependsOn: ['slow', 'after-quick']},
      {id: 'alone'},
    );
    assert.notEqual(session.plan, before.session.plan);
    assert.deepEqual([session.counts.total, session.state], [6, 'running']);
    assert.deepEqual(
      (await storedPlan()).tasks.map(({id}) => id),
      ['quick', 'slow', 'after-quick', 'after-slow', 'alone'],
    );
    await harness.untilTask('alone', task => task.state === 'succeeded');
    await finishSlow();
    const ended = await harness.untilEnded();
    assert.deepEqual([ended.state, ended.counts.succeeded, ended.counts.total], ['succeeded', 6, 6]);
    assert.deepEqual(inputsOf('after-slow'), ['slow', 'after-quick']);
    assert.deepEqual(inputsOf('_result'), ['after-slow', 'alone']);
    const [audit] = harness.audited.filter(entry => entry.action === 'session.addTasks');
    assert.deepEqual(
      [audit?.principal, audit?.detail],
      [client.id, {kind: 'addTasks', tasks: ['after-quick', 'after-slow', 'alone']}],
    );
  });

  it('are there once, however often they are sent, and outlive the lead', async () => {
    await harness.start(planOf([{id: 'slow'}], git), {workspace});
    await harness.fleet.until(() => agent.assigned.length === 1);
    await add({id: 'more', dependsOn: ['slow']});
    const {plan} = await add({id: 'more', dependsOn: ['slow']});
    const both = await Promise.all([
      add({id: 'more', dependsOn: ['slow']}, {id: 'last', dependsOn: ['more']}),
      add({id: 'last', dependsOn: ['more']}),
    ]);
    assert.equal(both[0].plan, both[1].plan);
    assert.notEqual(both[0].plan, plan);
    await harness.lead.stop();
    harness.lead = harness.newLead();
    harness.lead.start();
    await add({id: 'last', dependsOn: ['more']});
    await finishSlow();
    assert.equal((await harness.untilEnded()).counts.total, 4);
    assert.deepEqual(inputsOf('_result'), ['last']);
  });

  it('wait in a paused session, and are cancelled with a dependency that has failed', async () => {
    agent.work = ({taskId}) => (taskId === 'bad' ? failing('exit') : work({taskId} as never, agent));
    await harness.start(planOf([{id: 'slow'}, {id: 'bad', retry: once}]));
    await harness.untilTask('bad', task => task.state === 'failed');
    await harness.lead.controlSession({sessionId: 's-1', action: {kind: 'pause'}}, client);
    await add({id: 'doomed', dependsOn: ['bad']}, {id: 'free'});
    await harness.untilTask('doomed', task => task.state === 'cancelled');
    assert.equal((await harness.task('free')).attempts, 0);
    agent.work = work;
    await harness.lead.controlSession({sessionId: 's-1', action: {kind: 'resume'}}, client);
    await harness.untilTask('doomed', task => task.state === 'succeeded');
    await finishSlow();
    assert.equal((await harness.untilEnded()).state, 'succeeded');
  });

  it('are refused once the result is being merged, and the session goes on', async () => {
    agent.work = ({taskId}) => (taskId === '_result' ? undefined : resultOf(taskId));
    await harness.start(planOf([{id: 'one'}], git), {workspace});
    await harness.fleet.until(() => agent.assigned.some(({taskId}) => taskId === '_result'));
    const before = await harness.session();
    await assert.rejects(add({id: 'late'}), (error: unknown) => {
      assert.ok(isProtocolError(error, 'conflict'));
      assert.deepEqual(error.data, {reason: 'resultBegun'});
      return true;
    });
    assert.equal((await harness.session()).plan, before.plan);
    assert.equal(await harness.store.get(keys.task('s-1', 'late')), undefined);
    const assign = agent.assigned.find(({taskId}) => taskId === '_result');
    assert.ok(assign);
    await agent.report(assign, done);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    await assert.rejects(add({id: 'late'}), /has ended: succeeded/);
  });

  it('go before a merge of the result that waited for an agent', async () => {
    agent.work = ({taskId}) => (taskId === 'one' ? undefined : resultOf(taskId));
    await harness.start(planOf([{id: 'one'}], git), {workspace});
    await harness.fleet.until(() => agent.assigned.length === 1);
    const [one] = agent.assigned;
    assert.ok(one);
    await agent.register({draining: true});
    await agent.report(one, resultOf('one'));
    await harness.untilTask('_result', task => task.state === 'ready');
    await add({id: 'more'});
    assert.equal((await harness.task('_result')).state, 'pending');
    await agent.register();
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.deepEqual(inputsOf('_result'), ['one', 'more']);
  });

  it('obey the rules of a plan, and leave nothing behind when they do not', async () => {
    await harness.start(planOf([{id: 'slow'}, {id: 'next', dependsOn: ['slow']}], {budgetUsd: 1}));
    await harness.fleet.until(() => agent.assigned.length === 1);
    const wrong: [(Partial<TaskSpecification> & {id: string})[], RegExp][] = [
      [[{id: 'slow', priority: 3}], /has a task "slow" already, which is another one/],
      [[{id: 'a', dependsOn: ['nine']}], /depends on "nine", which does not exist/],
      [[{id: 'a', dependsOn: ['_result']}], /"_result", which does not exist/],
      [[{id: '_b'}], /"_b" cannot be the id of a task/],
      [
        [
          {id: 'a', dependsOn: ['b']},
          {id: 'b', dependsOn: ['a']},
        ],
        /in a circle/,
      ],
      [[{id: 'a'}, {id: 'a', priority: 1}], /two tasks are called "a"/],
      [[{id: 'a', secrets: ['MCPX_TOKEN']}], /no secret for tasks/],
    ];
    for (const [tasks, message] of wrong) await assert.rejects(add(...tasks), message);
    const [slow] = agent.assigned;
    assert.ok(slow);
    await agent.spend(slow, 2);
    await eventually(async () => assert.equal((await harness.session()).state, 'paused'));
    await assert.rejects(add({id: 'a', work: promptWork}), /budget of session s-1 is spent/);
    const {kvs} = await harness.store.range(keys.tasks('s-1'));
    assert.equal(kvs.length, 2);
    assert.equal((await harness.session()).counts.total, 2);
  });

  it('whose addition was cut off are removed by the next lead', async () => {
    await harness.start(planOf([{id: 'slow'}], git), {workspace});
    await harness.fleet.until(() => agent.assigned.length === 1);
    await harness.lead.stop();
    const record = newTaskRecord('s-1', specOf({id: 'half'}), 'plan', 'client:test');
    assert.equal(record.v, RECORD_VERSION);
    await harness.store.txn({then: [putRecord(keys.task('s-1', 'half'), record)]});
    harness.lead = harness.newLead();
    harness.lead.start();
    await harness.until(
      () => harness.store.get(keys.task('s-1', 'half')),
      kv => kv === undefined,
    );
    await add({id: 'half'});
    await finishSlow();
    assert.equal((await harness.untilEnded()).counts.succeeded, 3);
  });
});
