/** What people do to single tasks: retry with a note, reassign; over changes of the lead too. Gates are gateControls.test.ts. */
import assert from 'node:assert/strict';
import type {SessionControl} from '../../../coordinator/protocol/commands/session.ts';
import type {GateEvidence, QualityGateConfig} from '../../../coordinator/protocol/gate.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import {done, failing, passed} from '../fakeFleet.ts';
import {client, Harness, planOf} from '../leadHarness.ts';

const hang = (): undefined => undefined;
const once = {max: 0, backoffMs: 0, maxBackoffMs: 0};
const gate = (name: string, onFailure: 'fail' | 'retry' = 'fail'): QualityGateConfig => ({
  name,
  type: 'command',
  command: `check ${name}`,
  onFailure,
  timeoutMs: 60_000,
});

describe('Controls of one task', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  describe('retry', () => {
    it('gives the note to every attempt from then on, and shows it', async () => {
      let healthy = false;
      const agent = await harness.fleet.add({
        id: 'a-1',
        work: ({number}) => (healthy && number > 2 ? done : failing('exit')),
      });
      await harness.start(planOf([{id: 'bad', retry: once}]));
      await harness.untilEnded();
      healthy = true;
      await harness.control({kind: 'retryTask', taskId: 'bad', note: 'Use the old API.'});
      await harness.untilTask('bad', task => task.attempts === 2 && task.state === 'failed');
      await harness.untilEnded();
      await harness.changeLead();
      await harness.control({kind: 'retryTask', taskId: 'bad'});
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.deepEqual(
        agent.assigned.map(({note, previous}) => [note, previous?.message]),
        [
          [undefined, undefined],
          ['Use the old API.', 'it failed'],
          ['Use the old API.', 'it failed'],
        ],
      );
      const {note} = await harness.task('bad');
      assert.deepEqual([note?.text, note?.by], ['Use the old API.', client.id]);
      assert.deepEqual(harness.auditedAs('session.retryTask')[0], [
        client.id,
        {kind: 'retryTask', taskId: 'bad', note: 'Use the old API.'},
      ]);
    });

    it('takes a note for a task that waits for its next try, which begins at once', async () => {
      const slow = {max: 3, backoffMs: 600_000, maxBackoffMs: 600_000};
      const agent = await harness.fleet.add({
        id: 'a-1',
        work: ({number}) => (number > 1 ? done : failing('exit')),
      });
      await harness.start(planOf([{id: 'bad', retry: slow}]));
      await harness.untilTask('bad', task => task.waitingFor?.kind === 'backoff');
      await harness.control({kind: 'retryTask', taskId: 'bad', note: 'Now.'});
      await harness.untilEnded();
      assert.equal(agent.assigned[1]?.note, 'Now.');
    });

    it('refuses a task that has succeeded', async () => {
      const agent = await harness.fleet.add({
        id: 'a-1',
        slots: 2,
        work: ({taskId}) => (taskId === 'slow' ? undefined : done),
      });
      await harness.start(planOf([{id: 'good'}, {id: 'slow'}]));
      await harness.untilTask('good', task => task.state === 'succeeded');
      await harness.refuses(
        {kind: 'retryTask', taskId: 'good', note: 'again'},
        'conflict',
        /is succeeded: there is nothing to retry/,
      );
      assert.equal(agent.assigned.length, 2);
    });
  });

  describe('reassign', () => {
    it('ends the running attempt at no cost and places the task on another agent', async () => {
      const first = await harness.fleet.add({id: 'a-1', work: hang});
      await harness.start(planOf([{id: 'one', retry: once, maxLosses: 0, onLost: 'fail'}]));
      await harness.fleet.until(() => first.assigned.length === 1);
      await harness.refuses(
        {kind: 'reassignTask', taskId: 'one'},
        'conflict',
        /no other connected agent fits/,
      );
      const second = await harness.fleet.add({id: 'a-2'});
      await harness.control({kind: 'reassignTask', taskId: 'one'});
      const ended = await harness.untilEnded();
      assert.equal(ended.state, 'succeeded');
      assert.deepEqual([first.assigned.length, second.assigned.length], [1, 1]);
      assert.equal(first.cancelled.length, 1);
      const task = await harness.task('one');
      assert.deepEqual([task.retries, task.losses, task.wished], [0, 0, undefined]);
      assert.deepEqual(
        (await harness.attempts('one')).map(({agentId, outcome}) => [agentId, outcome]),
        [
          ['a-1', 'cancelled'],
          ['a-2', 'succeeded'],
        ],
      );
      assert.deepEqual(harness.auditedAs('session.reassignTask').at(-1), [
        client.id,
        {kind: 'reassignTask', taskId: 'one'},
      ]);
    });

    it('waits for the named agent while it is busy, says so, over a change of the lead too', async () => {
      const first = await harness.fleet.add({id: 'a-1', work: hang});
      const second = await harness.fleet.add({id: 'a-2', work: hang});
      await harness.start(planOf([{id: 'one'}, {id: 'two'}]));
      await harness.fleet.until(() => first.assigned.length === 1 && second.assigned.length === 1);
      const [moving, staying] = [first.assigned[0], second.assigned[0]];
      assert.ok(moving && staying);
      await harness.control({kind: 'reassignTask', taskId: moving.taskId, agentId: 'a-2'});
      const waiting = await harness.untilTask(moving.taskId, task =>
        /free slot of agent a-2, where a person wants it/.test(task.waitingFor?.message ?? ''),
      );
      assert.deepEqual([waiting.state, waiting.waitingFor?.kind], ['ready', 'agent']);
      await harness.changeLead();
      await harness.untilTask(moving.taskId, task => task.waitingFor !== undefined);
      second.work = () => done;
      await second.report(staying, done);
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal(first.assigned.length, 1);
      assert.deepEqual(
        second.assigned.map(({taskId}) => taskId),
        [staying.taskId, moving.taskId],
      );
    });

    it('does not fall elsewhere when the named agent will not take it just then', async () => {
      const first = await harness.fleet.add({id: 'a-1', slots: 1, work: hang});
      await harness.start(planOf([{id: 'one'}]));
      await harness.fleet.until(() => first.assigned.length === 1);
      const second = await harness.fleet.add({id: 'a-2'});
      second.refuses = 'noSlot';
      await harness.control({kind: 'reassignTask', taskId: 'one', agentId: 'a-2'});
      await harness.untilTask('one', task => task.attempts === 3);
      second.refuses = undefined;
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal(first.assigned.length, 1);
    });

    it('is a wish for one attempt: what is lost after it began runs anywhere', async () => {
      const first = await harness.fleet.add({id: 'a-1', work: hang});
      await harness.start(planOf([{id: 'one'}]));
      await harness.fleet.until(() => first.assigned.length === 1);
      const second = await harness.fleet.add({id: 'a-2', work: hang});
      await harness.control({kind: 'reassignTask', taskId: 'one', agentId: 'a-2'});
      await harness.untilTask('one', task => task.state === 'running' && task.wished === undefined);
      first.work = () => done;
      await second.vanish();
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal((await harness.attempts('one')).at(-1)?.agentId, 'a-1');
    });

    it('brings a waiting task to an agent', async () => {
      await harness.fleet.add({
        id: 'a-1',
        work: ({taskId}) => (taskId === 'slow' ? undefined : failing('exit')),
      });
      const other = await harness.fleet.add({id: 'a-2', metadata: {tags: ['other']}});
      const slow = {max: 3, backoffMs: 600_000, maxBackoffMs: 600_000};
      await harness.fleet.agents.get('a-2')?.register({draining: true});
      await harness.start(planOf([{id: 'one', retry: slow}]));
      await harness.untilTask('one', task => task.waitingFor?.kind === 'backoff');
      await harness.refuses({kind: 'reassignTask', taskId: 'one'}, 'conflict', /no agent has task one/);
      await harness.refuses(
        {kind: 'reassignTask', taskId: 'one', agentId: 'a-2'},
        'conflict',
        /needs one that takes new work/,
      );
      await other.register();
      await harness.control({kind: 'reassignTask', taskId: 'one', agentId: 'a-2'});
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal((await harness.attempts('one')).at(-1)?.agentId, 'a-2');
    });

    it('names what is wrong and leaves the attempt alone', async () => {
      const agent = await harness.fleet.add({id: 'a-1', metadata: {tags: ['gpu']}, work: hang});
      await harness.fleet.add({id: 'a-2'});
      const away = await harness.fleet.add({id: 'a-3', metadata: {tags: ['gpu']}});
      await away.vanish();
      await harness.start(
        planOf([
          {id: 'one', requires: {tags: ['gpu']}},
          {id: 'two', dependsOn: ['one']},
        ]),
      );
      await harness.fleet.until(() => agent.assigned.length === 1);
      const to = (agentId: string, taskId = 'one'): SessionControl['action'] => ({
        kind: 'reassignTask',
        taskId,
        agentId,
      });
      await harness.refuses(to('a-9'), 'notFound', /there is no agent a-9/);
      await harness.refuses(
        to('a-2'),
        'conflict',
        /agent a-2 cannot take task one: it needs one that has the tag "gpu"/,
      );
      await harness.refuses(to('a-3'), 'conflict', /it is not connected/);
      await harness.refuses(to('a-2', 'two'), 'conflict', /waits for the tasks that it depends on/);
      await harness.refuses(to('a-1', 'nine'), 'notFound', /has no task "nine"/);
      assert.deepEqual(agent.cancelled, []);
      assert.equal((await harness.attempts('one')).length, 1);
    });

    it('does not take finished work away that is being checked', async () => {
      const verdict = deferred<GateEvidence>();
      await harness.fleet.add({id: 'a-1', gate: () => verdict.promise});
      await harness.fleet.add({id: 'a-2', gate: () => verdict.promise});
      await harness.start(planOf([{id: 'one', gates: [gate('slow')]}]));
      await harness.untilTask('one', task => task.state === 'verifying');
      await harness.refuses(
        {kind: 'reassignTask', taskId: 'one'},
        'conflict',
        /is done and is being checked/,
      );
      verdict.resolve(passed(gate('slow')));
      assert.equal((await harness.untilEnded()).state, 'succeeded');
    });
  });
});
