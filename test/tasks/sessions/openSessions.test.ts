/** Sessions that are started open: they take tasks until they are closed. */
import assert from 'node:assert/strict';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import type {WorkspaceSource} from '../../../coordinator/protocol/model/session.ts';
import type {Plan} from '../../../coordinator/protocol/plan/plan.ts';
import {client, Harness, planOf, specOf} from '../leadHarness.ts';

const commit = (name: string): string => Buffer.from(name.padEnd(20, '.')).toString('hex').slice(0, 40);
const workspace: WorkspaceSource = {repositoryId: 'r-1', commit: commit('base'), bundles: []};
const git: Partial<Plan> = {workspace: {kind: 'git', setup: [], include: []}};

describe('Open sessions', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await Harness.open();
    await harness.fleet.add({
      id: 'a-1',
      work: ({taskId}) =>
        taskId === 'bad'
          ? {outcome: 'failed', failure: {kind: 'exit', message: 'no'}}
          : {outcome: 'succeeded', result: {summary: taskId, commit: commit(taskId)}},
    });
  });
  afterEach(() => harness.close());

  const start = (plan: Plan, open = true) =>
    harness.lead.startSession(
      {sessionId: 's-1', plan, workspace, keep: false, rehearsal: false, open},
      client,
    );
  const add = (id: string) =>
    harness.lead.controlSession(
      {
        sessionId: 's-1',
        action: {kind: 'addTasks', tasks: [specOf({id, retry: {max: 0, backoffMs: 0, maxBackoffMs: 0}})]},
      },
      client,
    );
  const close = () => harness.lead.controlSession({sessionId: 's-1', action: {kind: 'close'}}, client);

  it('outlive their tasks and their lead, and merge everything once they are closed', async () => {
    await start(planOf([], git));
    await add('one');
    await harness.untilTask('one', task => task.state === 'succeeded');
    assert.deepEqual(
      [(await harness.session()).state, (await harness.task('_result')).attempts],
      ['running', 0],
    );
    await harness.lead.stop();
    harness.lead = harness.newLead();
    harness.lead.start();
    await add('two');
    await harness.untilTask('two', task => task.state === 'succeeded');
    assert.equal((await close()).session.open, undefined);
    const ended = await harness.untilEnded();
    assert.deepEqual([ended.state, ended.counts.total, ended.open], ['succeeded', 3, undefined]);
    assert.equal((await harness.task('_result')).attempts, 1);
  });

  it('do not give their result up because a task failed, before they are closed', async () => {
    await start(planOf([], git));
    await add('bad');
    await harness.untilTask('bad', task => task.state === 'failed');
    await add('good');
    await harness.untilTask('good', task => task.state === 'succeeded');
    assert.equal((await harness.task('_result')).state, 'pending');
    await close();
    const ended = await harness.untilEnded();
    assert.deepEqual([ended.state, (await harness.task('_result')).state], ['failed', 'cancelled']);
  });

  it('end without a task, closed or cancelled', async () => {
    await start({...planOf([])});
    await close();
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    await harness.lead.startSession(
      {sessionId: 's-2', plan: planOf([]), keep: false, rehearsal: false, open: true},
      client,
    );
    await harness.lead.endSession({sessionId: 's-2', mode: 'cancel'}, client);
    assert.equal((await harness.untilEnded('s-2')).state, 'cancelled');
  });

  it('alone may have no tasks', async () => {
    await assert.rejects(start(planOf([]), false), error => isProtocolError(error, 'invalidParams'));
    await start(planOf([{id: 'one'}]), false);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    await assert.rejects(close(), /has ended/);
  });
});
