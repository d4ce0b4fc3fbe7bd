/** What is spent counts once: by attempts that the lead ended too, over changes of the lead, and never more is allotted than there is. */
import assert from 'node:assert/strict';
import type {TaskAssign} from '../../../coordinator/protocol/commands/attempt.ts';
import {SpendRecord} from '../../../coordinator/protocol/model/facts.ts';
import {NO_USAGE} from '../../../coordinator/protocol/usage.ts';
import {readRecords} from '../../../coordinator/store/records.ts';
import {done, type FakeAgent, failing, keys} from '../fakeFleet.ts';
import {client, Harness, planOf, promptWork} from '../leadHarness.ts';

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

describe('Allotments', () => {
  let harness: Harness;
  afterEach(() => harness.close());

  const prompts = (count: number) =>
    Array.from({length: count}, (_, index) => ({id: `p${index}`, work: promptWork}));
  const sum = (assigned: readonly TaskAssign[]): number =>
    assigned.reduce((usd, {budgetUsd = Number.NaN}) => usd + budgetUsd, 0);

  it('gives prompts that run side by side no more than the budget in all, in equal shares', async () => {
    harness = await Harness.open();
    const agent = await harness.fleet.add({id: 'a-1', slots: 8, work: hang});
    await harness.start(planOf(prompts(8), {budgetUsd: 4}));
    await harness.fleet.until(() => agent.assigned.length === 8);
    for (const {budgetUsd} of agent.assigned) assert.ok(Math.abs((budgetUsd ?? 0) - 0.5) < 1e-9);
    assert.ok(sum(agent.assigned) < 4 + 1e-9);
  });

  it('gives agents that join one by one no more than the budget in all', async () => {
    harness = await Harness.open();
    await harness.start(planOf(prompts(8), {budgetUsd: 4}));
    const agents: FakeAgent[] = [];
    for (let n = 0; n < 4; n++) {
      const agent = await harness.fleet.add({id: `a-${n}`, work: hang});
      agents.push(agent);
      await harness.fleet.until(() => agent.assigned.length === 1);
    }
    assert.ok(sum(agents.flatMap(agent => agent.assigned)) < 4 + 1e-9);
  });

  it('holds prompts while everything is promised, and goes on with what the others left', async () => {
    harness = await Harness.open({allotmentFloorUsd: 2});
    const agent = await harness.fleet.add({id: 'a-1', slots: 4, work: hang});
    await harness.start(planOf(prompts(3), {budgetUsd: 4}));
    await harness.fleet.until(() => agent.assigned.length === 2);
    assert.deepEqual(
      agent.assigned.map(assign => assign.budgetUsd),
      [2, 2],
    );
    const tasks = () => Promise.all(['p0', 'p1', 'p2'].map(id => harness.task(id)));
    const shown = await harness.until(tasks, all => all.some(task => task.waitingFor?.kind === 'budget'));
    assert.match(
      shown.find(task => task.waitingFor)?.waitingFor?.message ?? '',
      /allotted to prompts that run/,
    );
    const [first] = agent.assigned;
    assert.ok(first);
    await agent.report(first, done, {...NO_USAGE, costUsd: 0.5});
    await harness.fleet.until(() => agent.assigned.length === 3);
    assert.equal(agent.assigned[2]?.budgetUsd, 1.5);
  });

  it('keeps a promise over a change of the lead', async () => {
    harness = await Harness.open({allotmentFloorUsd: 4});
    const agent = await harness.fleet.add({id: 'a-1', slots: 4, work: hang});
    await harness.start(planOf(prompts(2), {budgetUsd: 4}));
    await harness.fleet.until(() => agent.assigned.length === 1);
    await harness.lead.stop();
    harness.lead = harness.newLead();
    harness.lead.start();
    const tasks = () => Promise.all(['p0', 'p1'].map(id => harness.task(id)));
    await harness.until(tasks, all => all.some(task => task.waitingFor?.kind === 'budget'));
    assert.equal(agent.assigned.length, 1);
  });

  it('tries what ran out of its share again with more', async () => {
    harness = await Harness.open();
    const agent = await harness.fleet.add({id: 'a-1', slots: 4, work: hang});
    const tasks = prompts(4).map(task => ({...task, retry: {max: 0, backoffMs: 0, maxBackoffMs: 0}}));
    await harness.start(planOf(tasks, {budgetUsd: 8}));
    await harness.fleet.until(() => agent.assigned.length === 4);
    const [first, ...others] = agent.assigned;
    assert.ok(first);
    for (const other of others) await agent.report(other, done, {...NO_USAGE, costUsd: 0.5});
    await harness.untilSession(record => record.counts.succeeded === 3);
    await agent.report(first, failing('budget'), {...NO_USAGE, costUsd: 2});
    await harness.fleet.until(() => agent.assigned.length === 5);
    assert.equal(agent.assigned[4]?.budgetUsd, 4.5);
  });
});
