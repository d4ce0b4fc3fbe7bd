/** The first task of a newly joined agent: on a real store, with agents that answer. */
import assert from 'node:assert/strict';
import type {TaskAssign} from '../../../coordinator/protocol/commands/attempt.ts';
import {SessionRecord} from '../../../coordinator/protocol/model/session.ts';
import {NO_USAGE} from '../../../coordinator/protocol/usage.ts';
import {readRecords} from '../../../coordinator/store/records.ts';
import {expiredSessions} from '../../../coordinator/tasks/sessions/retention.ts';
import {done, type FakeAgent, keys} from '../fakeFleet.ts';
import {Harness, planOf, promptWork} from '../leadHarness.ts';
import {sessionOf} from '../nodes.ts';

const COST_USD = 0.02;

describe('Calibration of agents', () => {
  let harness: Harness;
  afterEach(() => harness.close());

  /** Works for so long, as the clock says, and spends something on prompts. */
  const takes = (ms: number) => ({
    work: async ({task, attemptId}: TaskAssign, agent: FakeAgent) => {
      const [session] = attemptId.split('.');
      await harness.untilTask(task.id, ({state}) => state === 'running', session);
      harness.clock.jump(ms);
      const [assign] = agent.assigned.slice(-1);
      if (assign && task.work.kind === 'prompt')
        await agent.report(assign, done, {...NO_USAGE, costUsd: COST_USD});
      return task.work.kind === 'prompt' ? undefined : done;
    },
  });
  const sessions = async () =>
    (await readRecords(harness.store, SessionRecord, keys.sessions)).records.map(({value}) => value);
  const untilCalibrated = async (id: string) => {
    const list = await harness.until(sessions, all =>
      all.some(({calibrates, state}) => calibrates === id && state === 'succeeded'),
    );
    return list.find(({calibrates}) => calibrates === id) as SessionRecord;
  };

  it('measures each new agent within its money, which is seen in a session, and teaches placement who is faster', async () => {
    harness = await Harness.open({calibrationUsd: 0.25});
    await harness.fleet.add({id: 'slow', ...takes(60_000)});
    const slow = await untilCalibrated('slow');
    await harness.fleet.add({id: 'fast', ...takes(2000)});
    const fast = await untilCalibrated('fast');
    for (const {budgetUsd, spentUsd, name, calibrates} of [slow, fast])
      assert.deepEqual([budgetUsd, spentUsd, name], [0.25, COST_USD, `calibration of ${calibrates}`]);
    const [attempt] = await harness.attempts('calibrate', fast.id);
    assert.deepEqual([attempt?.agentId, attempt?.placement?.taskClass], ['fast', 'calibration-prompt']);
    assert.ok((attempt?.budgetUsd ?? 1) <= 0.25);
    // What a session of a person is told of the two.
    await harness.start(planOf([{id: 'one', work: promptWork}]));
    await harness.untilEnded();
    await harness.lead.stop();
    const learned = (await harness.store.range(keys.learned)).kvs.map(({value}) => JSON.parse(value));
    const agents: {id: string; effect: readonly number[]}[] = learned.flatMap(({state}) => state.agents);
    const meanOf = (id: string) => agents.find(agent => agent.id === id)?.effect[0] ?? 0;
    assert.ok(meanOf('fast') < meanOf('slow') - 0.1, `${meanOf('fast')} against ${meanOf('slow')}`);
    // The next lead knows them: nobody is asked again.
    harness.lead = harness.newLead();
    harness.lead.start();
    await harness.start(planOf([{id: 'one'}]), {id: 's-2'});
    await harness.untilEnded('s-2');
    assert.equal((await sessions()).filter(({calibrates}) => calibrates !== undefined).length, 2);
  });

  it('costs nothing on agents that take no prompts, and leaves alone those that are not for everybody', async () => {
    harness = await Harness.open({calibrationUsd: 0.25});
    const claude = {kind: 'disabled'};
    await harness.fleet.add({id: 'mine', metadata: {claude, reservedFor: 's-1'}});
    await harness.fleet.add({id: 'script', metadata: {claude, rehearsal: true}});
    await harness.fleet.add({id: 'shell', metadata: {claude}, ...takes(500)});
    const {spentUsd} = await untilCalibrated('shell');
    assert.equal(spentUsd, 0);
    assert.deepEqual(
      (await sessions()).map(({calibrates}) => calibrates),
      ['shell'],
    );
  });

  it('is not done unless a setting gives money for it', async () => {
    harness = await Harness.open({});
    await harness.fleet.add({id: 'a-1'});
    await harness.start(planOf([{id: 'one'}]));
    await harness.untilEnded();
    assert.equal((await sessions()).length, 1);
  });

  it('pushes nothing out that people want to see', async () => {
    harness = await Harness.open({});
    const {record} = sessionOf(planOf([{id: 'one'}]));
    const ended = (id: string, calibrates?: string): SessionRecord => ({
      ...{...record, id, calibrates, state: 'succeeded', endedAt: 1000},
    });
    const many = Array.from({length: 200}, (_, index) => ended(`c-${index}`, `a-${index}`));
    const expired = expiredSessions([...many, ended('s-1'), ended('s-2')], 2, 0).map(({id}) => id);
    assert.ok(!expired.includes('s-1') && !expired.includes('s-2'));
    assert.equal(expired.length, 198);
  });
});
