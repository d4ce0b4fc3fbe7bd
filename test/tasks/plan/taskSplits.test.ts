/** Tasks that are divided while the session runs, and attempts that ask for more of them. */
import assert from 'node:assert/strict';
import type {TaskAssign, TaskSplitRequest} from '../../../coordinator/protocol/commands/attempt.ts';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import type {AttemptReport} from '../../../coordinator/protocol/model/attempt.ts';
import type {WorkspaceSource} from '../../../coordinator/protocol/model/session.ts';
import type {Plan, TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {putRecord} from '../../../coordinator/store/records.ts';
import {newTaskRecord} from '../../../coordinator/tasks/fleet/nodes.ts';
import {type FakeAgent, keys} from '../fakeFleet.ts';
import {Harness, planOf, promptWork, specOf} from '../leadHarness.ts';

const commit = (name: string): string => Buffer.from(name.padEnd(20, '.')).toString('hex').slice(0, 40);
const workspace: WorkspaceSource = {repositoryId: 'r-1', commit: commit('base'), bundles: []};
const git: Partial<Plan> = {workspace: {kind: 'git', setup: [], include: []}};
const resultOf = (taskId: string): AttemptReport => ({
  outcome: 'succeeded',
  result: {summary: taskId, commit: commit(taskId), value: [taskId]},
});
const files: TaskSpecification['split'] = {files: ['**'], merge: {kind: 'json'}};

describe('Divided tasks', () => {
  let harness: Harness;
  let agent: FakeAgent;
  const held = new Set<string>();

  beforeEach(async () => {
    held.clear();
    harness = await Harness.open();
    agent = await harness.fleet.add({
      id: 'a-1',
      slots: 4,
      work: ({taskId, number}) => (held.has(`${taskId}.${number}`) ? undefined : resultOf(taskId)),
    });
  });
  afterEach(() => harness.close());

  const split = (assign: TaskAssign, what: TaskSplitRequest['split']) =>
    harness.lead.splitTask(
      {attemptId: assign.attemptId, fence: assign.fence, split: what},
      {id: 'agent:a-1', tenant: 'default', role: 'agent', agentId: 'a-1'},
    );
  const parts = (...items: string[]): TaskSplitRequest['split'] => ({
    kind: 'parts',
    parts: items.map(item => [item]),
  });
  const tasks = (first: number, ...specs: TaskSpecification[]): TaskSplitRequest['split'] => ({
    kind: 'tasks',
    first,
    tasks: specs,
  });
  const run = (command: string) => specOf({id: 'x', work: {kind: 'run', command}});
  const restart = async (): Promise<void> => {
    await harness.lead.stop();
    harness.lead = harness.newLead();
    harness.lead.start();
  };
  async function assigned(taskId: string, number = 1): Promise<TaskAssign> {
    const look = () => agent.assigned.find(one => one.taskId === taskId && one.number === number);
    await harness.fleet.until(() => look() !== undefined);
    const found = look();
    assert.ok(found);
    return found;
  }
  const inputsOf = ({workspace: place}: TaskAssign): string[] =>
    place.kind === 'git' ? place.inputs.map(({taskId}) => taskId) : [];

  it('that are split over a list are there from the start, each record naming its parent', async () => {
    const {session} = await harness.start(
      planOf(
        [
          {id: 'list', split: {over: ['a', 'b'], merge: {kind: 'json'}}},
          {id: 'after', dependsOn: ['list']},
        ],
        git,
      ),
      {workspace},
    );
    assert.equal(session.counts.total, 5);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.equal((await harness.task('_part-list-2')).parentTaskId, 'list');
    assert.deepEqual(inputsOf(await assigned('list')), ['_part-list-1', '_part-list-2']);
    assert.deepEqual((await assigned('list')).task.work, {kind: 'merge', values: 'json'});
    const again = await harness.start(
      planOf(
        [
          {id: 'list', split: {over: ['a', 'b'], merge: {kind: 'json'}}},
          {id: 'after', dependsOn: ['list']},
        ],
        git,
      ),
      {workspace},
    );
    assert.equal(again.created, false);
  });

  it('make way for their parts, and begin anew as the merge of these', async () => {
    held.add('scan.1');
    await harness.start(
      planOf(
        [
          {id: 'scan', split: files},
          {id: 'after', dependsOn: ['scan']},
        ],
        git,
      ),
      {workspace},
    );
    const first = await assigned('scan');
    assert.deepEqual(
      (await split(first, parts('a', 'b', 'c'))).taskIds,
      [1, 2, 3].map(n => `_part-scan-${n}`),
    );
    const ended = await harness.untilEnded();
    assert.deepEqual([ended.state, ended.counts.total], ['succeeded', 6]);
    assert.ok(agent.cancelled.includes(first.attemptId));
    const attempts = await harness.attempts('scan');
    assert.deepEqual(
      attempts.map(({outcome}) => outcome),
      ['cancelled', 'succeeded'],
    );
    const task = await harness.task('scan');
    assert.deepEqual([task.losses, task.retries, task.attempts], [0, 0, 2]);
    assert.deepEqual(
      inputsOf(await assigned('scan', 2)),
      [1, 2, 3].map(n => `_part-scan-${n}`),
    );
    assert.deepEqual(inputsOf(await assigned('_result')), ['after']);
    await assert.rejects(split(first, parts('a')), error => isProtocolError(error, 'staleFence'));
  });

  it('are divided once, whoever dies on the way', async () => {
    held.add('scan.1').add('_part-scan-1.1');
    await harness.start(planOf([{id: 'scan', split: files}], git), {workspace});
    const first = await assigned('scan');
    await harness.lead.stop();
    // What a lead leaves that dies between the records of the parts and the plan that has them.
    const stray = newTaskRecord('s-1', specOf({id: '_part-scan-1'}), 'plan', 'agent:a-1');
    await harness.store.txn({then: [putRecord(keys.task('s-1', '_part-scan-1'), stray)]});
    harness.lead = harness.newLead();
    harness.lead.start();
    const done = await split(first, parts('a', 'b'));
    assert.deepEqual(done.taskIds, ['_part-scan-1', '_part-scan-2']);
    await harness.untilTask('scan', ({state}) => state === 'pending');
    await restart();
    const part = await assigned('_part-scan-1');
    await agent.report(part, resultOf('_part-scan-1'));
    const ended = await harness.untilEnded();
    assert.deepEqual([ended.state, ended.counts.total], ['succeeded', 4]);
    assert.equal((await harness.attempts('_part-scan-1')).length, 1);
  });

  it('fail with a part that fails, and its other parts are kept', async () => {
    agent.work = ({taskId}) =>
      taskId === '_part-list-1'
        ? {outcome: 'failed', failure: {kind: 'exit', message: 'no'}}
        : resultOf(taskId);
    const retry = {max: 0, backoffMs: 0, maxBackoffMs: 0};
    await harness.start(planOf([{id: 'list', retry, split: {over: ['a', 'b'], merge: {kind: 'git'}}}]));
    assert.equal((await harness.untilEnded()).state, 'failed');
    const states = await Promise.all(
      ['list', '_part-list-1', '_part-list-2'].map(async id => (await harness.task(id)).state),
    );
    assert.deepEqual(states, ['cancelled', 'failed', 'succeeded']);
  });

  it('attempts that ask for tasks go on beside them, and what follows has the results of all', async () => {
    held.add('lead.1');
    await harness.start(
      planOf(
        [
          {id: 'before'},
          {id: 'lead', work: {kind: 'run', command: 'x'}, dependsOn: ['before']},
          {id: 'after', dependsOn: ['lead']},
        ],
        git,
      ),
      {workspace},
    );
    const first = await assigned('lead');
    const {taskIds} = await split(first, tasks(1, run('one'), run('two')));
    assert.deepEqual(taskIds, ['_part-lead-1', '_part-lead-2']);
    assert.deepEqual((await split(first, tasks(1, run('one'), run('two')))).taskIds, taskIds);
    await assert.rejects(split(first, tasks(2, run('three'))), (error: unknown) => {
      assert.ok(isProtocolError(error, 'conflict'));
      assert.deepEqual(error.data, {taskId: '_part-lead-2', next: 3});
      return true;
    });
    await harness.untilTask('_part-lead-2', ({state}) => state === 'succeeded');
    assert.deepEqual(inputsOf(await assigned('_part-lead-1')), ['before']);
    const agentOf = {id: 'agent:a-1', tenant: 'default', role: 'agent', agentId: 'a-1'} as const;
    const {delegated} = await harness.lead.resolveDependencies(
      {attemptId: first.attemptId, fence: first.fence, delegated: [...taskIds, 'before']},
      agentOf,
    );
    assert.deepEqual(
      delegated?.map(({taskId, state, result}) => [taskId, state, result?.summary]),
      taskIds.map(id => [id, 'succeeded', id]),
    );
    await restart();
    await agent.report(first, resultOf('lead'));
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.deepEqual(inputsOf(await assigned('after')), ['_part-lead-1', '_part-lead-2', 'lead']);
    assert.equal((await harness.attempts('lead')).length, 1);
  });

  it('attempts ask for nothing that they may not do themselves', async () => {
    held.add('talk.1');
    const permissions = {mode: 'dontAsk', allow: ['Read'], deny: ['Bash']} as const;
    const work = {
      kind: 'prompt',
      prompt: 'p',
      permissions: {...permissions, allow: ['Read'], deny: ['Bash']},
    } as const;
    await harness.start(
      planOf([
        {
          id: 'talk',
          work: {...work, permissions: {mode: 'dontAsk', allow: ['Read'], deny: ['Bash']}},
          secrets: ['KEY'],
          env: {A: 'b'},
        },
      ]),
    );
    const first = await assigned('talk');
    const forbidden = (error: unknown): boolean => isProtocolError(error, 'forbidden');
    await assert.rejects(split(first, tasks(1, run('rm -rf /'))), forbidden);
    await assert.rejects(
      split(first, tasks(1, specOf({id: 'x', work: promptWork, secrets: ['OTHER']}))),
      forbidden,
    );
    await assert.rejects(split(first, tasks(1, specOf({id: 'x'}))), forbidden);
    const gates = [
      {name: 'g', type: 'command', command: 'rm', onFailure: 'fail', timeoutMs: 1},
    ] as TaskSpecification['gates'];
    const rollback = {scope: 'task', compensate: 'rm'} as const;
    const asked = specOf({id: 'x', work: promptWork, gates, rollback, env: {NODE_OPTIONS: '--x'}});
    await split(first, tasks(1, asked));
    const child = (await assigned('_part-talk-1')).task;
    assert.deepEqual(
      [child.work.kind === 'prompt' && child.work.permissions, child.env, child.secrets],
      [permissions, {A: 'b'}, []],
    );
    assert.deepEqual([child.gates, child.rollback], [[], undefined]);
  });
});
