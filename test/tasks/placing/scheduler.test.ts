/** Placement against a naive version that looks at everything each time, and its rules one by one. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type {TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {type AgentNode, Fleet, freeSlots, type TaskNode} from '../../../coordinator/tasks/fleet/fleet.ts';
import {Scheduler} from '../../../coordinator/tasks/placing/scheduler.ts';
import {ReadyQueue} from '../../../coordinator/tasks/queue/readyQueue.ts';
import {planOf, promptWork} from '../leadHarness.ts';
import {addAgent, agentRecord, giveAttempt, sessionOf, taskOf} from '../nodes.ts';

const NOW = {hub: 0, wall: 0};

function world(tasks: Parameters<typeof planOf>[0], rest: Parameters<typeof planOf>[1] = {}) {
  const fleet = new Fleet();
  const queue = new ReadyQueue();
  const session = sessionOf(planOf(tasks, rest));
  const scheduler = new Scheduler(fleet, queue, () => true);
  const ready = (...ids: string[]): void => {
    for (const id of ids) queue.add(taskOf(session, id));
  };
  const place = (): string[] => scheduler.place(NOW).map(({task, agent}) => `${task.spec.id}@${agent.id}`);
  return {fleet, queue, session, scheduler, ready, place};
}

const DOMAINS = ['development', 'security', 'analysis'];
const LEVELS = ['basic', 'intermediate', 'expert', 'specialist'] as const;

interface TaskShape {
  readonly priority: number;
  readonly domain: number;
  readonly level: number;
  readonly region: boolean;
  readonly after: number | undefined;
}

interface AgentShape {
  readonly slots: number;
  readonly domains: readonly number[];
  readonly level: number;
  readonly region: boolean;
  readonly draining: boolean;
  readonly connected: boolean;
}

const taskShape: fc.Arbitrary<TaskShape> = fc.record({
  priority: fc.integer({min: -1, max: 1}),
  domain: fc.integer({min: 0, max: 3}),
  level: fc.integer({min: 0, max: 3}),
  region: fc.boolean(),
  after: fc.option(fc.nat({max: 20}), {nil: undefined}),
});
const agentShape: fc.Arbitrary<AgentShape> = fc.record({
  slots: fc.integer({min: 1, max: 3}),
  domains: fc.uniqueArray(fc.integer({min: 0, max: 2})),
  level: fc.integer({min: 0, max: 3}),
  region: fc.boolean(),
  draining: fc.boolean(),
  connected: fc.boolean(),
});

/** Says it anew, without classes, caches or heaps. */
function fitsNaively(task: TaskShape, agent: AgentShape): boolean {
  if (agent.draining || !agent.connected) return false;
  if (task.region && !agent.region) return false;
  return task.domain === 3 || (agent.domains.includes(task.domain) && agent.level >= task.level);
}

describe('Scheduler', () => {
  it('agrees with the naive version: order, fit, slots and dependencies', () => {
    fc.assert(
      fc.property(
        fc.array(taskShape, {minLength: 1, maxLength: 12}),
        fc.array(agentShape, {maxLength: 5}),
        (shapes, agentShapes) => {
          const specs = shapes.map((shape, index): Partial<TaskSpecification> & {id: string} => ({
            id: `t${index}`,
            priority: shape.priority,
            dependsOn: shape.after !== undefined && shape.after < index ? [`t${shape.after}`] : [],
            requires: {
              capabilities:
                shape.domain === 3
                  ? undefined
                  : [{domain: DOMAINS[shape.domain] ?? '', proficiencyLevel: LEVELS[shape.level]}],
              region: shape.region ? 'eu' : undefined,
            },
          }));
          const {fleet, queue, session, scheduler} = world(specs);
          const agents = agentShapes.map((shape, index): AgentNode => {
            const capabilities = shape.domains.map(domain => ({
              domain: DOMAINS[domain],
              proficiencyLevel: LEVELS[shape.level],
            }));
            const metadata = {maxConcurrentTasks: shape.slots, region: shape.region ? 'eu' : 'us'};
            const record = agentRecord(`a${index}`, metadata, {draining: shape.draining}, {capabilities});
            const agent = addAgent(fleet, record);
            if (!shape.connected) agent.live = undefined;
            return agent;
          });
          const waiting = [...session.tasks.values()].filter(task => task.missing === 0);
          for (const task of waiting) queue.add(task);
          const shapeOf = (task: TaskNode): TaskShape => shapes[Number(task.spec.id.slice(1))] as TaskShape;
          const slots = agents.map(freeSlots);
          const naive: TaskNode[] = [];
          const placed = scheduler.place(NOW);
          const left = [...waiting];
          // Each placement must be the first task in order that any agent could take at that moment.
          for (const {task, agent} of placed) {
            const index = agents.indexOf(agent);
            assert.ok(fitsNaively(shapeOf(task), agentShapes[index] as AgentShape), 'it fits');
            left.sort((a, b) => b.spec.priority - a.spec.priority || b.rank - a.rank || a.ticket - b.ticket);
            const first = left.find(candidate =>
              agentShapes.some((shape, at) => (slots[at] ?? 0) > 0 && fitsNaively(shapeOf(candidate), shape)),
            );
            assert.equal(task.spec.id, first?.spec.id);
            left.splice(left.indexOf(task), 1);
            slots[index] = (slots[index] ?? 0) - 1;
            naive.push(task);
          }
          assert.ok(
            slots.every(count => count >= 0),
            'no agent has more than its slots',
          );
          const stillPossible = left.some(task =>
            agentShapes.some((shape, at) => (slots[at] ?? 0) > 0 && fitsNaively(shapeOf(task), shape)),
          );
          assert.equal(stillPossible, false, 'nothing that could start is left');
          assert.equal(queue.size, left.length);
          assert.ok(naive.every(task => task.missing === 0));
        },
      ),
      {numRuns: 400},
    );
  });

  it('starts the longest path first among equals, and higher priority before it', () => {
    const {fleet, ready, place} = world([
      {id: 'short'},
      {id: 'long'},
      {id: 'end', dependsOn: ['long']},
      {id: 'urgent', priority: 1},
    ]);
    addAgent(fleet, agentRecord('a-1', {maxConcurrentTasks: 4}));
    ready('short', 'long', 'urgent');
    assert.deepEqual(place(), ['urgent@a-1', 'long@a-1', 'short@a-1']);
  });

  it('prefers the better match, and among equals the freer agent and the one that made the inputs', () => {
    const tasks = [
      {id: 'in'},
      {id: 'one', requires: {capabilities: [{domain: 'security'}]}, dependsOn: ['in']},
    ];
    const capability = (proficiencyLevel: string): Record<string, unknown> => ({
      capabilities: [{domain: 'security', proficiencyLevel}],
    });
    const levels = world(tasks);
    addAgent(levels.fleet, agentRecord('a-1', {}, {}, capability('basic')));
    addAgent(levels.fleet, agentRecord('a-2', {}, {}, capability('expert')));
    levels.ready('one');
    assert.deepEqual(levels.place(), ['one@a-2']);
    const local = world(tasks);
    addAgent(local.fleet, agentRecord('a-1', {}, {}, capability('basic')));
    addAgent(local.fleet, agentRecord('a-2', {}, {}, capability('basic')));
    taskOf(local.session, 'in').lastAgent = {id: 'a-2', region: 'local'};
    local.ready('one');
    assert.deepEqual(local.place(), ['one@a-2']);
  });

  it('takes agents in turn under round-robin', () => {
    const ids = ['t1', 't2', 't3', 't4'];
    const {fleet, ready, place} = world(
      ids.map(id => ({id})),
      {strategy: 'round-robin'},
    );
    for (const id of ['a-1', 'a-2', 'a-3']) addAgent(fleet, agentRecord(id, {maxConcurrentTasks: 2}));
    ready(...ids);
    assert.deepEqual(place(), ['t1@a-1', 't2@a-2', 't3@a-3', 't4@a-1']);
  });

  it('keeps an agent that is reserved or that rehearses for its own', () => {
    const cases: [Record<string, unknown>, boolean, string[]][] = [
      [{reservedFor: 's-1'}, false, ['one@a-1']],
      [{reservedFor: 's-2'}, false, []],
      [{rehearsal: true}, false, []],
      [{rehearsal: true}, true, ['one@a-1']],
      [{}, true, []],
    ];
    for (const [metadata, rehearsal, expected] of cases) {
      const {fleet, queue, scheduler} = world([{id: 'one'}]);
      const session = sessionOf(planOf([{id: 'one'}]), {rehearsal});
      addAgent(fleet, agentRecord('a-1', metadata));
      queue.add(taskOf(session, 'one'));
      const placed = scheduler.place(NOW).map(({task, agent}) => `${task.spec.id}@${agent.id}`);
      assert.deepEqual(placed, expected, JSON.stringify({metadata, rehearsal}));
    }
  });

  it('gives prompts only to agents with Claude Code ready, commands to any', () => {
    const {fleet, ready, place} = world([{id: 'ask', work: promptWork}, {id: 'run'}]);
    addAgent(fleet, agentRecord('a-1', {maxConcurrentTasks: 2, claude: {kind: 'missing', hint: ''}}));
    ready('ask', 'run');
    assert.deepEqual(place(), ['run@a-1']);
  });

  it('gives nothing to an agent that is paused, cooling down or of another incarnation than its live key', () => {
    const {fleet, ready, place} = world([{id: 'one'}]);
    const paused = addAgent(fleet, agentRecord('a-1', {}, {pausedUntil: 10}));
    const cooling = addAgent(fleet, agentRecord('a-2'));
    cooling.coolUntil = 10;
    addAgent(fleet, agentRecord('a-3')).record = agentRecord('a-3', {}, {incarnation: 'a-3-other'});
    ready('one');
    assert.deepEqual(place(), []);
    paused.record = agentRecord('a-1', {}, {pausedUntil: 0});
    paused.version += 1;
    assert.deepEqual(place(), ['one@a-1']);
  });

  it('avoids agents where the task failed by their fault while others are connected, busy or not', () => {
    const {fleet, session, ready, place, queue} = world([{id: 'one'}, {id: 'busy'}]);
    addAgent(fleet, agentRecord('a-1'));
    const other = addAgent(fleet, agentRecord('a-2'));
    giveAttempt(taskOf(session, 'busy'), other);
    taskOf(session, 'one').avoid = ['a-1'];
    ready('one');
    assert.deepEqual(place(), []);
    other.live = undefined;
    assert.deepEqual(place(), ['one@a-1']);
    assert.equal(queue.size, 0);
  });

  describe('affinity', () => {
    const place = (kind: 'sameAgent' | 'apart' | 'sameRegion', strength: 'require' | 'prefer'): string[] => {
      const {fleet, session, ready, place} = world([
        {id: 'first'},
        {id: 'second', affinity: [{kind, with: ['first'], strength}]},
      ]);
      addAgent(fleet, agentRecord('a-1', {region: 'us'}));
      addAgent(fleet, agentRecord('a-2', {region: 'eu'}));
      addAgent(fleet, agentRecord('a-3', {region: 'eu'}));
      taskOf(session, 'first').lastAgent = {id: 'a-2', region: 'eu'};
      const busy = fleet.agent('default', 'a-2');
      if (strength === 'prefer') busy.live = undefined;
      ready('second');
      return place();
    };

    it('binds to the agent or region of another task, or keeps apart from it', () => {
      assert.deepEqual(place('sameAgent', 'require'), ['second@a-2']);
      assert.deepEqual(place('apart', 'require'), ['second@a-1']);
      assert.deepEqual(place('sameRegion', 'require'), ['second@a-2']);
    });

    it('only leans that way when it is a preference', () => {
      assert.deepEqual(place('sameAgent', 'prefer'), ['second@a-1']);
      assert.deepEqual(place('sameRegion', 'prefer'), ['second@a-3']);
    });
  });

  describe('explanations', () => {
    const explain = (
      requires: TaskSpecification['requires'],
      ...agents: ReturnType<typeof agentRecord>[]
    ): string | undefined => {
      const {fleet, session, queue, scheduler} = world([{id: 'one', requires}]);
      for (const agent of agents) addAgent(fleet, agent);
      const task = taskOf(session, 'one');
      queue.add(task);
      assert.ok(task.queuedIn);
      return scheduler.explain(task, task.queuedIn);
    };

    it('names what nobody meets', () => {
      const a = agentRecord('a-1', {region: 'us'});
      assert.equal(explain({}), 'no agent is connected');
      assert.equal(explain({}, a), undefined);
      assert.equal(explain({region: 'eu'}, a), 'no connected agent is in the region "eu"');
      assert.equal(
        explain({region: 'eu', tags: ['gpu']}, a),
        'no connected agent is in the region "eu", nor one that has the tag "gpu"',
      );
      assert.equal(
        explain({resources: [{type: 'memory', amount: 64, unit: 'GiB'}]}, a),
        'no connected agent has 64 GiB of memory',
      );
    });

    it('says when each requirement is met, but never all by one agent', () => {
      const text = explain(
        {region: 'eu', tags: ['gpu']},
        agentRecord('a-1', {region: 'eu'}),
        agentRecord('a-2', {tags: ['gpu']}),
      );
      assert.equal(
        text,
        'no connected agent meets all of this at once: is in the region "eu"; has the tag "gpu"',
      );
    });
  });
});
