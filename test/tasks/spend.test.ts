/** What is spent counts once: by attempts that the lead ended too, over changes of the lead, and never more is allotted than there is. */
import assert from 'node:assert/strict';
import {SpendRecord} from '../../coordinator/protocol/model/facts.ts';
import {readRecords} from '../../coordinator/store/records.ts';
import {type FakeAgent, keys} from './fakeFleet.ts';
import {client, Harness, planOf, promptWork} from './leadHarness.ts';

const hang = (): undefined => undefined;

describe('Spend of attempts that the lead ended', () => {
  let harness: Harness;
  let agent: FakeAgent;

  beforeEach(async () => {
    harness = await Harness.open({fleetBudgetUsdPerDay: 100});
    agent = await harness.fleet.add({id: 'a-1', slots: 2, work: hang});
  });
  afterEach(() => harness.close());

  async function begin(): Promise<FakeAgent['assigned']> {
    await harness.start(
      planOf([
        {id: 'one', work: promptWork},
        {id: 'two', work: promptWork},
      ]),
    );
    await harness.fleet.until(() => agent.assigned.length === 2);
    return [...agent.assigned].sort((a, b) => (a.taskId < b.taskId ? -1 : 1));
  }

  async function totals(): Promise<{task: number; session: number; day: number; marks: number}> {
    const {records} = await readRecords(harness.store, SpendRecord, `${keys.base}spend/`);
    return {
      task: (await harness.task('one')).usage.costUsd,
      session: (await harness.session()).spentUsd,
      day: records.reduce((sum, record) => sum + record.value.spentUsd, 0),
      marks: (await harness.store.range(keys.lateUsages)).kvs.length,
    };
  }

  const counted = (usd: number) =>
    harness.until(totals, now => now.marks === 0 && now.session === usd && now.day === usd);

  it('goes to task, session and day while the session runs, each increase once', async () => {
    const [one] = await begin();
    assert.ok(one);
    await agent.spend(one, 1);
    await harness.lead.controlSession(
      {sessionId: 's-1', action: {kind: 'cancelTask', taskId: 'one'}},
      client,
    );
    await agent.spendLate(one, 3);
    assert.equal((await counted(3)).task, 3);
    await agent.spendLate(one, 3);
    await agent.spendLate(one, 2);
    await agent.spendLate(one, 4);
    assert.equal((await counted(4)).task, 4);
  });

  it('goes to the totals of a session that has ended', async () => {
    const [one, two] = await begin();
    assert.ok(one && two);
    await harness.lead.endSession({sessionId: 's-1', mode: 'cancel'}, client);
    await harness.untilEnded();
    await Promise.all([agent.spendLate(one, 3), agent.spendLate(two, 2)]);
    assert.equal((await counted(5)).task, 3);
    assert.equal((await harness.session()).state, 'cancelled');
  });

  it('is counted by the next lead when nobody led, and once', async () => {
    const [one] = await begin();
    assert.ok(one);
    await harness.lead.controlSession(
      {sessionId: 's-1', action: {kind: 'cancelTask', taskId: 'one'}},
      client,
    );
    await harness.lead.stop();
    await agent.spendLate(one, 3);
    for (let term = 0; term < 3; term++) {
      harness.lead = harness.newLead();
      harness.lead.start();
      assert.equal((await counted(3)).task, 3);
      await harness.lead.stop();
    }
    harness.lead = harness.newLead();
    harness.lead.start();
  });

  it('stops a session whose budget it exceeds', async () => {
    const [one] = await begin();
    assert.ok(one);
    await harness.lead.controlSession({sessionId: 's-1', action: {kind: 'budget', budgetUsd: 2}}, client);
    await harness.lead.controlSession(
      {sessionId: 's-1', action: {kind: 'cancelTask', taskId: 'one'}},
      client,
    );
    await agent.spendLate(one, 2.5);
    const paused = await harness.untilSession(record => record.state === 'paused');
    assert.equal(paused.pauseReason, 'budget');
  });

  it('is kept when the session is taken up again at the same time', async () => {
    const [one] = await begin();
    assert.ok(one);
    await harness.lead.endSession({sessionId: 's-1', mode: 'cancel'}, client);
    await harness.untilEnded();
    await agent.spendLate(one, 3);
    await harness.lead.controlSession({sessionId: 's-1', action: {kind: 'resume'}}, client);
    assert.equal((await counted(3)).task, 3);
  });
});
