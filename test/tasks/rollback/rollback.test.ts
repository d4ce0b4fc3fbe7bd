/** What is undone, in which order, by whom it may be asked for, and that a lead which is killed in the middle is no hindrance. */
import assert from 'node:assert/strict';
import {memoryRecord} from '../../../coordinator/memory/memoryValue.ts';
import type {RollbackStrategy} from '../../../coordinator/protocol/context.ts';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import type {QualityGateConfig} from '../../../coordinator/protocol/gate.ts';
import {MemoryRecord, RefRecord} from '../../../coordinator/protocol/model/facts.ts';
import {MemoryConflictRecord} from '../../../coordinator/protocol/model/memory.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../../coordinator/protocol/model/session.ts';
import type {TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import {putRecord, readRecords} from '../../../coordinator/store/records.ts';
import {done, failing, keys, passed, type Work} from '../fakeFleet.ts';
import {client, Harness, planOf} from '../leadHarness.ts';

const commit = 'b'.repeat(40);
const once = {max: 0, backoffMs: 0, maxBackoffMs: 0};
const gate: QualityGateConfig = {
  name: 'check',
  type: 'command',
  command: 'check',
  onFailure: 'rollback',
  timeoutMs: 60_000,
};
const compensate = (scope: RollbackStrategy['scope'] = 'task'): RollbackStrategy => ({
  scope,
  compensate: 'undo',
});

describe('Rollback', () => {
  let harness: Harness;
  /** Tasks that were undone by their command, in order. */
  let undone: string[];
  beforeEach(async () => {
    harness = await Harness.open();
    undone = [];
  });
  afterEach(() => harness.close());

  const work: Work = ({taskId, task}) => {
    if (!taskId.startsWith('_undo-')) return {outcome: 'succeeded', result: {summary: taskId, commit}};
    assert.deepEqual(task.work, {kind: 'run', command: 'undo'});
    undone.push(taskId.slice('_undo-'.length));
    return done;
  };

  const rollBack = async (syncPoint?: string): Promise<SessionRecord> =>
    (await harness.lead.endSession({sessionId: 's-1', mode: 'rollback', syncPoint}, client)).session;

  const states = async (...ids: string[]): Promise<string[]> =>
    Promise.all(ids.map(async id => (await harness.task(id)).state));

  const refs = async (): Promise<string[]> =>
    (await readRecords(harness.store, RefRecord, keys.refs('s-1'))).records.map(({value}) => value.name);

  const chain = (): (Partial<TaskSpecification> & {id: string})[] => [
    {id: 'one', rollback: compensate()},
    {id: 'two', dependsOn: ['one']},
    {id: 'three', dependsOn: ['two'], rollback: compensate()},
  ];

  it('of a session that has succeeded undoes its tasks, the last first, and takes their results away', async () => {
    await harness.fleet.add({id: 'a-1', work});
    await harness.start(planOf(chain()));
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.deepEqual(await refs(), ['one', 'three', 'two']);
    assert.equal((await rollBack()).state, 'ending');
    const session = await harness.untilSession(({state}) => state === 'rolledBack');
    assert.deepEqual(undone, ['three', 'one']);
    assert.deepEqual(await states('one', 'two', 'three'), ['rolledBack', 'rolledBack', 'rolledBack']);
    assert.deepEqual(await refs(), []);
    assert.equal(session.result, undefined);
    assert.equal(session.failure, 'rolled back: 3 tasks are undone');
    assert.equal(session.rollback?.by, client.id);
    assert.deepEqual(
      harness.audited.map(({action}) => action).filter(action => action.startsWith('session.roll')),
      ['session.rollback', 'session.rolledBack'],
    );
    // Asked again, nothing more is done.
    assert.equal((await rollBack()).state, 'rolledBack');
  });

  it('of a running session stops what runs before anything is undone', async () => {
    const running = deferred<void>();
    const agent = await harness.fleet.add({
      id: 'a-1',
      work: (assign, self) => {
        if (assign.taskId === 'two') {
          running.resolve();
          return undefined;
        }
        if (assign.taskId === '_undo-one') assert.deepEqual(self.cancelled, ['s-1.two.1']);
        return work(assign, self);
      },
    });
    await harness.start(planOf(chain()));
    await running.promise;
    await rollBack();
    assert.equal((await harness.untilEnded()).state, 'rolledBack');
    assert.deepEqual(undone, ['one']);
    assert.deepEqual(await states('one', 'two', 'three'), ['rolledBack', 'cancelled', 'cancelled']);
    assert.deepEqual(agent.cancelled, ['s-1.two.1']);
  });

  it('of a running session can be done again, with what it stopped and what had not begun', async () => {
    const running = deferred<void>();
    await harness.fleet.add({
      id: 'a-1',
      work: (assign, self) => {
        if (assign.attemptId !== 's-1.two.1') return work(assign, self);
        running.resolve();
        return undefined;
      },
    });
    await harness.start(planOf(chain()));
    await running.promise;
    await rollBack();
    assert.equal((await harness.untilEnded()).state, 'rolledBack');
    await harness.lead.controlSession({sessionId: 's-1', action: {kind: 'resume'}}, client);
    const session = await harness.untilSession(({state}) => FINAL_SESSION_STATES.has(state));
    assert.equal(session.state, 'succeeded', session.failure);
    assert.deepEqual(await states('one', 'two', 'three'), ['succeeded', 'succeeded', 'succeeded']);
  });

  it('to a synchronisation point undoes what is behind it, which can be done again', async () => {
    await harness.fleet.add({id: 'a-1', work});
    const [one, ...others] = chain();
    const tasks = [{...one, id: 'one', syncPoint: {name: 'ready'}}, ...others];
    await harness.start(planOf(tasks));
    await harness.untilEnded();
    await assert.rejects(rollBack('raedy'), (error: Error) => {
      assert.match(error.message, /no synchronisation point "raedy"; it has ready. Nothing was undone/);
      return isProtocolError(error, 'invalidParams');
    });
    await rollBack('ready');
    const session = await harness.untilSession(({state}) => state === 'rolledBack');
    assert.match(session.failure ?? '', /to the synchronisation point "ready": 2 tasks/);
    assert.deepEqual(undone, ['three']);
    assert.deepEqual(await states('one', 'two', 'three'), ['succeeded', 'rolledBack', 'rolledBack']);
    await harness.lead.controlSession({sessionId: 's-1', action: {kind: 'resume'}}, client);
    assert.equal((await harness.untilSession(({state}) => state === 'succeeded')).rollback, undefined);
    assert.deepEqual(
      (await Promise.all(['one', 'two', 'three'].map(id => harness.attempts(id)))).map(({length}) => length),
      [1, 2, 2],
    );
    // What was done again is undone again, and nothing twice.
    await rollBack('ready');
    await harness.untilSession(({state}) => state === 'rolledBack');
    assert.deepEqual(undone, ['three', 'three']);
  });

  it('is gone on with by the next lead, and no step that is done is done again', async () => {
    const reached = deferred<void>();
    const release = deferred<void>();
    await harness.fleet.add({
      id: 'a-1',
      work: async (assign, self) => {
        if (assign.taskId === '_undo-one') {
          reached.resolve();
          await release.promise;
        }
        return work(assign, self);
      },
    });
    await harness.start(planOf(chain()));
    await harness.untilEnded();
    await rollBack();
    await reached.promise;
    await harness.changeLead();
    release.resolve();
    await harness.untilSession(({state}) => state === 'rolledBack');
    assert.deepEqual(undone, ['three', 'one']);
    assert.equal((await harness.attempts('_undo-one')).length, 1);
  });

  it('says which compensation did not succeed, and undoes the others', async () => {
    await harness.fleet.add({
      id: 'a-1',
      work: (assign, self) =>
        assign.taskId === '_undo-three' ? failing('exit', 'the shop is closed') : work(assign, self),
    });
    await harness.start(planOf(chain()));
    await harness.untilEnded();
    await rollBack();
    const session = await harness.untilSession(({state}) => state === 'rolledBack');
    assert.match(session.failure ?? '', /three: its compensation did not succeed: the shop is closed/);
    assert.deepEqual(undone, ['one']);
  });

  it('puts back what tasks wrote to shared memory, unless others have written since', async () => {
    const write = async (key: string, value: string | undefined, attemptId?: string): Promise<void> => {
      const at = keys.memoryKey('s-1', key);
      const more = {attemptId, instanceId: 'a-1'};
      await harness.store.txn({
        then:
          value === undefined
            ? [
                {kind: 'delete', key: at},
                putRecord(keys.memoryDeletion('s-1', key), {
                  v: 1,
                  principal: 'x',
                  timestamp: 1,
                  version: 1,
                  ...more,
                }),
              ]
            : [putRecord(at, memoryRecord(value, 'x', 1, more))],
      });
    };
    const there = async (): Promise<Record<string, unknown>> => {
      const {records} = await readRecords(harness.store, MemoryRecord, keys.memory('s-1'));
      return Object.fromEntries(
        records.map(({key, value}) => [key.slice(keys.memory('s-1').length), value.value]),
      );
    };
    const writing: Work = async (assign, self) => {
      const {taskId, attemptId} = assign;
      if (taskId === 'one') {
        await write('first', 'of one', attemptId);
        await write('twice', 'of one', attemptId);
        await write('fresh', 'of one', attemptId);
        await write('theirs', 'of one', attemptId);
      }
      if (taskId === 'two') {
        await write('twice', 'of two', attemptId);
        await write('twice', 'of two again', attemptId);
        await write('gone', undefined, attemptId);
      }
      return work(assign, self);
    };
    await write('first', 'at first');
    await write('twice', 'at first');
    await write('gone', 'at first');
    await write('theirs', 'at first');
    await write('untouched', 'at first');
    await harness.fleet.add({id: 'a-1', work: writing});
    await harness.start(
      planOf(chain().map(task => (task.id === 'one' ? {...task, syncPoint: {name: 'ready'}} : task))),
    );
    await harness.untilEnded();
    await write('theirs', 'of a person');
    await rollBack('ready');
    await harness.untilSession(({state}) => state === 'rolledBack');
    assert.deepEqual(await there(), {
      first: 'of one',
      twice: 'of one',
      fresh: 'of one',
      gone: 'at first',
      theirs: 'of a person',
      untouched: 'at first',
    });
    await rollBack();
    await harness.untilSession(
      ({state, rollback}) => state === 'rolledBack' && rollback?.syncPoint === undefined,
    );
    assert.deepEqual(await there(), {
      first: 'at first',
      twice: 'at first',
      gone: 'at first',
      theirs: 'of a person',
      untouched: 'at first',
    });
    const {records} = await readRecords(harness.store, MemoryConflictRecord, keys.memoryConflicts('s-1'));
    assert.deepEqual(
      records.map(({value: {key, reason, mine, theirs, base}}) => [
        key,
        reason,
        mine.value,
        base?.value,
        theirs.value,
      ]),
      [['theirs', 'rolledBack', 'at first', 'of one', 'of a person']],
    );
  });

  describe('by a gate', () => {
    const red = (name: string) => (config: QualityGateConfig, attemptId: string) => ({
      ...passed(config),
      passed: !attemptId.includes(`.${name}.`),
    });
    const plan = (rollback: RollbackStrategy | undefined) =>
      planOf([
        {id: 'one', rollback: compensate()},
        {id: 'two', dependsOn: ['one'], gates: [gate], retry: once, rollback},
        {id: 'three', dependsOn: ['two']},
        {id: 'aside', dependsOn: ['one']},
      ]);

    it('undoes the task alone: what depends on it is cancelled with the reason, the rest goes on', async () => {
      await harness.fleet.add({id: 'a-1', work, gate: red('two')});
      await harness.start(plan(compensate('task')));
      const session = await harness.untilEnded();
      assert.equal(session.state, 'failed');
      assert.match(session.failure ?? '', /1 rolled back: two/);
      assert.deepEqual(undone, ['two']);
      assert.deepEqual(await states('one', 'two', 'three', 'aside'), [
        'succeeded',
        'rolledBack',
        'cancelled',
        'succeeded',
      ]);
      assert.match((await harness.task('three')).failure?.message ?? '', /did not succeed: two/);
      assert.equal((await harness.task('two')).failure?.kind, 'gate');
    });

    it('takes the session with it', async () => {
      await harness.fleet.add({id: 'a-1', work, gate: red('two')});
      await harness.start(plan(compensate('session')));
      const session = await harness.untilEnded();
      assert.equal(session.state, 'rolledBack');
      assert.match(session.failure ?? '', /task two: gate "check" failed/);
      assert.ok(undone.includes('two') && undone.at(-1) === 'one', undone.join());
    });

    it('undoes nothing where the strategy is none', async () => {
      await harness.fleet.add({id: 'a-1', work, gate: red('two')});
      await harness.start(plan({scope: 'none', compensate: 'undo'}));
      assert.equal((await harness.untilEnded()).state, 'failed');
      assert.deepEqual(undone, []);
      assert.equal((await harness.task('two')).state, 'failed');
    });

    it('on the merged result rolls the session back', async () => {
      await harness.fleet.add({id: 'a-1', work, gate: red('_result')});
      await harness.start(planOf(chain(), {gates: [gate]}));
      assert.equal((await harness.untilEnded()).state, 'rolledBack');
      assert.deepEqual(undone, ['three', 'one']);
    });
  });
});

describe('Synchronisation points', () => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  const tasks = (timeoutMs?: number): (Partial<TaskSpecification> & {id: string})[] => [
    {id: 'left', syncPoint: {name: 'both', ...(timeoutMs === undefined ? {} : {timeoutMs})}},
    {id: 'right', syncPoint: {name: 'both'}},
    {id: 'behind', dependsOn: ['left'], after: ['right']},
  ];

  it('let nobody go on before all have arrived', async () => {
    const release = deferred<void>();
    const agent = await harness.fleet.add({
      id: 'a-1',
      slots: 4,
      work: async ({taskId}) => {
        if (taskId === 'right') await release.promise;
        return done;
      },
    });
    await harness.start(planOf(tasks()));
    await harness.untilTask('left', ({state}) => state === 'succeeded');
    assert.equal((await harness.task('behind')).state, 'pending');
    assert.ok(!agent.assigned.some(({taskId}) => taskId === 'behind'));
    release.resolve();
    assert.equal((await harness.untilEnded()).state, 'succeeded');
  });

  it('fail who does not arrive in time', async () => {
    await harness.fleet.add({
      id: 'a-1',
      slots: 4,
      work: ({taskId}) => (taskId === 'right' ? undefined : done),
    });
    await harness.start(planOf(tasks(20)));
    assert.equal((await harness.untilEnded()).state, 'failed');
    const {failure} = await harness.task('right');
    assert.deepEqual(failure?.kind, 'timeout');
    assert.match(failure?.message ?? '', /did not arrive at the synchronisation point "both"/);
    assert.equal((await harness.task('behind')).state, 'cancelled');
  });
});
