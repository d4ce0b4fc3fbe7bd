/** Fairness between tenants: over the attempts that all together may run, and in the turns of their sessions. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {DEFAULT_SETTINGS, Settings, sharesOf} from '../../../coordinator/config.ts';
import {type AgentNode, Fleet, type SessionNode} from '../../../coordinator/tasks/fleet/fleet.ts';
import {type Claim, fairShares} from '../../../coordinator/tasks/placing/fairShares.ts';
import {Scheduler, type SchedulerOptions} from '../../../coordinator/tasks/placing/scheduler.ts';
import {ReadyQueue} from '../../../coordinator/tasks/queue/readyQueue.ts';
import {planOf} from '../leadHarness.ts';
import {addAgent, agentRecord, giveAttempt, sessionOf} from '../nodes.ts';

const NOW = {hub: 0, wall: 0};
const claim: fc.Arbitrary<Omit<Claim, 'tenant'>> = fc.record({
  running: fc.nat({max: 20}),
  wanted: fc.nat({max: 20}),
  share: fc.integer({min: 1, max: 5}),
});

describe('Fair shares', () => {
  it('leave no place unused that somebody wants, and give nobody a place that another with less for its weight wants', () => {
    fc.assert(
      fc.property(fc.array(claim, {minLength: 1, maxLength: 5}), fc.nat({max: 40}), (list, room) => {
        const claims = list.map((one, index): Claim => ({...one, tenant: `t${index}`}));
        const given = fairShares(claims, room).map(({more}) => more);
        const wanted = claims.reduce((sum, one) => sum + one.wanted, 0);
        assert.equal(
          given.reduce((sum, more) => sum + more, 0),
          Math.min(room, wanted),
        );
        for (const [index, one] of claims.entries()) {
          const more = given[index] ?? 0;
          assert.ok(more >= 0 && more <= one.wanted);
          if (more === one.wanted) continue;
          // It wants another place: whoever got one had less, or as much, for its weight before it.
          for (const [at, other] of claims.entries())
            if ((given[at] ?? 0) > 0)
              assert.ok(
                (other.running + (given[at] ?? 0)) / other.share <=
                  (one.running + more + 1) / one.share + 1e-9,
              );
        }
      }),
    );
  });
});

describe('Tenants', () => {
  function world(options: SchedulerOptions) {
    const fleet = new Fleet();
    const queue = new ReadyQueue();
    const scheduler = new Scheduler(fleet, queue, () => true, options);
    const addSession = (tenant: string, id: string, count: number): SessionNode => {
      const specs = Array.from({length: count}, (_, index) => ({
        ...{id: `t${index}`, estimateMs: 600_000, timeoutMs: 3_600_000},
      }));
      const session = sessionOf(planOf(specs), {id}, tenant);
      for (const task of session.tasks.values()) queue.add(task);
      return session;
    };
    const addSlots = (tenant: string, slots: number): AgentNode =>
      addAgent(fleet, agentRecord(`${tenant}-agent`, {maxConcurrentTasks: slots}), tenant);
    /** How many attempts each tenant got, which run from then on. */
    const place = (): Record<string, number> => {
      const counts: Record<string, number> = {};
      for (const {task, agent} of scheduler.place(NOW)) {
        const {tenant} = task.session;
        counts[tenant] = (counts[tenant] ?? 0) + 1;
        agent.reserved -= 1;
        giveAttempt(task, agent);
      }
      return counts;
    };
    return {fleet, queue, scheduler, addSession, addSlots, place};
  }

  it('share what may run at once, however many sessions one of them has', () => {
    const {addSession, addSlots, place} = world({maxRunning: 6});
    addSlots('many', 20);
    addSlots('one', 20);
    for (let index = 0; index < 10; index += 1) addSession('many', `s-${index}`, 10);
    addSession('one', 's-0', 10);
    assert.deepEqual(place(), {many: 3, one: 3});
    assert.deepEqual(place(), {});
  });

  it('get by their weights, leave to others what they have no use for, and what comes free goes to whoever has least', () => {
    const {addSession, addSlots, place, scheduler} = world({
      maxRunning: 8,
      shares: sharesOf({tenantShares: 'large=3'}),
    });
    addSlots('small', 20);
    const large = addSlots('large', 20);
    addSession('large', 's-0', 4);
    const small = addSession('small', 's-0', 20);
    assert.deepEqual(place(), {large: 4, small: 4});
    assert.equal(scheduler.isFull(), true);
    addSession('large', 's-1', 20);
    assert.deepEqual(place(), {});
    for (const agent of [...small.tasks.values()].slice(0, 2).map(({attempt}) => attempt?.agent))
      for (const attempt of [...(agent?.attempts ?? [])].slice(0, 1)) agent?.attempts.delete(attempt);
    assert.deepEqual(place(), {large: 2});
    assert.equal(large.attempts.size, 6);
  });

  it('take what another could have but has no agent for', () => {
    const {addSession, addSlots, place, queue} = world({maxRunning: 4});
    addSlots('able', 20);
    const unable = addSlots('unable', 20);
    addSession('able', 's-0', 3);
    assert.deepEqual(place(), {able: 3});
    const session = addSession('unable', 's-0', 10);
    for (const task of session.tasks.values()) {
      queue.remove(task);
      task.spec = {...task.spec, requires: {region: 'mars'}};
      queue.add(task);
    }
    addSession('able', 's-1', 3);
    assert.deepEqual(place(), {able: 1});
    assert.equal(unable.attempts.size, 0);
  });

  it('have turns of their own: what another did does not put a new session behind an old one', () => {
    const {addSession, addSlots, place, scheduler} = world({});
    const busy = addSlots('busy', 1);
    const quiet = addSlots('quiet', 1);
    addSession('busy', 's-0', 30);
    const old = addSession('quiet', 's-old', 30);
    for (let turn = 0; turn < 12; turn += 1) {
      place();
      busy.attempts.clear();
    }
    const fresh = addSession('quiet', 's-new', 30);
    let [ofOld, ofNew] = [0, 0];
    for (let turn = 0; turn < 8; turn += 1) {
      quiet.attempts.clear();
      for (const {task, agent} of scheduler.place(NOW)) {
        agent.reserved -= 1;
        if (task.session === old) ofOld += 1;
        if (task.session === fresh) ofNew += 1;
      }
    }
    assert.deepEqual([ofOld, ofNew], [4, 4]);
  });

  it('have weights that are checked where they are set', () => {
    assert.equal(sharesOf(DEFAULT_SETTINGS).size, 0);
    assert.deepEqual(
      [...sharesOf({tenantShares: ' acme=3  b.c=0.5 '})],
      [
        ['acme', 3],
        ['b.c', 0.5],
      ],
    );
    for (const text of ['acme=3 b.c=0.5', '', ' acme=1 '])
      assert.ok(Settings.safeParse({tenantShares: text}).success, text);
    for (const text of ['acme', 'acme=0', 'acme=0.0 b=1', 'acme=-1', 'acme=3,b=1', '=3'])
      assert.ok(!Settings.safeParse({tenantShares: text}).success, text);
  });
});
