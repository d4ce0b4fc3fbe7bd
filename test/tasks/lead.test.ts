/** The lead on a real store, with agents that answer through it: what becomes of sessions. */
import assert from 'node:assert/strict';
import {isProtocolError, ProtocolError} from '../../coordinator/protocol/errors.ts';
import type {GateEvidence, QualityGateConfig} from '../../coordinator/protocol/gate.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import {done, failing, keys, passed, succeed} from './fakeFleet.ts';
import {client, Harness, planOf, promptWork} from './leadHarness.ts';

const gate = (name: string, onFailure: 'fail' | 'retry'): QualityGateConfig => ({
  name,
  type: 'command',
  command: 'npm test',
  onFailure,
  timeoutMs: 5000,
});

const red = (one: QualityGateConfig): GateEvidence => ({
  gate: one.name,
  passed: false,
  exitCode: 1,
  output: '3 tests are red',
  durationMs: 5,
});

describe('Lead', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  describe('starting', () => {
    it('runs a diamond in order and ends the session as succeeded', async () => {
      const agent = await harness.fleet.add({id: 'a-1', slots: 2});
      const plan = planOf([
        {id: 'top'},
        {id: 'left', dependsOn: ['top']},
        {id: 'right', dependsOn: ['top']},
        {id: 'bottom', dependsOn: ['left', 'right']},
      ]);
      const {created, session} = await harness.start(plan);
      assert.equal(created, true);
      assert.equal(session.counts.total, 4);
      const ended = await harness.untilEnded();
      assert.equal(ended.state, 'succeeded');
      assert.equal(ended.counts.succeeded, 4);
      const order = agent.assigned.map(assign => assign.taskId);
      assert.equal(order[0], 'top');
      assert.equal(order[3], 'bottom');
      assert.deepEqual([...order.slice(1, 3)].sort(), ['left', 'right']);
      assert.deepEqual((await harness.store.range(keys.lives)).kvs, []);
    });

    it('answers a repeated start with the session that runs, another plan under its id with a conflict', async () => {
      const plan = planOf([{id: 'one'}]);
      const answers = await Promise.all([harness.start(plan), harness.start(plan)]);
      assert.deepEqual(answers.map(answer => answer.created).sort(), [false, true]);
      await assert.rejects(harness.start(planOf([{id: 'two'}])), error => isProtocolError(error, 'conflict'));
      await harness.fleet.add({id: 'a-1'});
      await harness.untilEnded();
      assert.equal((await harness.start(plan)).created, false);
    });

    it('refuses unknown strategies, circles and reserved ids before anything is stored', async () => {
      const refusals = [
        [planOf([{id: 'one'}], {strategy: 'oracle'}), /round-robin, capability-weighted/],
        [
          planOf([
            {id: 'one', dependsOn: ['two']},
            {id: 'two', dependsOn: ['one']},
          ]),
          /circle/,
        ],
        [planOf([{id: '_one'}]), /"_one"/],
        [planOf([{id: 'one', gates: [gate('g', 'fail'), gate('g', 'retry')]}]), /two gates are called "g"/],
        [planOf([{id: 'one'}], {gates: [gate('g', 'fail'), gate('g', 'fail')]}), /two gates are called "g"/],
        [planOf([{id: 'one', secrets: ['MCPX_TOKEN']}]), /"MCPX_TOKEN"/],
        [planOf([{id: 'one', dependsOn: ['none']}]), /"none"/],
      ] as const;
      for (const [plan, message] of refusals)
        await assert.rejects(
          harness.start(plan),
          error => isProtocolError(error) && message.test(error.message),
        );
      assert.deepEqual((await harness.store.range(keys.base)).kvs, []);
    });
  });

  describe('failures of the work', () => {
    it('retries with backoff and hands the failure to the next attempt', async () => {
      const agent = await harness.fleet.add({
        id: 'a-1',
        work: ({number}) => (number === 1 ? failing('exit', 'exit code 2') : done),
      });
      await harness.start(planOf([{id: 'one'}]));
      const ended = await harness.untilEnded();
      assert.equal(ended.state, 'succeeded');
      assert.equal(agent.assigned[1]?.previous?.message, 'exit code 2');
      const task = await harness.task('one');
      assert.deepEqual([task.attempts, task.retries, task.losses], [2, 1, 0]);
      assert.equal(agent.assigned[0]?.taskKey, agent.assigned[1]?.taskKey);
    });

    it('fails the task at the cap, cancels what depends on it and lets the rest go on', async () => {
      await harness.fleet.add({
        id: 'a-1',
        work: assign => (assign.taskId === 'bad' ? failing('exit', 'exit code 2') : done),
      });
      await harness.start(
        planOf([
          {id: 'bad'},
          {id: 'after', dependsOn: ['bad']},
          {id: 'last', dependsOn: ['after']},
          {id: 'other'},
        ]),
      );
      const ended = await harness.untilEnded();
      assert.equal(ended.state, 'failed');
      assert.match(ended.failure ?? '', /bad \(exit: exit code 2\)/);
      assert.deepEqual([ended.counts.succeeded, ended.counts.failed, ended.counts.cancelled], [1, 1, 2]);
      assert.equal((await harness.task('last')).failure?.kind, 'dependency');
      assert.equal((await harness.task('bad')).attempts, 2);
    });

    it('moves to another agent when the machine is at fault, without spending a retry', async () => {
      const broken = await harness.fleet.add({id: 'a-broken', work: () => failing('auth')});
      await harness.fleet.add({id: 'a-good'});
      await harness.start(
        planOf([{id: 'one', retry: {max: 0, backoffMs: 0, maxBackoffMs: 0}}], {strategy: 'round-robin'}),
      );
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal(broken.assigned.length, 1);
      assert.deepEqual(
        (await harness.attempts('one')).map(attempt => [attempt.agentId, attempt.failure?.kind]),
        [
          ['a-broken', 'auth'],
          ['a-good', undefined],
        ],
      );
      assert.equal((await harness.task('one')).retries, 0);
    });

    it('never spends a retry on a rate limit', async () => {
      await harness.fleet.add({
        id: 'a-1',
        work: assign => (assign.number <= 3 ? failing('rateLimit') : done),
      });
      await harness.start(planOf([{id: 'one', retry: {max: 0, backoffMs: 0, maxBackoffMs: 0}}]));
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.deepEqual([(await harness.task('one')).retries, (await harness.task('one')).attempts], [0, 4]);
    });
  });

  describe('gates', () => {
    it('accepts only after every gate passed, and keeps the evidence', async () => {
      const asked: string[] = [];
      await harness.fleet.add({
        id: 'a-1',
        gate: one => {
          asked.push(one.name);
          return passed(one);
        },
      });
      await harness.start(planOf([{id: 'one', gates: [gate('lint', 'fail'), gate('test', 'fail')]}]));
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.deepEqual(asked, ['lint', 'test']);
      const [attempt] = await harness.attempts('one');
      assert.deepEqual(
        attempt?.gates?.map(evidence => [evidence.gate, evidence.passed]),
        [
          ['lint', true],
          ['test', true],
        ],
      );
    });

    it('retries with the evidence when a gate says so', async () => {
      const agent = await harness.fleet.add({
        id: 'a-1',
        gate: (one, attemptId) => (attemptId.endsWith('.1') ? red(one) : passed(one)),
      });
      await harness.start(planOf([{id: 'one', gates: [gate('test', 'retry')]}]));
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      const previous = agent.assigned[1]?.previous;
      assert.match(previous?.message ?? '', /gate "test" failed with exit code 1\n3 tests are red/);
      assert.equal(previous?.gates[0]?.output, '3 tests are red');
      assert.equal((await harness.attempts('one'))[0]?.failure?.kind, 'gate');
    });

    it('asks again when no verdict arrives in time, for silence says nothing of the gate', async () => {
      let asked = 0;
      const agent = await harness.fleet.add({
        id: 'a-1',
        gate: one => {
          asked += 1;
          if (asked === 1) throw new ProtocolError('timeout', 'nobody answered');
          if (asked === 2) throw new ProtocolError('agentDisconnected', 'nobody is there');
          return passed(one);
        },
      });
      await harness.start(planOf([{id: 'one', gates: [gate('test', 'fail')]}]));
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.deepEqual([asked, agent.assigned.length], [3, 1]);
    });

    it('keeps a finished, paid result whose gates run when the budget is spent', async () => {
      const agent = await harness.fleet.add({id: 'a-1', gate: passed});
      agent.work = assign => {
        void agent.report(assign, done, {...NO_USAGE, costUsd: 2});
        return undefined;
      };
      const tasks = [{id: 'one', work: promptWork, budgetUsd: 1.5, gates: [gate('test', 'fail')]}];
      await harness.start(planOf(tasks, {budgetUsd: 1}));
      await harness.untilTask('one', task => task.state === 'succeeded');
      assert.equal((await harness.task('one')).attempts, 1);
    });

    it('fails the task at once when a gate says so', async () => {
      await harness.fleet.add({id: 'a-1', gate: red});
      await harness.start(planOf([{id: 'one', gates: [gate('test', 'fail')]}]), {keep: true});
      const ended = await harness.untilEnded();
      assert.equal(ended.state, 'failed');
      assert.equal((await harness.task('one')).attempts, 1);
      assert.equal((await harness.task('one')).gates?.[0]?.passed, false);
    });

    it('keeps the worktrees of every attempt when the session keeps', async () => {
      const agent = await harness.fleet.add({
        id: 'a-1',
        gate: (one, attemptId) => (attemptId.endsWith('.1') ? red(one) : passed(one)),
      });
      await harness.start(planOf([{id: 'one', work: promptWork, gates: [gate('test', 'retry')]}]), {
        keep: true,
      });
      await harness.untilEnded();
      await harness.fleet.until(() => agent.released.length === 2);
      assert.deepEqual(agent.released, [
        {attemptId: 's-1.one.1', keep: true},
        {attemptId: 's-1.one.2', keep: true},
      ]);
    });
  });

  describe('agents', () => {
    it('says what nobody meets, and goes on when somebody does', async () => {
      await harness.fleet.add({id: 'a-1'});
      await harness.start(planOf([{id: 'one', requires: {capabilities: [{domain: 'security'}]}}]));
      const waiting = await harness.untilTask('one', task => task.waitingFor !== undefined);
      assert.equal(waiting.waitingFor?.kind, 'agent');
      assert.equal(waiting.waitingFor?.message, 'no connected agent has the capability "security"');
      assert.equal(waiting.state, 'ready');
      await harness.fleet.add({id: 'a-2', instance: {capabilities: [{domain: 'security'}]}});
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      const task = await harness.task('one');
      assert.deepEqual([task.waitingFor, task.losses, task.retries], [undefined, 0, 0]);
    });

    it("offers a refused attempt again, at nobody's cost", async () => {
      const agent = await harness.fleet.add({id: 'a-1'});
      agent.refuses = 'noSlot';
      await harness.start(planOf([{id: 'one'}]));
      await harness.untilTask('one', task => task.attempts >= 2);
      agent.refuses = undefined;
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      const [first] = await harness.attempts('one');
      assert.equal(first?.outcome, 'cancelled');
      assert.deepEqual([(await harness.task('one')).retries, (await harness.task('one')).losses], [0, 0]);
    });

    it('sends an assignment again until the agent can be reached', async () => {
      const agent = await harness.fleet.add({id: 'a-1'});
      agent.connected = false;
      await harness.start(planOf([{id: 'one'}]));
      await harness.untilTask('one', task => task.state === 'assigned');
      agent.connected = true;
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal((await harness.task('one')).attempts, 1);
    });

    it('gives commands to an agent whose account is paused', async () => {
      const pausedUntil = harness.clock.wallNow() + 3_600_000;
      const agent = await harness.fleet.add({id: 'a-1'});
      await agent.register({pausedUntil, pauseReason: 'limit', pausedBy: 'account'});
      await harness.start(planOf([{id: 'ask', work: promptWork}, {id: 'run'}]));
      await harness.untilTask('run', task => task.state === 'succeeded');
      const asked = await harness.untilTask('ask', task => task.waitingFor?.kind === 'rateLimit');
      assert.equal(asked.attempts, 0);
    });

    it('pauses prompts of an account at its limit, and nothing else', async () => {
      const agent = await harness.fleet.add({id: 'a-1', metadata: {account: 'team'}});
      const account = {
        v: 1,
        principal: 'x',
        account: 'team',
        pausedUntil: harness.clock.wallNow() + 3_600_000,
        reason: '5-hour limit',
      };
      const put = {kind: 'put', key: keys.account('team'), value: JSON.stringify(account)} as const;
      await harness.store.txn({then: [put]});
      await harness.start(planOf([{id: 'ask', work: promptWork}, {id: 'run'}]));
      const waiting = await harness.untilTask('ask', task => task.waitingFor !== undefined);
      assert.equal(waiting.waitingFor?.kind, 'rateLimit');
      assert.match(waiting.waitingFor?.message ?? '', /5-hour limit/);
      assert.deepEqual(
        agent.assigned.map(assign => assign.taskId),
        ['run'],
      );
      await harness.store.txn({then: [{kind: 'delete', key: put.key}]});
      assert.equal((await harness.untilEnded()).state, 'succeeded');
    });
  });

  it('lets another lead take over in mid-session without running anything twice', async () => {
    const agent = await harness.fleet.add({id: 'a-1', slots: 2, work: () => undefined});
    await harness.start(planOf([{id: 'one'}, {id: 'two'}, {id: 'three', dependsOn: ['one', 'two']}]));
    await harness.fleet.until(() => agent.assigned.length === 2);
    await harness.lead.stop();
    const [first, second] = agent.assigned;
    assert.ok(first && second);
    assert.equal(
      await agent.report(first, {outcome: 'succeeded', result: {summary: 'while nobody led'}}),
      true,
    );
    harness.lead = harness.newLead();
    harness.lead.start();
    await harness.untilTask(first.taskId, task => task.state === 'succeeded');
    agent.work = succeed;
    assert.equal(await agent.report(second, {outcome: 'succeeded', result: {summary: 'later'}}), true);
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.deepEqual(agent.assigned.map(assign => assign.attemptId).sort(), [
      's-1.one.1',
      's-1.three.1',
      's-1.two.1',
    ]);
  });

  it('has one lead at a time, and the next one takes over when it stops', async () => {
    const other = harness.newLead('c-2');
    await harness.start(planOf([{id: 'one'}]));
    other.start();
    assert.equal(other.status().kind, 'following');
    const [first] = [harness.lead];
    harness.lead = other;
    await first.stop();
    await harness.fleet.add({id: 'a-1'});
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.equal(other.status().kind, 'leading');
    assert.equal((await harness.attempts('one'))[0]?.coordinator, 'c-2');
  });

  it('removes the tasks of a start that was cut off', async () => {
    await harness.lead.stop();
    const key = keys.task('s-cut', 'one');
    await harness.store.txn({then: [{kind: 'put', key, value: '{}'}]});
    harness.lead = harness.newLead();
    harness.lead.start();
    await harness.until(
      () => harness.store.get(key),
      kv => kv === undefined,
    );
  });

  it('audits starts, ends and controls', async () => {
    await harness.start(planOf([{id: 'one'}]));
    await harness.lead.controlSession({sessionId: 's-1', action: {kind: 'pause'}}, client);
    await harness.lead.endSession({sessionId: 's-1', mode: 'cancel', reason: 'enough'}, client);
    const ended = await harness.untilEnded();
    assert.equal(ended.state, 'cancelled');
    assert.match(ended.failure ?? '', /enough/);
    assert.deepEqual(
      harness.audited.map(entry => entry.action),
      ['session.start', 'session.pause', 'session.cancel', 'session.finished'],
    );
  });
});
