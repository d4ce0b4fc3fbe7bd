/** Sessions that cannot be loaded and faults of the lead itself: neither keeps the others from running, nor ends the process. */
import assert from 'node:assert/strict';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import {delay, ManualClock, systemClock} from '../../coordinator/runtime/clock.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import type {Op} from '../../coordinator/store/store.ts';
import {eventually} from '../fixtures/eventually.ts';
import {done, type FakeAgent, keys} from './fakeFleet.ts';
import {FaultyStore} from './faultyStore.ts';
import {client, Harness, planOf} from './leadHarness.ts';

const hang = (): undefined => undefined;

describe('Sessions that cannot be loaded', () => {
  let harness: Harness;
  let agent: FakeAgent;

  beforeEach(async () => {
    harness = await Harness.open();
    agent = await harness.fleet.add({id: 'a-1', slots: 4, work: hang});
    await harness.start(planOf([{id: 'one'}, {id: 'two'}]), {id: 's-bad'});
    await harness.fleet.until(() => agent.assigned.length === 2);
    await harness.lead.stop();
  });
  afterEach(() => harness.close());

  /** Another lead starts from a store in which `key` holds what it must not. */
  async function reload(key: string, value: object | undefined): Promise<void> {
    // As text: what this process encodes itself it need not parse.
    const op: Op = value ? {kind: 'put', key, value: JSON.stringify(value)} : {kind: 'delete', key};
    await harness.store.txn({then: [op]});
    harness.lead = harness.newLead();
    harness.lead.start();
  }

  async function othersRun(): Promise<void> {
    agent.work = () => done;
    for (let term = 0; term < 3; term++)
      try {
        await harness.start(planOf([{id: 'one'}]), {id: 's-good'});
        break;
      } catch (error) {
        if (!isProtocolError(error, 'unavailable')) throw error;
      }
    assert.equal((await harness.untilEnded('s-good')).state, 'succeeded');
  }

  async function end(): Promise<SessionRecord> {
    return (await harness.lead.endSession({sessionId: 's-bad', mode: 'cancel', reason: 'hopeless'}, client))
      .session;
  }

  it('do not run in part, leave the others alone, and can be ended', async () => {
    await reload(keys.attempt('s-bad.two.1'), {v: 1, principal: 'x'});
    await othersRun();
    const ended = await end();
    assert.equal(ended.state, 'failed');
    assert.match(ended.failure ?? '', /^hopeless; it could not be loaded: .*attempts\/s-bad/);
    assert.equal((await harness.session('s-bad')).state, 'failed');
    assert.deepEqual((await harness.store.range(`${keys.lives}s-bad.`)).kvs, []);
    const [assign] = agent.assigned;
    assert.ok(assign);
    assert.equal(await agent.report(assign, done), false);
    assert.equal((await end()).state, 'failed');
  });

  it('are ended when a task of theirs is missing', async () => {
    await reload(keys.task('s-bad', 'two'), undefined);
    await othersRun();
    assert.match((await end()).failure ?? '', /has no record of task two/);
  });

  it('leave the others alone when their own record cannot be read', async () => {
    await reload(keys.session('s-bad'), {v: 1, principal: 'x'});
    await othersRun();
  });

  it('are set aside when the lead stumbles over them twice', async () => {
    // A task that is at work without an attempt: no transition leads out of that.
    const stored = await harness.task('one', 's-bad');
    await harness.store.txn({then: [{kind: 'delete', key: keys.attempt('s-bad.one.1')}]});
    await reload(keys.task('s-bad', 'one'), {...stored, state: 'running', attempts: 0});
    await othersRun();
    assert.match((await end()).failure ?? '', /could not be loaded: .*assign/);
  });

  it('leave an agent without work whose record cannot be read, and the others with it', async () => {
    await reload(keys.agent('a-0'), {v: 1, principal: 'x'});
    await othersRun();
  });
});

describe('A lead that stumbles every time', () => {
  it('tries again after pauses that grow', async () => {
    const harness = await Harness.open({leadTtlSeconds: 3600});
    try {
      await harness.lead.stop();
      const clock = new ManualClock();
      const store = new FaultyStore(harness.store, seededRandom(1), 0);
      let loads = 0;
      store.onRange = () => {
        loads += 1;
        throw new TypeError('a bug');
      };
      harness.lead = harness.newLead('c-1', store, clock);
      harness.lead.start();
      // Half seconds from one try to the next; a try that takes its time only adds to them.
      const pauses: number[] = [];
      for (let tries = 1; tries <= 4; tries++) {
        await eventually(async () => assert.equal(loads, tries));
        let halves = 0;
        for (; loads === tries; halves++) {
          clock.advance(500);
          await delay(systemClock, 20);
        }
        pauses.push(halves);
      }
      for (const [index, halves] of pauses.entries()) assert.ok(halves >= 2 ** index, pauses.join(', '));
    } finally {
      await harness.close();
    }
  });
});
