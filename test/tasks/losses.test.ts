/** Silent, dead and returning agents: what is lost, what is not, and what it costs. */
import assert from 'node:assert/strict';
import {ProtocolError} from '../../coordinator/protocol/errors.ts';
import {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import {delay, systemClock} from '../../coordinator/runtime/clock.ts';
import {putRecord, readRecords} from '../../coordinator/store/records.ts';
import {done, type FakeAgent, keys, passed, succeed} from './fakeFleet.ts';
import {Harness, planOf} from './leadHarness.ts';

const hang = (): undefined => undefined;

describe('Losses', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  /** A session of one task that `a-1` has and does not finish. */
  async function running(task: Parameters<typeof planOf>[0][number] = {id: 'one'}): Promise<FakeAgent> {
    const agent = await harness.fleet.add({id: 'a-1', work: hang});
    await harness.start(planOf([task]));
    await harness.fleet.until(() => agent.assigned.length === 1);
    return agent;
  }

  /** Several ticks of the lead. */
  async function ticksPass(): Promise<void> {
    const hubTime = (): number => {
      const status = harness.lead.status();
      return status.kind === 'leading' ? status.hubTimeMs : 0;
    };
    const began = hubTime();
    while (hubTime() < began + 100) await delay(systemClock, 10);
  }

  async function answer(kind: 'allow' | 'deny'): Promise<ApprovalRecord> {
    const records = await harness.until(
      async () => (await readRecords(harness.store, ApprovalRecord, keys.approvals('s-1'))).records,
      found => found.some(record => record.value.state.kind === 'waiting'),
    );
    const waiting = records.find(record => record.value.state.kind === 'waiting');
    assert.ok(waiting);
    const state = {kind: 'answered', answer: {kind}, by: 'client:test', at: 0};
    await harness.store.txn({then: [putRecord(waiting.key, {...waiting.value, state})]});
    return waiting.value;
  }

  /** gastown#4698: a zombie did merged work again. */
  it('replaces the attempt of a silent agent after the grace, and refuses the zombie', async () => {
    const zombie = await running();
    await zombie.vanish();
    await harness.fleet.add({id: 'a-2'});
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    const [first, second] = await harness.attempts('one');
    assert.deepEqual([first?.outcome, second?.agentId, second?.outcome], ['lost', 'a-2', 'succeeded']);
    const task = await harness.task('one');
    assert.deepEqual([task.losses, task.retries, task.attempts], [1, 0, 2]);
    const [assign] = zombie.assigned;
    assert.ok(assign);
    assert.equal(await zombie.report(assign, done), false);
  });

  it('marks the attempts of a silent agent and keeps them when it returns in time', async () => {
    const agent = await running();
    await agent.vanish();
    const attempt = (): Promise<number | undefined> =>
      harness.attempts('one').then(([first]) => first?.unreachableSince);
    await harness.until(attempt, since => since !== undefined);
    await agent.register();
    await harness.until(attempt, since => since === undefined);
    const [assign] = agent.assigned;
    assert.ok(assign);
    assert.equal(await agent.report(assign, done), true);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.deepEqual([(await harness.task('one')).losses, (await harness.task('one')).attempts], [0, 1]);
  });

  it('counts no time while nobody else fits', async () => {
    const agent = await running();
    await agent.vanish();
    const status = harness.lead.status();
    assert.ok(status.kind === 'leading');
    const began = status.hubTimeMs;
    await new Promise<void>(resolve => {
      const timer = setInterval(() => {
        const now = harness.lead.status();
        if (now.kind === 'leading' && now.hubTimeMs > began + 300) {
          clearInterval(timer);
          resolve();
        }
      }, 10);
    });
    await agent.register();
    const [assign] = agent.assigned;
    assert.ok(assign);
    assert.equal(await agent.report(assign, done), true);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.equal((await harness.task('one')).losses, 0);
  });

  /** multica#6305: a partition of two hours burnt every retry. */
  it('returns the loss when the same incarnation comes back after its replacement', async () => {
    const first = await running();
    await first.vanish();
    const second = await harness.fleet.add({id: 'a-2', work: hang});
    await harness.untilTask('one', task => task.losses === 1);
    await first.register();
    await harness.untilTask('one', task => task.losses === 0);
    await harness.fleet.until(() => second.assigned.length === 1);
    const [assign] = second.assigned;
    assert.ok(assign);
    assert.equal(await second.report(assign, done), true);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
  });

  it('gives an attempt up at once when its agent starts anew', async () => {
    const agent = await running();
    agent.incarnation = 'a-1-second';
    agent.work = succeed;
    await agent.register();
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    const attempts = await harness.attempts('one');
    assert.deepEqual(
      attempts.map(attempt => [attempt.agentIncarnation, attempt.outcome]),
      [
        ['a-1-first', 'lost'],
        ['a-1-second', 'succeeded'],
      ],
    );
  });

  it('waits for the completion that a restarted agent has, and takes it', async () => {
    const agent = await running();
    const [assign] = agent.assigned;
    assert.ok(assign);
    agent.incarnation = 'a-1-second';
    await agent.register({}, [assign.attemptId]);
    await ticksPass();
    assert.equal(await agent.report(assign, done), true);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    const task = await harness.task('one');
    assert.deepEqual([task.attempts, task.losses], [1, 0]);
  });

  it('waits for such a completion no longer than its grace', async () => {
    await harness.close();
    harness = await Harness.open({reportGraceMs: 50});
    const agent = await running();
    const [assign] = agent.assigned;
    assert.ok(assign);
    agent.incarnation = 'a-1-second';
    agent.work = succeed;
    await agent.register({}, [assign.attemptId]);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.deepEqual(
      (await harness.attempts('one')).map(attempt => attempt.outcome),
      ['lost', 'succeeded'],
    );
  });

  it('gives an attempt up when the restarted agent has its report and not its worktree', async () => {
    const gate = {name: 'g', type: 'command', command: 'x', onFailure: 'fail', timeoutMs: 1000} as const;
    const agent = await running({id: 'one', gates: [gate]});
    const [assign] = agent.assigned;
    assert.ok(assign);
    agent.incarnation = 'a-1-second';
    agent.work = succeed;
    agent.gate = (one, attemptId) => {
      if (attemptId === assign.attemptId) throw new ProtocolError('notFound', 'unknown here');
      return passed(one);
    };
    await agent.register({}, [assign.attemptId]);
    assert.equal(await agent.report(assign, done), true);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.deepEqual(
      (await harness.attempts('one')).map(attempt => attempt.outcome),
      ['lost', 'succeeded'],
    );
  });

  it('replaces the attempts of an agent that said goodbye without any grace', async () => {
    await harness.close();
    harness = await Harness.open({lossGraceMs: 3_600_000});
    const agent = await running();
    await agent.goodbye();
    await harness.untilTask('one', task => task.losses === 1);
    await harness.fleet.add({id: 'a-2'});
    assert.equal((await harness.untilEnded()).state, 'succeeded');
  });

  it('finds at its start that an agent was replaced while nobody led', async () => {
    const agent = await running();
    await harness.lead.stop();
    agent.incarnation = 'a-1-second';
    agent.work = succeed;
    await agent.register();
    harness.lead = harness.newLead();
    harness.lead.start();
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.equal((await harness.task('one')).losses, 1);
  });

  it('takes a completion that came just before the agent fell silent', async () => {
    const agent = await running();
    const [assign] = agent.assigned;
    assert.ok(assign);
    await harness.lead.stop();
    assert.equal(await agent.report(assign, done), true);
    await agent.vanish();
    harness.lead = harness.newLead();
    harness.lead.start();
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.equal((await harness.task('one')).attempts, 1);
  });

  it('runs the task again when its agent dies in the middle of the gates', async () => {
    const agent = await harness.fleet.add({id: 'a-1'});
    const gate = {name: 'test', type: 'command', command: 'x', onFailure: 'fail', timeoutMs: 1000} as const;
    let gated = 0;
    agent.gate = one => {
      gated += 1;
      if (agent.connected) void agent.vanish();
      return {gate: one.name, passed: true, exitCode: 0, output: '', durationMs: 0};
    };
    // The verdict of an agent counts even if it dies right after: silence it before the gate is asked instead.
    agent.work = async assign => {
      await agent.report(assign, done);
      await agent.vanish();
      return undefined;
    };
    await harness.start(planOf([{id: 'one', gates: [gate]}]));
    await harness.untilTask('one', task => task.state === 'verifying');
    await harness.fleet.add({id: 'a-2'});
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.equal(gated, 0);
    assert.deepEqual(
      (await harness.attempts('one')).map(attempt => attempt.outcome),
      ['lost', 'succeeded'],
    );
  });

  it('parks the task at the cap and lets a person decide to run it again', async () => {
    const agent = await running({id: 'one', maxLosses: 0});
    agent.incarnation = 'a-1-second';
    agent.work = succeed;
    await agent.register();
    const parked = await harness.untilTask('one', task => task.waitingFor?.kind === 'person');
    assert.equal(parked.state, 'ready');
    const asked = await answer('allow');
    assert.equal(asked.request.kind === 'decision' && asked.request.subject, 'losses');
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.equal((await harness.task('one')).attempts, 2);
  });

  it('stays parked over a change of the lead, and fails when a person declines', async () => {
    const agent = await running({id: 'one', onLost: 'ask'});
    agent.incarnation = 'a-1-second';
    await agent.register();
    await harness.untilTask('one', task => task.waitingFor?.kind === 'person');
    await harness.lead.stop();
    const asked = await answer('deny');
    assert.equal(asked.request.kind === 'decision' && asked.request.subject, 'onLost');
    harness.lead = harness.newLead();
    harness.lead.start();
    const ended = await harness.untilEnded();
    assert.equal(ended.state, 'failed');
    assert.equal((await harness.task('one')).failure?.kind, 'losses');
    assert.equal((await harness.task('one')).attempts, 1);
  });

  it('fails a task that must not run twice', async () => {
    const agent = await running({id: 'one', onLost: 'fail'});
    agent.incarnation = 'a-1-second';
    await agent.register();
    assert.equal((await harness.untilEnded()).state, 'failed');
    assert.deepEqual(
      [(await harness.task('one')).failure?.kind, (await harness.task('one')).attempts],
      ['losses', 1],
    );
  });
});

describe('Losses after a sleep of the machine', () => {
  it('loses nothing when ten minutes pass in one step', async () => {
    const harness = await Harness.open({lossGraceMs: 5000});
    try {
      const agent = await harness.fleet.add({id: 'a-1', work: () => undefined});
      await harness.start(planOf([{id: 'one'}]));
      await harness.fleet.until(() => agent.assigned.length === 1);
      await harness.fleet.add({id: 'a-2'});
      const before = harness.lead.status();
      harness.clock.jump(600_000);
      await agent.vanish();
      await harness.until(
        () => harness.attempts('one'),
        ([attempt]) => attempt?.unreachableSince !== undefined,
      );
      const after = harness.lead.status();
      assert.ok(before.kind === 'leading' && after.kind === 'leading');
      assert.ok(after.hubTimeMs - before.hubTimeMs < 5000);
      await agent.register();
      const [assign] = agent.assigned;
      assert.ok(assign);
      assert.equal(await agent.report(assign, done), true);
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal((await harness.task('one')).losses, 0);
    } finally {
      await harness.close();
    }
  });
});
