/** Learning placement under the real scheduler: whom it prefers, for whom it waits, what it begins twice; and fair turns between sessions. */
import assert from 'node:assert/strict';
import type {TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {type AgentNode, Fleet, type SessionNode} from '../../../coordinator/tasks/fleet/fleet.ts';
import {Scheduler} from '../../../coordinator/tasks/placing/scheduler.ts';
import {ReadyQueue} from '../../../coordinator/tasks/queue/readyQueue.ts';
import {planOf} from '../leadHarness.ts';
import {addAgent, agentRecord, giveAttempt, sessionOf, taskOf} from '../nodes.ts';

const NOW = {hub: 1_000_000, wall: 1_000_000};
const SECOND = 1000;

type Task = Partial<TaskSpecification> & {id: string};

class World {
  readonly fleet = new Fleet();
  readonly queue = new ReadyQueue();
  readonly scheduler = new Scheduler(this.fleet, this.queue, () => true, {seed: 1});

  session(tasks: readonly Task[], id = 's-1', strategy = 'ai-optimized'): SessionNode {
    return sessionOf(planOf(tasks, {strategy}), {id, strategy});
  }

  agent(id: string, metadata: Record<string, unknown> = {}): AgentNode {
    return addAgent(this.fleet, agentRecord(id, metadata));
  }

  ready(session: SessionNode, ...ids: string[]): void {
    for (const id of ids) this.queue.add(taskOf(session, id));
  }

  place(now = NOW): string[] {
    return this.scheduler.place(now).map(({task, agent}) => `${task.spec.id}@${agent.id}`);
  }

  /** So many tries of the class that took so long. */
  teach(agent: AgentNode, seconds: number, tries = 20): void {
    const session = this.session([{id: 'past', class: 'build', estimateMs: 10 * SECOND}], 's-past');
    for (let count = 0; count < tries; count += 1)
      this.scheduler.observe(taskOf(session, 'past'), agent, seconds * SECOND, 'succeeded', NOW);
  }
}

const build = (id: string, patch: Partial<TaskSpecification> = {}): Task => ({
  id,
  class: 'build',
  estimateMs: 10 * SECOND,
  ...patch,
});

describe('ai-optimized under the scheduler', () => {
  it('goes by declared proficiency until it knows enough, and says so', () => {
    const world = new World();
    for (const [id, proficiencyLevel] of [
      ['a-0', 'basic'],
      ['a-1', 'specialist'],
    ])
      addAgent(
        world.fleet,
        agentRecord(id as string, {}, {}, {capabilities: [{domain: 'security', proficiencyLevel}]}),
      );
    const session = world.session([build('one', {requires: {capabilities: [{domain: 'security'}]}})]);
    world.ready(session, 'one');
    const [placed] = world.scheduler.place(NOW);
    assert.equal(placed?.agent.id, 'a-1');
    assert.equal(placed.strategy, 'capability-weighted');
  });

  it('gives the next task to the agent that was faster, and tells what it expected', () => {
    const world = new World();
    const [slow, fast] = [world.agent('a-slow'), world.agent('b-fast')];
    world.teach(slow, 40);
    world.teach(fast, 5);
    const session = world.session([build('one')]);
    world.ready(session, 'one');
    const [placed] = world.scheduler.place(NOW);
    assert.equal(placed?.agent, fast);
    assert.equal(placed.strategy, 'ai-optimized');
    assert.ok(placed.prediction.durationMs < 12 * SECOND, `${placed.prediction.durationMs}`);
    assert.deepEqual(
      placed.others.map(other => other.agentId),
      ['a-slow'],
    );
    assert.equal(placed.considered, 2);
  });

  it('waits for a busy agent that will be done sooner than an idle one would be, and for no other', () => {
    for (const [idleSeconds, expected] of [
      [300, []],
      [12, ['next@a-idle']],
    ] as const) {
      const world = new World();
      const [idle, busy] = [world.agent('a-idle'), world.agent('b-busy')];
      world.teach(idle, idleSeconds);
      world.teach(busy, 10);
      const session = world.session([build('running'), build('next')]);
      giveAttempt(taskOf(session, 'running'), busy, {assignedAt: NOW.wall - 5 * SECOND});
      world.ready(session, 'next');
      assert.deepEqual(world.place(), expected, `idle agent takes ${idleSeconds} s`);
    }
  });

  it('leaves no agent idle while the queue is long', () => {
    const world = new World();
    const [slow, fast] = [world.agent('a-slow'), world.agent('b-fast')];
    world.teach(slow, 60);
    world.teach(fast, 10);
    const ids = Array.from({length: 12}, (_, index) => `t${index}`);
    const session = world.session(ids.map(id => build(id)));
    world.ready(session, ...ids);
    assert.deepEqual(
      world.scheduler
        .place(NOW)
        .map(({agent}) => agent.id)
        .sort(),
      ['a-slow', 'b-fast'],
    );
  });

  it('decides the same again for the same seed and the same past', () => {
    const run = (): unknown => {
      const world = new World();
      const agents = ['a', 'b', 'c'].map(id => world.agent(id));
      for (const [index, agent] of agents.entries()) world.teach(agent, 10 + index, 5);
      const session = world.session([build('one'), build('two')]);
      world.ready(session, 'one', 'two');
      return world.scheduler
        .place(NOW)
        .map(({agent, score, inputHash, seed}) => [agent.id, score, inputHash, seed]);
    };
    assert.deepEqual(run(), run());
  });

  it('begins a second attempt only where the task allows it, the first takes far too long, and elsewhere', () => {
    const cases: [patch: Partial<TaskSpecification>, elapsed: number, expected: string[]][] = [
      [{speculate: true}, 100, ['late@b-free']],
      [{speculate: true}, 12, []],
      [{}, 100, []],
    ];
    for (const [patch, elapsed, expected] of cases) {
      const world = new World();
      const [busy, free] = [world.agent('a-busy', {maxConcurrentTasks: 2}), world.agent('b-free')];
      world.teach(busy, 10);
      world.teach(free, 10);
      const session = world.session([build('late', patch)]);
      giveAttempt(taskOf(session, 'late'), busy, {assignedAt: NOW.wall - elapsed * SECOND});
      const backups = world.scheduler.backups(NOW).map(({task, agent}) => `${task.spec.id}@${agent.id}`);
      assert.deepEqual(backups, expected, JSON.stringify({patch, elapsed}));
    }
  });
});

describe('Second attempts', () => {
  it('come sooner where other tasks wait for the late one', () => {
    const lateWith = (...others: Task[]): number => {
      const world = new World();
      const [busy, free] = [world.agent('a-busy', {maxConcurrentTasks: 2}), world.agent('b-free')];
      world.teach(busy, 10);
      world.teach(free, 10);
      const session = world.session([build('late', {speculate: true}), ...others]);
      giveAttempt(taskOf(session, 'late'), busy, {assignedAt: NOW.wall});
      for (let seconds = 10; seconds < 100; seconds += 1) {
        const now = {hub: NOW.hub + seconds * SECOND, wall: NOW.wall + seconds * SECOND};
        if (world.scheduler.backups(now).length > 0) return seconds;
      }
      return Number.POSITIVE_INFINITY;
    };
    const [alone, awaited] = [lateWith(), lateWith(build('next', {dependsOn: ['late']}))];
    assert.ok(awaited >= 12 && awaited < alone && alone < 100, `${awaited} ${alone}`);
  });
});

describe('Order of the queue', () => {
  it('lets a small session have its turn beside a large one that came first', () => {
    const world = new World();
    world.agent('a-1');
    const ids = Array.from({length: 100}, (_, index) => `t${index}`);
    const large = world.session(
      ids.map(id => ({id, estimateMs: 300 * SECOND})),
      's-large',
      'round-robin',
    );
    const small = world.session([{id: 'small', estimateMs: 300 * SECOND}], 's-small', 'round-robin');
    world.ready(large, ...ids);
    world.ready(small, 'small');
    const started: string[] = [];
    for (let count = 0; count < 14; count += 1)
      for (const {task, agent} of world.scheduler.place(NOW)) {
        agent.reserved -= 1;
        started.push(task.spec.id);
      }
    assert.ok(started.includes('small'), started.join(' '));
  });

  it('keeps the place of a task that is tried again', () => {
    const world = new World();
    const session = world.session([{id: 'one'}, {id: 'two'}], 's-1', 'round-robin');
    world.ready(session, 'one', 'two');
    world.queue.remove(taskOf(session, 'one'));
    world.ready(session, 'one');
    world.agent('a-1');
    assert.deepEqual(world.place(), ['one@a-1']);
  });

  it('takes a new rank into account while a task waits', () => {
    const world = new World();
    const session = world.session([{id: 'one'}, {id: 'two'}], 's-1', 'round-robin');
    world.ready(session, 'one', 'two');
    const two = taskOf(session, 'two');
    two.rank = 100;
    world.queue.reorder(two);
    world.agent('a-1');
    assert.deepEqual(world.place(), ['two@a-1']);
    assert.equal(world.queue.size, 1);
  });
});
