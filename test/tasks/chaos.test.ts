/**
 * Leads die at any moment, transactions time out with or without effect, agents fall silent, come back and start anew. Whatever happens, the
 * store's history obeys the rules, and in the end every task succeeded exactly once.
 */
import assert from 'node:assert/strict';
import {parseAttemptId} from '../../coordinator/protocol/ids.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {delay, systemClock} from '../../coordinator/runtime/clock.ts';
import {type Random, seededRandom} from '../../coordinator/runtime/random.ts';
import type {StoreEvent} from '../../coordinator/store/store.ts';
import {done, type FakeAgent, failing, keys, passed} from './fakeFleet.ts';
import {FaultyStore} from './faultyStore.ts';
import {Harness, planOf} from './leadHarness.ts';

const SLOTS = 2;
const TASKS = 60;

/** Follows the store's history and notes every breach. */
class Referee {
  readonly breaches: string[] = [];
  private readonly states = new Map<string, string>();
  private readonly lives = new Map<string, string>();
  private readonly succeeded = new Set<string>();

  private readonly dependsOn: ReadonlyMap<string, readonly string[]>;
  private readonly mayRunTwice: ReadonlySet<string>;
  /** Attempts that were begun beside another. */
  readonly backups = new Set<string>();

  constructor({tasks}: Plan) {
    this.dependsOn = new Map(tasks.map(task => [task.id, task.dependsOn]));
    this.mayRunTwice = new Set(tasks.filter(task => task.speculate).map(task => task.id));
  }

  take(events: readonly StoreEvent[]): void {
    for (const event of events) {
      if (event.key.startsWith(keys.lives)) this.takeLive(event);
      if (event.key.startsWith(keys.tasks('s-1')) && event.kind === 'put') this.takeTask(event);
      if (event.key.startsWith(keys.attempts('s-1')) && event.kind === 'put') this.takeAttempt(event);
    }
    this.checkLives();
  }

  private takeLive({kind, key, kv}: StoreEvent): void {
    const id = key.slice(keys.lives.length);
    if (kind === 'delete') this.lives.delete(id);
    else this.lives.set(id, kv.value);
  }

  private takeTask({key, kv}: StoreEvent): void {
    const id = key.slice(keys.tasks('s-1').length);
    const state = JSON.parse(kv.value).state as string;
    if (this.states.get(id) === 'succeeded' && state !== 'succeeded')
      this.breaches.push(`${id} went from succeeded to ${state}`);
    if (['assigned', 'running', 'succeeded'].includes(state))
      for (const dependency of this.dependsOn.get(id) ?? [])
        if (this.states.get(dependency) !== 'succeeded')
          this.breaches.push(`${id} runs before ${dependency}`);
    this.states.set(id, state);
  }

  private takeAttempt({key, kv}: StoreEvent): void {
    const {id, taskId, outcome, backupOf} = JSON.parse(kv.value) as AttemptRecord;
    if (backupOf) this.backups.add(id);
    if (outcome !== 'succeeded' || this.succeeded.has(id)) return;
    const other = [...this.succeeded].find(known => parseAttemptId(known)?.taskId === taskId);
    if (other) this.breaches.push(`${key}: ${id} succeeded after ${other}`);
    this.succeeded.add(id);
  }

  private checkLives(): void {
    const perTask = new Map<string, number>();
    const perAgent = new Map<string, number>();
    for (const [id, value] of this.lives) {
      const {agentId, agentIncarnation} = JSON.parse(value) as {agentId: string; agentIncarnation: string};
      const taskId = parseAttemptId(id)?.taskId ?? '';
      const agent = `${agentId}/${agentIncarnation}`;
      perTask.set(taskId, (perTask.get(taskId) ?? 0) + 1);
      perAgent.set(agent, (perAgent.get(agent) ?? 0) + 1);
    }
    for (const [id, count] of perTask)
      if (count > (this.mayRunTwice.has(id) ? 2 : 1)) this.breaches.push(`${id} has ${count} live attempts`);
    for (const [id, count] of perAgent) if (count > SLOTS) this.breaches.push(`${id} has ${count} attempts`);
  }
}

function randomPlan(random: Random): ReturnType<typeof planOf> {
  const gate = {name: 'check', type: 'command', command: 'x', onFailure: 'retry', timeoutMs: 5000} as const;
  return planOf(
    Array.from({length: TASKS}, (_, index) => {
      const picks = index === 0 ? 0 : Math.floor(random.next() * 3);
      const dependsOn = Array.from({length: picks}, () => `t${Math.floor(random.next() * index)}`);
      return {
        id: `t${index}`,
        dependsOn: [...new Set(dependsOn)],
        gates: random.next() < 0.3 ? [gate] : [],
        retry: {max: 20, backoffMs: 1, maxBackoffMs: 5},
        maxLosses: 100,
        ...(index % 2 === 0 && {speculate: true, estimateMs: 1}),
      };
    }),
  );
}

async function disturb(agents: readonly FakeAgent[], random: Random, signal: AbortSignal): Promise<void> {
  let starts = 0;
  while (!signal.aborted) {
    await delay(systemClock, random.next() * 30);
    const agent = agents[Math.floor(random.next() * agents.length)] as FakeAgent;
    const draw = random.next();
    if (draw < 0.3) await agent.vanish();
    else if (draw < 0.5) {
      starts += 1;
      agent.incarnation = `${agent.id}-${starts}`;
      await agent.register();
    } else await agent.register();
  }
  for (const agent of agents) await agent.register();
}

describe('Lead under faults', function () {
  this.timeout(60_000);
  let backups = 0;

  for (const seed of [1, 2, 3, 4, 5, 6])
    it(`finishes every task exactly once, seed ${seed}`, async () => {
      const random = seededRandom(seed);
      const harness = await Harness.open({lossGraceMs: 20, resendMs: 5, maxTxnsInFlight: 3});
      const plan = randomPlan(random);
      const referee = new Referee(plan);
      const watch = harness.store.watch(keys.base, {}, message => {
        if (message.kind === 'events') referee.take(message.events);
      });
      const end = new AbortController();
      const agents: FakeAgent[] = [];
      for (const id of ['a-1', 'a-2', 'a-3'])
        agents.push(
          await harness.fleet.add({
            id,
            slots: SLOTS,
            work: async ({task}) => {
              const isSlow = task.speculate && random.next() < 0.3;
              await delay(systemClock, isSlow ? 400 : random.next() * 8);
              return random.next() < 0.15 ? failing('crashed') : done;
            },
            gate: gate =>
              random.next() < 0.1
                ? {gate: gate.name, passed: false, exitCode: 1, output: '', durationMs: 0}
                : passed(gate),
          }),
        );
      const disturbing = disturb(agents, random, end.signal);
      try {
        await harness.start(plan);
        await harness.lead.stop();
        const stores: FaultyStore[] = [];
        const ended = harness.untilEnded();
        let isOver = false;
        void ended.then(() => {
          isOver = true;
        });
        for (let lives = 0; !isOver; lives++) {
          const store = new FaultyStore(harness.store, random, 0.1);
          stores.push(store);
          harness.lead = harness.newLead('c-1', store);
          harness.lead.start();
          const calm = lives > 12;
          if (calm) end.abort();
          await Promise.race([ended, delay(systemClock, calm ? 5000 : 40 + random.next() * 150)]);
          if (isOver) break;
          store.kill();
          void harness.lead.stop();
        }
        const session = await ended;
        assert.equal(session.state, 'succeeded', session.failure);
        assert.equal(session.counts.succeeded, TASKS);
        assert.deepEqual(referee.breaches, []);
        backups += referee.backups.size;
        assert.equal(session.speculation?.begun ?? 0, referee.backups.size);
        assert.deepEqual((await harness.store.range(keys.lives)).kvs, []);
      } finally {
        end.abort();
        await disturbing;
        watch.dispose();
        await harness.close();
      }
    });

  it('began backups on its way', () => assert.ok(backups > 0));
});
