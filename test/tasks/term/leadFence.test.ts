/** Leads that sleep past their lease while another one leads, and wake: the store refuses whatever they had under way, and they follow. */
import assert from 'node:assert/strict';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import {LeadRecord} from '../../../coordinator/protocol/model/facts.ts';
import {SYSTEM_KEYS} from '../../../coordinator/protocol/model/keys.ts';
import {delay, systemClock} from '../../../coordinator/runtime/clock.ts';
import {seededRandom} from '../../../coordinator/runtime/random.ts';
import {readRecord, storedRecord} from '../../../coordinator/store/records.ts';
import type {Compare, StoreEvent} from '../../../coordinator/store/store.ts';
import type {Lead} from '../../../coordinator/tasks/lead.ts';
import type {LeadDuty} from '../../../coordinator/tasks/leadDuty.ts';
import {found} from '../../support/waiting.ts';
import {done, keys, succeed} from '../fakeFleet.ts';
import {client, Harness, planOf} from '../leadHarness.ts';
import {SleepingProcess} from '../sleepingProcess.ts';

const PATIENCE_MS = 30_000;
/** The shortest that there is. */
const SETTINGS = {leadTtlSeconds: 1};

const untilLeads = (lead: Lead) =>
  found(() => (lead.status().kind === 'leading' ? true : undefined), PATIENCE_MS, 'the lead');
const untilFollows = (lead: Lead, whom: string) =>
  found(
    () => {
      const status = lead.status();
      return status.kind === 'following' && status.lead === whom ? true : undefined;
    },
    PATIENCE_MS,
    `a follower of ${whom}`,
  );

/** Remembers what it was told. */
class Duty implements LeadDuty {
  readonly told: string[] = [];
  fence: Compare | undefined;

  begin(fence: Compare): void {
    this.fence = fence;
    this.told.push('begin');
  }

  end(): void {
    this.told.push('end');
  }

  async flush(): Promise<void> {
    this.told.push('flush');
  }
}

describe('a lead that lost its lease', function () {
  this.timeout(120_000);
  let harness: Harness;
  let others: Lead[] = [];

  beforeEach(async () => {
    harness = await Harness.open(SETTINGS);
    await harness.lead.stop();
    others = [];
  });
  afterEach(async () => {
    for (const lead of others) await lead.stop();
    await harness.close();
  });

  it('is refused by every transaction that it had under way, follows, and may lead again', async () => {
    const process = new SleepingProcess(harness.store);
    const duty = new Duty();
    const sleeper = harness.newLead('c-1', process.store, process.clock, [duty]);
    harness.lead = sleeper;
    sleeper.start();
    const agent = await harness.fleet.add({id: 'a-1', slots: 2, work: () => undefined});
    await harness.start(planOf([{id: 'one'}, {id: 'two'}, {id: 'three', dependsOn: ['one']}, {id: 'four'}]));
    await harness.fleet.until(() => agent.assigned.length === 2);
    const [first, second] = agent.assigned;
    assert.ok(first && second);

    process.sleep();
    process.sent = [];
    const command = sleeper.controlSession({sessionId: 's-1', action: {kind: 'pause'}}, client);
    const refused = assert.rejects(command, error => isProtocolError(error, 'unavailable'));
    const next = harness.newLead('c-2', harness.store, systemClock);
    others.push(next);
    next.start();
    await untilLeads(next);
    agent.work = succeed;
    assert.ok(await agent.report(first, done));
    await harness.untilTask(first.taskId, task => task.state === 'succeeded');

    process.wake();
    await refused;
    await untilFollows(sleeper, 'c-2');
    assert.ok(process.sent.length > 0, 'it had something under way');
    assert.deepEqual(
      process.sent.filter(({succeeded}) => succeeded),
      [],
      'nothing of it took effect',
    );
    assert.deepEqual(duty.told, ['begin', 'end']);
    assert.equal((await harness.session()).state, 'running', 'the pause was refused');

    assert.ok(await agent.report(second, done));
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.deepEqual(
      agent.assigned.map(({attemptId}) => attemptId).sort(),
      ['s-1.four.1', 's-1.one.1', 's-1.three.1', 's-1.two.1'],
      'each task was assigned once',
    );
    await next.stop();
    await untilLeads(sleeper);
    assert.deepEqual(duty.told, ['begin', 'end', 'begin']);
    assert.ok(duty.fence);
    const held = await harness.store.get(SYSTEM_KEYS.lead);
    assert.deepEqual(duty.fence, {
      key: SYSTEM_KEYS.lead,
      target: 'create',
      op: '=',
      operand: held?.createRevision,
    });
    await sleeper.stop();
    assert.deepEqual(duty.told, ['begin', 'end', 'begin', 'flush', 'end']);
    harness.lead = harness.newLead();
  });

  for (const seed of [1, 2])
    it(`leaves a plan with every task assigned and accepted once, whoever sleeps and wakes, seed ${seed}`, async () => {
      const random = seededRandom(seed);
      const ids = ['c-1', 'c-2', 'c-3'];
      const processes = new Map(ids.map(id => [id, new SleepingProcess(harness.store)]));
      const leads = ids.map(id => {
        const process = processes.get(id);
        assert.ok(process);
        return harness.newLead(id, process.store, process.clock);
      });
      others.push(...leads);
      for (const lead of leads) lead.start();
      const chain = Array.from({length: 16}, (_, at) => ({
        id: `t-${at}`,
        dependsOn: at < 2 ? [] : [`t-${at - 2}`],
      }));
      await found(
        () => (leads.some(lead => lead.status().kind === 'leading') ? true : undefined),
        PATIENCE_MS,
        'a lead',
      );
      harness.lead = leads.find(lead => lead.status().kind === 'leading') ?? harness.lead;
      const agent = await harness.fleet.add({
        id: 'a-1',
        slots: 2,
        work: async () => {
          await delay(systemClock, 200 + random.next() * 600);
          return done;
        },
      });
      const events: StoreEvent[] = [];
      const watch = harness.store.watch('', {}, message => {
        if (message.kind === 'events') events.push(...message.events);
      });
      await harness.start(planOf(chain));
      const ended = harness.untilEnded();
      let isOver = false;
      void ended.then(() => {
        isOver = true;
      });
      const sleepers: SleepingProcess[] = [];
      while (!isOver) {
        const holder = await readRecord(harness.store, LeadRecord, SYSTEM_KEYS.lead);
        const process = holder && processes.get(holder.value.coordinator);
        // Two of three at most; whoever slept longest wakes amid the other's work.
        if (process && !sleepers.includes(process)) {
          process.sleep();
          sleepers.push(process);
        }
        if (sleepers.length > 1 || random.next() < 0.3) sleepers.shift()?.wake();
        await Promise.race([ended, delay(systemClock, 300 + random.next() * 1200)]);
      }
      for (const process of sleepers) process.wake();
      watch.dispose();
      assert.equal((await ended).state, 'succeeded');
      const assigned = agent.assigned.map(({attemptId}) => attemptId);
      assert.equal(new Set(assigned).size, chain.length);
      assert.equal(assigned.length, chain.length, 'an attempt was begun twice');
      assertWrittenByTheLead(events);
      assert.deepEqual((await harness.store.range(keys.lives)).kvs, []);
      const terms = events.filter(({key, kind}) => key === SYSTEM_KEYS.lead && kind === 'put').length;
      assert.ok(terms > 0, `the lead changed ${terms} times`);
    });
});

/** Every attempt was created by the coordinator that led at that revision. */
function assertWrittenByTheLead(events: readonly StoreEvent[]): void {
  let lead: string | undefined;
  for (const event of events) {
    if (event.key === SYSTEM_KEYS.lead)
      lead = event.kind === 'put' ? storedRecord(LeadRecord, event.kv).value.coordinator : undefined;
    if (event.kind !== 'put' || event.kv.version !== 1 || !event.key.startsWith(`${keys.base}attempts/`))
      continue;
    const {id, coordinator} = storedRecord(AttemptRecord, event.kv).value;
    if (lead !== undefined) assert.equal(coordinator, lead, `${id} was created by who did not lead`);
  }
}
