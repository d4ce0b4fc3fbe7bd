/** Ends of attempts are counted once, whoever leads, and faults lead to quarantine, against a real store. */
import assert from 'node:assert/strict';
import {LiveAttempts} from '../../coordinator/effects/liveAttempts.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AgentDirectory} from '../../coordinator/pool/agentDirectory.ts';
import {durationQuantile} from '../../coordinator/pool/agentHistory.ts';
import {AgentRegistry} from '../../coordinator/pool/agentRegistry.ts';
import {HistoryKeeper} from '../../coordinator/pool/historyKeeper.ts';
import {AgentRecord, openSlots} from '../../coordinator/protocol/model/agent.ts';
import {AgentHistoryPosition, AgentHistoryRecord} from '../../coordinator/protocol/model/agentHistory.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {AuditRecord} from '../../coordinator/protocol/model/facts.ts';
import {type Clock, systemClock} from '../../coordinator/runtime/clock.ts';
import {DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {AuditLog} from '../../coordinator/security/audit.ts';
import {exists, putRecord, readRecord, readRecords} from '../../coordinator/store/records.ts';
import type {Compare} from '../../coordinator/store/store.ts';
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

const FAULT: Partial<AttemptRecord> = {
  outcome: 'failed',
  failure: {kind: 'workspace', message: 'no space left on device'},
};
const LEAD = 'sys/lead-of-test';
const FENCE: Compare = exists(LEAD);

describe('the history of agents', () => {
  let test: TestStore;
  let owned: DisposableStore;
  let registry: AgentRegistry;
  let ahead: number;
  let number: number;
  const keepers: HistoryKeeper[] = [];

  /** The system's, `ahead` by what the test says. */
  const clock: Clock = {
    now: () => systemClock.now(),
    wallNow: () => systemClock.wallNow() + ahead,
    schedule: (delayMs, fire, options) => systemClock.schedule(Math.min(delayMs, 50), fire, options),
  };

  beforeEach(async () => {
    ahead = 0;
    number = 0;
    test = await openTestStore();
    owned = new DisposableStore();
    const parts = {store: test.store, tenant: TENANT, clock, logger: silentLogger};
    const attempts = owned.add(new LiveAttempts(parts));
    const directory = owned.add(new AgentDirectory({...parts, attempts}));
    const audit = new AuditLog({...parts, writerId: 'c-1'});
    registry = owned.add(
      new AgentRegistry({...parts, coordinatorId: 'c-1', directory, audit, settings: {leaseSeconds: 600}}),
    );
    await Promise.all([attempts.start(), directory.start()]);
    await registry.adopt();
    await test.store.txn({then: [putRecord(LEAD, {v: 1, principal: 'test'})]});
    await registry.register(registration('a-1', 'inc-0001'), agentPrincipal('a-1'));
  });

  afterEach(async () => {
    for (const keeper of keepers.splice(0)) keeper.end();
    await registry.stop();
    owned.dispose();
    await test.remove();
  });

  /** A lead of its own, with an audit chain of its own. */
  async function keeper(id: string): Promise<HistoryKeeper> {
    const parts = {store: test.store, tenant: TENANT, clock, logger: silentLogger};
    const audit = new AuditLog({...parts, writerId: id});
    const made = new HistoryKeeper({...parts, coordinatorId: id, audit, gatherMs: 5});
    keepers.push(made);
    made.begin(FENCE);
    await eventually(async () =>
      assert.ok(await readRecord(test.store, AgentHistoryPosition, keys.agentHistoryPosition)),
    );
    return made;
  }

  async function attempt(change: Partial<AttemptRecord>, taskClass = 'run:make'): Promise<void> {
    number += 1;
    const {attemptId} = await placeAttempt(test.store, {number, taskId: 'build'});
    await endAttempt(test.store, attemptId, {taskClass, endedAt: clock.wallNow(), ...change});
  }

  const history = async () =>
    (await readRecord(test.store, AgentHistoryRecord, keys.agentHistory('a-1')))?.value;
  const agent = async (): Promise<AgentRecord> => {
    const record = await readRecord(test.store, AgentRecord, keys.agent('a-1'));
    assert.ok(record);
    return record.value;
  };

  it('has counts and durations by class of task', async () => {
    await keeper('c-1');
    for (const activeMs of [100, 200, 300, 400]) await attempt({outcome: 'succeeded', activeMs});
    await attempt({outcome: 'failed', failure: {kind: 'exit', message: 'exit code 1'}});
    await attempt({outcome: 'lost'}, 'prompt:development');
    await attempt({outcome: 'cancelled'});
    await eventually(async () => {
      const classes = (await history())?.classes ?? [];
      assert.deepEqual(
        classes.map(({name, succeeded, failed, lost, meanMs}) => [name, succeeded, failed, lost, meanMs]),
        [
          ['run:make', 4, 1, 0, 250],
          ['prompt:development', 0, 0, 1, 0],
        ],
      );
      assert.equal(classes[0] && durationQuantile(classes[0], 0.5), 300);
    });
  });

  it('goes on where another lead stopped, and counts nothing twice', async () => {
    const first = await keeper('c-1');
    for (let n = 0; n < 10; n++) await attempt({outcome: 'succeeded', activeMs: 10});
    await eventually(async () => assert.ok((await history())?.classes[0]?.succeeded));
    first.end();
    for (let n = 0; n < 10; n++) await attempt({outcome: 'succeeded', activeMs: 10});
    await keeper('c-2');
    for (let n = 0; n < 10; n++) await attempt({outcome: 'succeeded', activeMs: 10});
    await eventually(async () => assert.equal((await history())?.classes[0]?.succeeded, 30));
  });

  it('is written by the lead only', async () => {
    await keeper('c-1');
    await test.store.txn({then: [{kind: 'delete', key: LEAD}]});
    for (let n = 0; n < 3; n++) await attempt(FAULT);
    await new Promise(resolve => setTimeout(resolve, 100));
    assert.equal(await history(), undefined);
    assert.equal((await agent()).quarantine, undefined);
  });

  it('puts an agent that fails by its own fault into quarantine, then on probation, then back', async () => {
    await keeper('c-1');
    for (let n = 0; n < 3; n++) await attempt(FAULT);
    await eventually(async () => {
      const held = await agent();
      assert.equal(held.quarantine?.kind, 'quarantined');
      assert.equal(held.instance.status, 'maintenance');
      assert.equal(openSlots(held), 0);
      assert.match(held.quarantine.reason, /3 faults .* no space left/);
    });
    const {records} = await readRecords(test.store, AuditRecord, keys.audit);
    assert.ok(
      records.some(({value}) => value.action === 'agent.quarantine' && value.subject === 'agent a-1'),
    );

    ahead = 301_000;
    await eventually(async () => {
      const tried = await agent();
      assert.deepEqual(
        [tried.quarantine?.kind, tried.instance.status, openSlots(tried)],
        ['probation', 'idle', 1],
      );
    });
    await attempt({outcome: 'succeeded', activeMs: 10});
    await attempt({outcome: 'succeeded', activeMs: 10});
    await eventually(async () => {
      const back = await agent();
      assert.deepEqual([back.quarantine, openSlots(back)], [undefined, 2]);
    });
    await attempt(FAULT);
    await eventually(async () => assert.equal((await history())?.classes[0]?.failed, 4));
    assert.equal((await agent()).quarantine, undefined, 'what has led to a quarantine is not counted again');
  });

  it('keeps an agent in quarantine when it starts anew, until a person releases it', async () => {
    await keeper('c-1');
    for (let n = 0; n < 3; n++) await attempt(FAULT);
    await eventually(async () => assert.equal((await agent()).quarantine?.kind, 'quarantined'));
    await registry.register(registration('a-1', 'inc-0002'), agentPrincipal('a-1'));
    assert.deepEqual([(await agent()).instance.status, openSlots(await agent())], ['maintenance', 0]);
    await assert.rejects(registry.release({agentId: 'a-1'}, agentPrincipal('a-1')), /agents do not release/);
    await registry.release({agentId: 'a-1'}, client);
    await eventually(async () => {
      const released = await agent();
      assert.deepEqual(
        [released.quarantine, released.instance.status, openSlots(released)],
        [undefined, 'idle', 2],
      );
    });
    ahead += 1000;
    for (let n = 0; n < 2; n++) await attempt(FAULT);
    await eventually(async () => assert.equal((await history())?.classes[0]?.failed, 5));
    assert.equal((await agent()).quarantine, undefined, 'what was before counts no more');
  });
});
