/** Registration, heartbeats and states of agents against a real store whose clock stands still until a test moves it. */
import assert from 'node:assert/strict';
import {LiveAttempts} from '../../coordinator/effects/liveAttempts.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AgentDirectory} from '../../coordinator/pool/agentDirectory.ts';
import {AgentRegistry} from '../../coordinator/pool/agentRegistry.ts';
import {HeartbeatWatch} from '../../coordinator/pool/heartbeatWatch.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import type {InstanceStatus} from '../../coordinator/protocol/instance.ts';
import {AgentLive, AgentRecord, openSlots} from '../../coordinator/protocol/model/agent.ts';
import {AuditRecord} from '../../coordinator/protocol/model/facts.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {AuditLog} from '../../coordinator/security/audit.ts';
import {readRecord} from '../../coordinator/store/records.ts';
import type {Store, StoreEvent} from '../../coordinator/store/store.ts';
import {
  agentPrincipal,
  client,
  endAttempt,
  keys,
  placeAttempt,
  registration,
  TENANT,
} from '../fixtures/attempts.ts';
import {eventually} from '../fixtures/eventually.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';

interface Coordinator {
  readonly registry: AgentRegistry;
  readonly directory: AgentDirectory;
  stop(): Promise<void>;
}

describe('agent registry', () => {
  let clock: ManualClock;
  let test: TestStore;
  let running: Coordinator[];

  const coordinator = async (id = 'c-1', store: Store = test.store): Promise<Coordinator> => {
    const owned = new DisposableStore();
    const parts = {store, tenant: TENANT, clock, logger: silentLogger};
    const attempts = owned.add(new LiveAttempts(parts));
    const directory = owned.add(new AgentDirectory({...parts, attempts}));
    const audit = new AuditLog({
      store,
      tenant: TENANT,
      writerId: id,
      clock,
      logger: silentLogger,
    });
    const registry = new AgentRegistry({
      store,
      tenant: TENANT,
      coordinatorId: id,
      directory,
      audit,
      clock,
      logger: silentLogger,
    });
    await attempts.start();
    await directory.start();
    await registry.adopt();
    const made: Coordinator = {
      registry,
      directory,
      async stop() {
        await registry.stop();
        await audit.idle();
        owned.dispose();
      },
    };
    running.push(made);
    return made;
  };

  beforeEach(async () => {
    clock = new ManualClock();
    running = [];
    test = await openTestStore({clock});
  });

  afterEach(async () => {
    for (const each of running) await each.stop();
    await test.remove();
  });

  const agent = agentPrincipal('a-1');
  const status = async (agentId = 'a-1'): Promise<InstanceStatus | undefined> =>
    (await readRecord(test.store, AgentRecord, keys.agent(agentId)))?.value.instance.status;
  /** Moves time on until the agent's record says so. */
  const reaches = (wanted: InstanceStatus, agentId = 'a-1'): Promise<void> =>
    eventually(async () => {
      clock.advance(1000);
      assert.equal(await status(agentId), wanted);
    });
  const beat = ({registry}: Coordinator, incarnation: string) =>
    registry.heartbeat({agentId: 'a-1', incarnation, sentAt: clock.wallNow()}, agent);
  const liveEvents = (): StoreEvent[] => {
    const events: StoreEvent[] = [];
    test.store.watch(keys.agentLives, {}, message => {
      if (message.kind === 'events') events.push(...message.events);
    });
    return events;
  };

  it('registers an agent under a lease that its heartbeats renew', async () => {
    const c = await coordinator();
    const registered = await c.registry.register(registration('a-1', 'inc-0001'), agent);
    assert.deepEqual(registered, {
      coordinator: 'c-1',
      store: test.store.status().incarnation,
      leaseSeconds: 10,
      heartbeatMs: 10_000 / 3,
      stale: [],
    });
    for (let n = 0; n < 10; n++) {
      clock.advance(5000);
      assert.equal((await beat(c, 'inc-0001')).status, 'ok');
    }
    assert.ok(await test.store.get(keys.agentLive('a-1')));
  });

  it('keeps lease and live key of a process that comes back in time', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    const before = await test.store.get(keys.agentLive('a-1'));
    const events = liveEvents();
    clock.advance(8000);
    const d = await coordinator('c-2');
    await d.registry.register(registration('a-1', 'inc-0001'), agent);
    clock.advance(8000);
    const after = await test.store.get(keys.agentLive('a-1'));
    assert.deepEqual([after?.createRevision, after?.lease], [before?.createRevision, before?.lease]);
    assert.deepEqual(
      events.filter(event => event.kind === 'delete'),
      [],
    );
    // Its watch tells it.
    await eventually(() => assert.rejects(beat(c, 'inc-0001'), error => isProtocolError(error, 'notFound')));
    assert.equal((await beat(d, 'inc-0001')).status, 'ok');
  });

  it('gives the id to the newer of two processes and tells the older one to stop', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    const events = liveEvents();
    await c.registry.register(registration('a-1', 'inc-0002'), agent);
    await assert.rejects(beat(c, 'inc-0001'), error => isProtocolError(error, 'conflict'));
    await assert.rejects(c.registry.register(registration('a-1', 'inc-0001'), agent), error =>
      isProtocolError(error, 'conflict'),
    );
    assert.equal((await beat(c, 'inc-0002')).status, 'ok');
    assert.deepEqual(
      events.map(({kind, kv}) => [kind, AgentLive.parse(JSON.parse(kv.value)).incarnation]),
      [['put', 'inc-0002']],
    );
  });

  it('lets exactly one of many processes have the id', async () => {
    const [c, d] = [await coordinator('c-1'), await coordinator('c-2')];
    const incarnations = Array.from({length: 8}, (_, n) => `inc-000${n}`);
    await Promise.allSettled(
      incarnations.map((incarnation, n) =>
        (n % 2 === 0 ? c : d).registry.register(registration('a-1', incarnation), agent),
      ),
    );
    const live = await readRecord(test.store, AgentLive, keys.agentLive('a-1'));
    const holder = live?.value.coordinator === 'c-1' ? c : d;
    await eventually(async () => {
      const answers = await Promise.allSettled(incarnations.map(incarnation => beat(holder, incarnation)));
      const winners = incarnations.filter((_, n) => answers[n]?.status === 'fulfilled');
      assert.deepEqual(winners, [live?.value.incarnation]);
    });
    clock.advance(9000);
    await beat(holder, live?.value.incarnation ?? '');
    clock.advance(9000);
    assert.ok(await test.store.get(keys.agentLive('a-1')), 'a lease of a loser took the winner along');
  });

  it('leaves a process that comes back as its lease ends either registered or told to register', async () => {
    const c = await coordinator();
    for (let round = 0; round < 25; round++) {
      await c.registry.register(registration('a-1', 'inc-0001'), agent);
      const before = (await test.store.get(keys.agentLive('a-1')))?.createRevision;
      clock.advance(9500);
      const again = c.registry.register(registration('a-1', 'inc-0001'), agent);
      // The lease ends somewhere between the look at it and the write under it.
      for (let turn = 0; turn < round % 5; turn++) await new Promise(resolve => setImmediate(resolve));
      clock.advance(1500);
      await again;
      const live = await test.store.get(keys.agentLive('a-1'));
      if (live?.createRevision === before) await beat(c, 'inc-0001');
      await eventually(async () => {
        try {
          await beat(c, 'inc-0001');
        } catch (error) {
          assert.ok(isProtocolError(error, 'notFound'));
          await c.registry.register(registration('a-1', 'inc-0001'), agent);
        }
        assert.equal(await status(), 'idle');
      });
      clock.advance(9000);
      await beat(c, 'inc-0001');
    }
  });

  it('names the held attempts whose fences have fallen', async () => {
    const c = await coordinator();
    const kept = await placeAttempt(test.store, {taskId: 'kept'});
    const ended = await placeAttempt(test.store, {taskId: 'ended'});
    await endAttempt(test.store, ended.attemptId, {outcome: 'lost'});
    const restored = await placeAttempt(test.store, {taskId: 'restored'});
    const attempts = [kept, ended, {...restored, fence: {...restored.fence, store: 'before'}}].map(
      ({attemptId, fence}) => ({attemptId, fence, state: 'running' as const}),
    );
    const {stale} = await c.registry.register(registration('a-1', 'inc-0001', {attempts}), agent);
    assert.deepEqual(stale, [ended.attemptId, restored.attemptId]);
  });

  it('says which finished attempts a process still has to report, and no others', async () => {
    const c = await coordinator();
    const live = async () => (await readRecord(test.store, AgentLive, keys.agentLive('a-1')))?.value.finished;
    const done = await placeAttempt(test.store, {taskId: 'done'});
    const ended = await placeAttempt(test.store, {taskId: 'ended'});
    await endAttempt(test.store, ended.attemptId, {outcome: 'lost'});
    const works = await placeAttempt(test.store, {taskId: 'works'});
    const held = (of: typeof done, state: 'running' | 'finished') => ({
      attemptId: of.attemptId,
      fence: of.fence,
      state,
    });
    const attempts = [held(done, 'finished'), held(ended, 'finished'), held(works, 'running')];
    await c.registry.register(registration('a-1', 'inc-0001', {attempts}), agent);
    assert.deepEqual(await live(), [done.attemptId]);
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    assert.equal(await live(), undefined);
  });

  it('marks an agent that fell silent, and takes it back', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    await reaches('unreachable');
    clock.advance(10_000);
    await assert.rejects(beat(c, 'inc-0001'), error => isProtocolError(error, 'notFound'));
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    assert.equal(await status(), 'idle');
    assert.equal((await beat(c, 'inc-0001')).status, 'ok');
  });

  it('holds a punctual agent that falls silent unreachable before its lease ends, and takes it back at a word', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    for (let n = 0; n < 20; n++) {
      clock.advance(3333);
      await beat(c, 'inc-0001');
    }
    assert.equal(await status(), 'idle');
    clock.advance(7000);
    await eventually(async () => {
      clock.advance(10);
      assert.equal(await status(), 'unreachable');
    });
    assert.ok(await test.store.get(keys.agentLive('a-1')), 'its lease stands');
    const silent = (await readRecord(test.store, AgentRecord, keys.agent('a-1')))?.value;
    assert.ok(silent);
    assert.equal(openSlots(silent), 0);
    assert.match(silent.trouble ?? '', /no heartbeat for \d/);
    assert.equal(silent.transition, 'silence');
    assert.equal((await beat(c, 'inc-0001')).status, 'ok');
    await reaches('idle');
    const back = (await readRecord(test.store, AgentRecord, keys.agent('a-1')))?.value;
    assert.deepEqual([back?.trouble, back?.transition], [undefined, 'return']);
  });

  it('suspects nobody of a silence that was its own', async () => {
    const jumping = new ManualClock();
    const stood = new HeartbeatWatch(3333, {clock: jumping, logger: silentLogger}, () => undefined);
    stood.start();
    stood.registered('a-1');
    for (let n = 0; n < 20; n++) {
      jumping.advance(3333);
      stood.heard('a-1');
    }
    // As one timer sees it that fires late: the time in between was nobody's.
    const {now} = jumping;
    jumping.now = () => now.call(jumping) + 60_000;
    jumping.advance(500);
    assert.equal(stood.troubleOf('a-1'), undefined);
    jumping.advance(10_000);
    assert.match(stood.troubleOf('a-1') ?? '', /no heartbeat/);
    stood.dispose();
  });

  it('tells a goodbye from a loss', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    await c.registry.goodbye({agentId: 'a-1', incarnation: 'inc-0000', reason: 'of another process'}, agent);
    assert.ok(await test.store.get(keys.agentLive('a-1')));
    await c.registry.goodbye({agentId: 'a-1', incarnation: 'inc-0001', reason: 'stopped'}, agent);
    assert.equal(await test.store.get(keys.agentLive('a-1')), undefined);
    clock.advance(30_000);
    assert.equal(await status(), 'offline');
    const departed = async () =>
      (await readRecord(test.store, AgentRecord, keys.agent('a-1')))?.value.departed;
    assert.equal(await departed(), 'inc-0001');
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    assert.equal(await departed(), undefined);
  });

  it('gives agents a whole lease to come back after a restart of the coordinator, and marks those that do not', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    clock.advance(8000);
    await c.stop();
    await test.reopen();
    const again = await coordinator();
    clock.advance(8000);
    assert.ok(await test.store.get(keys.agentLive('a-1')));
    await assert.rejects(beat(again, 'inc-0001'), error => isProtocolError(error, 'notFound'));
    await again.registry.register(registration('a-1', 'inc-0001'), agent);
    assert.equal((await beat(again, 'inc-0001')).status, 'ok');
    await reaches('unreachable');
  });

  it("gives no time to another coordinator's agents when it starts", async () => {
    const c = await coordinator('c-1');
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    clock.advance(9000);
    await coordinator('c-2');
    clock.advance(4000);
    await eventually(async () =>
      assert.equal(
        await test.store.get(keys.agentLive('a-1')),
        undefined,
        'its lease of ten seconds is over',
      ),
    );
  });

  it('follows the load of an agent in its status', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001', {slots: 2}), agent);
    const beats = setInterval(() => void beat(c, 'inc-0001').catch(() => undefined), 5);
    try {
      await placeAttempt(test.store, {taskId: 'one'});
      await reaches('active');
      await placeAttempt(test.store, {taskId: 'two'});
      await reaches('busy');
      await endAttempt(test.store, 's-1.one.1', {outcome: 'succeeded'});
      await endAttempt(test.store, 's-1.two.1', {outcome: 'succeeded'});
      await reaches('idle');
    } finally {
      clearInterval(beats);
    }
  });

  it('drains an agent and says so in its heartbeat and the audit log', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    await c.registry.drain({agentId: 'a-1', drain: true}, client);
    assert.equal((await beat(c, 'inc-0001')).status, 'draining');
    assert.equal(await status(), 'maintenance');
    const {kvs} = await test.store.range(keys.audit);
    const audited = kvs.map(({value}) => AuditRecord.parse(JSON.parse(value)));
    assert.deepEqual(
      audited.map(({action, principal}) => [action, principal]),
      [
        ['audit.opened', 'coordinator:c-1'],
        ['agent.join', 'agent:a-1'],
        ['agent.drain', 'client:ada'],
      ],
    );
    await c.registry.drain({agentId: 'a-1', drain: false}, client);
    assert.equal(await status(), 'idle');
  });

  it('sends a live agent away after its attempts, and does not let the process in again', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    await placeAttempt(test.store, {taskId: 'last'});
    await eventually(async () => assert.equal(c.directory.get('a-1')?.running, 1));
    const away: string[] = [];
    c.registry.onRemoved(agentId => away.push(agentId));
    await c.registry.remove({agentId: 'a-1'}, client);
    assert.equal(await status(), 'maintenance');
    await endAttempt(test.store, 's-1.last.1', {outcome: 'succeeded'});
    await eventually(async () => {
      clock.advance(1000);
      assert.deepEqual(away, ['a-1']);
    });
    assert.equal(await test.store.get(keys.agent('a-1')), undefined);
    assert.equal(await test.store.get(keys.agentLive('a-1')), undefined);
    await assert.rejects(c.registry.register(registration('a-1', 'inc-0001'), agent), error =>
      isProtocolError(error, 'forbidden'),
    );
    await c.registry.register(registration('a-1', 'inc-0002'), agent);
  });

  it('forgets an agent that is gone', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    await c.registry.goodbye({agentId: 'a-1', incarnation: 'inc-0001', reason: 'stopped'}, agent);
    await assert.rejects(c.registry.remove({agentId: 'a-1'}, agent), error =>
      isProtocolError(error, 'forbidden'),
    );
    await c.registry.remove({agentId: 'a-1'}, client);
    assert.equal(await test.store.get(keys.agent('a-1')), undefined);
    await assert.rejects(c.registry.remove({agentId: 'a-1'}, client), error =>
      isProtocolError(error, 'notFound'),
    );
  });

  it('keeps an agent while the store has no majority', async () => {
    let away = false;
    const store = new Proxy(test.store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (name === 'keepAlive' && away)
          return () => Promise.reject(new CoordinatorError('unavailable', 'no majority'));
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    const c = await coordinator('c-1', store);
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    away = true;
    assert.equal((await beat(c, 'inc-0001')).status, 'degraded');
    away = false;
    assert.equal((await beat(c, 'inc-0001')).status, 'ok');
  });

  it('keeps the health of an agent and writes it now and then', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    const health = async () =>
      (await readRecord(test.store, AgentRecord, keys.agent('a-1')))?.value.instance.healthcheck;
    for (let n = 0; n < 20; n++) {
      clock.advance(3000);
      await c.registry.heartbeat(
        // The agent's clock is an hour behind; every other heartbeat is 200 ms late.
        {agentId: 'a-1', incarnation: 'inc-0001', sentAt: clock.wallNow() - 3_600_000 - (n % 2) * 200},
        agent,
      );
    }
    clock.advance(1000);
    await eventually(async () => {
      const now = await health();
      assert.ok(now && now.lastSeen >= clock.wallNow() - 60_000);
      assert.ok(now.responseTime > 40 && now.responseTime < 160, `${now.responseTime}`);
      assert.ok(now.errorRate < 0.1);
    });
    for (let n = 0; n < 20; n++) c.registry.observe('a-1', {ok: false});
    assert.equal((await beat(c, 'inc-0001')).status, 'degraded');
  });

  it('writes what an agent has done with its health, from the process that has the id only', async () => {
    const c = await coordinator();
    await c.registry.register(registration('a-1', 'inc-0001'), agent);
    const report = (incarnation: string, succeeded: number) => {
      const counters = {'attempts.succeeded': succeeded, 'attempts.succeededMs': 9000, 'usage.costUsd': 0.5};
      c.registry.measured({agentId: 'a-1', incarnation, counters, attempts: []}, agent);
    };
    report('inc-0001', 3);
    report('inc-0000', 8);
    await eventually(async () => {
      clock.advance(3000);
      await beat(c, 'inc-0001');
      const record = await readRecord(test.store, AgentRecord, keys.agent('a-1'));
      assert.deepEqual(record?.value.instance.metadata.performanceMetrics, {
        attemptsSucceeded: 3,
        attemptsFailed: 0,
        meanDurationMs: 3000,
        costUsd: 0.5,
        inputTokens: 0,
        outputTokens: 0,
      });
    });
  });

  it('lets an agent speak for itself only', async () => {
    const c = await coordinator();
    for (const principal of [client, agentPrincipal('a-2')])
      await assert.rejects(c.registry.register(registration('a-1', 'inc-0001'), principal), error =>
        isProtocolError(error, 'forbidden'),
      );
  });
});
