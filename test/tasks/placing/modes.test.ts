/** Which agents do the work, by the mode of the coordinator and of the session: on a real store, with agents that answer. */
import assert from 'node:assert/strict';
import {ModeSet} from '../../../coordinator/protocol/commands/mode.ts';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import type {AttemptReport} from '../../../coordinator/protocol/model/attempt.ts';
import {
  admitsMode,
  modesOf,
  ORCHESTRATION_MODES,
  type OrchestrationMode,
} from '../../../coordinator/protocol/model/mode.ts';
import {type Deferred, deferred} from '../../../coordinator/runtime/deferred.ts';
import {Fleet} from '../../../coordinator/tasks/fleet/fleet.ts';
import {Scheduler} from '../../../coordinator/tasks/placing/scheduler.ts';
import {ReadyQueue} from '../../../coordinator/tasks/queue/readyQueue.ts';
import {done} from '../fakeFleet.ts';
import {client, Harness, planOf} from '../leadHarness.ts';
import {addAgent, agentRecord, sessionOf} from '../nodes.ts';

const RUN = {kind: 'run', command: 'true'} as const;

describe('Modes', () => {
  let harness: Harness;
  let held: Deferred<AttemptReport>[];

  beforeEach(async () => {
    harness = await Harness.open({autoWaitMs: 60_000});
    held = [];
  });
  afterEach(() => harness.close());

  const setMode = (change: Parameters<typeof ModeSet.parse>[0]) =>
    harness.lead.setMode(ModeSet.parse(change), client);
  /** Its attempts last until they are released. */
  const holding = () => {
    const work = deferred<AttemptReport>();
    held.push(work);
    return work.promise;
  };
  const isRunning = ({state}: {state: string}) => state === 'running';
  const agentsOf = async (task: string, session?: string) =>
    (await harness.attempts(task, session)).map(({agentId}) => agentId);
  /** An agent that the lead knows: it has done something. */
  const addTried = async (options: Parameters<typeof harness.fleet.add>[0]) => {
    await harness.fleet.add(options);
    const {id, mode = 'external'} = options;
    await harness.start(planOf([{id: 'tried', requires: {mode}}]), {id: `s-${id}`});
    await harness.untilEnded(`s-${id}`);
  };

  it('combines the modes of coordinator and session: each narrows the other', () => {
    const table: Record<string, string> = {};
    for (const coordinator of ORCHESTRATION_MODES)
      for (const session of ORCHESTRATION_MODES) {
        const modes = modesOf(coordinator, session);
        const admitted = (['internal', 'external'] as const).filter(mode => admitsMode(modes, mode));
        table[`${coordinator}+${session}`] =
          `${admitted.join(' ')}${modes.prefersInternal ? ', internal first' : ''}`;
      }
    assert.deepEqual(table, {
      'internal+internal': 'internal',
      'internal+external': '',
      'internal+hybrid': 'internal',
      'internal+auto': 'internal',
      'external+internal': '',
      'external+external': 'external',
      'external+hybrid': 'external',
      'external+auto': 'external',
      'hybrid+internal': 'internal',
      'hybrid+external': 'external',
      'hybrid+hybrid': 'internal external',
      'hybrid+auto': 'internal external, internal first',
      'auto+internal': 'internal',
      'auto+external': 'external',
      'auto+hybrid': 'internal external, internal first',
      'auto+auto': 'internal external, internal first',
    });
  });

  it('lets what runs end when the mode changes, gives what comes next to the others, and says what is waited for', async () => {
    await harness.fleet.add({id: 'in-1', mode: 'internal', work: holding});
    await harness.start(
      planOf([
        {id: 'one', work: RUN},
        {id: 'two', work: RUN},
      ]),
    );
    await harness.untilTask('one', isRunning);
    const status = await setMode({mode: 'external'});
    assert.deepEqual([status.mode, status.setting, status.leaving], ['external', 'hybrid', 1]);
    assert.deepEqual(status.agents, {internal: 1, external: 0});
    held[0]?.resolve(done);
    await harness.untilTask('one', task => task.state === 'succeeded');
    const waiting = await harness.untilTask('two', task => task.waitingFor !== undefined);
    assert.match(waiting.waitingFor?.message ?? '', /no connected agent is external, which the mode/);
    await harness.fleet.add({id: 'out-1'});
    await harness.untilEnded();
    assert.deepEqual([await agentsOf('one'), await agentsOf('two')], [['in-1'], ['out-1']]);
    const audited = harness.audited.filter(({action}) => action === 'mode.set');
    assert.deepEqual(
      audited.map(({principal, detail}) => [principal, detail]),
      [[client.id, {mode: 'external', running: 'finish'}]],
    );
  });

  for (const sessionId of [undefined, 's-1'])
    it(`gives attempts back one by one as other agents come free, and no task loses a retry, when the ${sessionId ? 'session' : 'coordinator'} changes`, async () => {
      await harness.fleet.add({id: 'in-1', slots: 3, mode: 'internal', work: () => undefined});
      const ids = ['one', 'two', 'three'];
      await harness.start(planOf(ids.map(id => ({id, work: RUN}))));
      for (const id of ids) await harness.untilTask(id, isRunning);
      assert.equal((await setMode({sessionId, mode: 'external', running: 'giveBack'})).leaving, 3);
      // Nobody else is there: all stay where they are.
      await harness.fleet.add({id: 'out-1', work: holding});
      await harness.fleet.until(() => (harness.fleet.agents.get('out-1')?.assigned.length ?? 0) === 1);
      assert.equal((await harness.lead.mode({sessionId}, client)).leaving, 2);
      for (let count = 0; count < ids.length; count += 1) {
        await harness.fleet.until(() => held.length > count);
        held[count]?.resolve(done);
      }
      await harness.untilEnded();
      for (const id of ids) {
        assert.deepEqual(await agentsOf(id), ['in-1', 'out-1']);
        const {retries, losses} = await harness.task(id);
        assert.deepEqual([retries, losses], [0, 0]);
      }
    });

  it('changes one session alone, and keeps both choices when another lead takes over', async () => {
    await harness.start(planOf([{id: 'one', work: RUN}]));
    await harness.start(planOf([{id: 'one', work: RUN}]), {id: 's-2'});
    const {session} = await setMode({sessionId: 's-1', mode: 'internal'});
    assert.equal(session?.mode, 'internal');
    await setMode({mode: 'auto'});
    await harness.lead.stop();
    harness.lead = harness.newLead();
    harness.lead.start();
    assert.equal((await harness.lead.mode({sessionId: 's-1'}, client)).mode, 'auto');
    await harness.fleet.add({id: 'out-1'});
    await harness.untilEnded('s-2');
    assert.equal((await harness.task('one')).attempts, 0);
    await setMode({sessionId: 's-1'});
    await harness.untilEnded();
    assert.deepEqual([await agentsOf('one'), await agentsOf('one', 's-2')], [['out-1'], ['out-1']]);
    await assert.rejects(setMode({sessionId: 's-none', mode: 'auto'}), error =>
      isProtocolError(error, 'notFound'),
    );
    assert.equal(ModeSet.safeParse({mode: 'remote'}).success, false);
  });

  const waits: readonly (readonly [OrchestrationMode, number, string])[] = [
    ['auto', 20_000, 'in-1'],
    ['auto', 600_000, 'out-1'],
    ['hybrid', 20_000, 'out-1'],
  ];
  for (const [mode, estimateMs, agent] of waits)
    it(`runs a task behind an internal one of ${estimateMs / 1000} s on ${agent} in mode ${mode}`, async () => {
      await harness.fleet.add({id: 'in-1', mode: 'internal', work: holding});
      await harness.start(planOf([{id: 'one', work: RUN, estimateMs, timeoutMs: 3_600_000}]));
      await harness.untilTask('one', isRunning);
      await addTried({id: 'out-1'});
      await setMode({mode});
      await harness.start(planOf([{id: 'two', work: RUN, estimateMs: 1000}]), {id: 's-2'});
      // Placed after it, so that its turn has been.
      await harness.start(planOf([{id: 'out', requires: {mode: 'external'}}]), {id: 's-3'});
      await harness.untilEnded('s-3');
      held[0]?.resolve(done);
      await harness.fleet.until(() => agent === 'out-1' || held.length === 2);
      held[1]?.resolve(done);
      await harness.untilEnded('s-2');
      await harness.untilEnded();
      assert.deepEqual(await agentsOf('two', 's-2'), [agent]);
    });
});

describe('Placement in mode auto', () => {
  const AUTO = modesOf('hybrid', 'auto');
  const WAIT_MS = 30_000;
  const SPEC = {work: RUN, estimateMs: 20_000};

  function world(tasks: Parameters<typeof planOf>[0], strategy = 'capability-weighted') {
    const fleet = new Fleet();
    const queue = new ReadyQueue();
    const session = sessionOf(planOf(tasks, {mode: 'auto', strategy}));
    assert.deepEqual(session.modes, AUTO);
    const scheduler = new Scheduler(fleet, queue, () => true, {autoWaitMs: WAIT_MS});
    const add = (id: string, mode: 'internal' | 'external', slots = 1) =>
      addAgent(fleet, agentRecord(id, {maxConcurrentTasks: slots}, {mode}));
    const ready = () => {
      for (const task of session.tasks.values()) queue.add(task);
    };
    const place = (hub = 0) =>
      scheduler.place({hub, wall: hub}).map(({task, agent}) => `${task.spec.id}@${agent.id}`);
    return {fleet, queue, session, scheduler, add, ready, place};
  }
  const many = (count: number, spec: object) =>
    Array.from({length: count}, (_, index) => ({id: `t${index}`, ...spec}));

  it('fills internal agents, lets wait for them what need not wait long, and gives others the rest', () => {
    const {add, ready, place, queue} = world(many(5, SPEC));
    add('in-1', 'internal');
    add('out-1', 'external', 5);
    ready();
    // The first runs there; the second waits 20 s for it; the third would wait 40 s.
    assert.deepEqual(place(), ['t0@in-1', 't2@out-1', 't3@out-1', 't4@out-1']);
    assert.equal(queue.size, 1);
  });

  it('gives others what has waited as long as it may, whatever is foretold', () => {
    const {add, ready, place} = world(many(2, SPEC));
    add('in-1', 'internal');
    add('out-1', 'external');
    ready();
    assert.deepEqual(place(), ['t0@in-1']);
    assert.deepEqual(place(5000), []);
    assert.deepEqual(place(WAIT_MS + 1), ['t1@out-1']);
  });

  it('takes others at once where no internal agent fits', () => {
    const {add, ready, place} = world([{id: 'one', work: RUN, requires: {region: 'eu'}}]);
    add('in-1', 'internal');
    const out = add('out-1', 'external');
    out.record = agentRecord('out-1', {region: 'eu'});
    ready();
    assert.deepEqual(place(), ['one@out-1']);
  });

  for (const count of [5, 40])
    it(`does the same by expected completion, with ${count} tasks for six slots`, () => {
      const {add, ready, place, scheduler, session, queue} = world(many(count, SPEC), 'ai-optimized');
      const own = add('in-1', 'internal');
      const other = add('out-1', 'external', 5);
      const [task] = session.tasks.values();
      assert.ok(task);
      for (let tries = 0; tries < 20; tries += 1)
        for (const agent of [own, other])
          scheduler.observe(task, agent, 20_000, 'succeeded', {hub: 0, wall: 0});
      ready();
      const placed = place();
      assert.equal(placed.filter(text => text.endsWith('@in-1')).length, 1);
      // Of five one waits; of forty none need wait: there is more than can be done in time.
      assert.equal(placed.length, count === 5 ? 4 : 6);
      assert.equal(queue.size, count - placed.length);
    });
});
