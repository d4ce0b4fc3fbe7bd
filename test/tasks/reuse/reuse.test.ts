/** Results that later tasks with identical inputs are completed from: when they are taken, when not, and what bounds them. */
import assert from 'node:assert/strict';
import {CachedResultRecord} from '../../../coordinator/protocol/model/cachedResult.ts';
import {RefRecord} from '../../../coordinator/protocol/model/facts.ts';
import {tenantKeys} from '../../../coordinator/protocol/model/keys.ts';
import type {CommitBundle, WorkspaceSource} from '../../../coordinator/protocol/model/session.ts';
import type {Plan, TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {NO_USAGE} from '../../../coordinator/protocol/usage.ts';
import {readRecord, readRecords} from '../../../coordinator/store/records.ts';
import {done, type FakeAgent, failing, keys, passed, type Work} from '../fakeFleet.ts';
import {client, Harness, planOf} from '../leadHarness.ts';

type Task = Partial<TaskSpecification> & {id: string};

const id = (name: string): string => Buffer.from(name.padEnd(20, '.')).toString('hex').slice(0, 40);
const digest = (name: string): string => Buffer.from(name.padEnd(32, '.')).toString('hex').slice(0, 64);
const bundle = (name: string, ...prerequisites: string[]): CommitBundle => ({
  commit: id(name),
  sha256: digest(name),
  bytes: 10,
  prerequisites: prerequisites.map(id),
});
const workspaceAt = (base: string, tree = 'tree'): WorkspaceSource => ({
  repositoryId: 'r-1',
  commit: id(base),
  tree: id(tree),
  bundles: [bundle(base)],
});
const git: Partial<Plan> = {workspace: {kind: 'git', setup: [], include: []}};
const command = (text: string): TaskSpecification['work'] => ({kind: 'run', command: text});

/** Leaves a commit of its own in each session, whose tree is the same in all of them. */
const committing: Work = ({taskId, sessionId, workspace}) => {
  if (workspace.kind === 'none') assert.fail('there is a repository');
  const name = `${taskId}@${sessionId}`;
  const commit = id(name);
  const made: CommitBundle = {commit, sha256: digest(name), bytes: 10, prerequisites: [workspace.base]};
  return {
    outcome: 'succeeded',
    result: {summary: 'done', commit, tree: id(`tree of ${taskId}`), bundle: made},
  };
};

describe('Results taken from earlier tasks', () => {
  let harness: Harness;
  let agent: FakeAgent;

  beforeEach(async () => {
    harness = await Harness.open();
    agent = await harness.fleet.add({id: 'a-1', slots: 4});
  });
  afterEach(() => harness.close());

  const ran = (sessionId: string): string[] =>
    agent.assigned.filter(one => one.sessionId === sessionId).map(one => one.taskId);

  async function run(
    sessionId: string,
    tasks: readonly Task[],
    {plan = {}, ...options}: {plan?: Partial<Plan>; workspace?: WorkspaceSource; rehearsal?: boolean} = {},
  ): Promise<void> {
    await harness.start(planOf(tasks, plan), {id: sessionId, ...options});
    const {state} = await harness.untilEnded(sessionId);
    assert.equal(state, 'succeeded');
    await settled();
  }

  /** Whatever is to be kept is: that is done in turns, and a list waits for its own. */
  const settled = () => harness.lead.listCache({limit: 100}, client);

  it('completes an identical task of another session without an attempt, and says where its result is from', async () => {
    const gates = [
      {name: 'check', type: 'command' as const, command: 'x', onFailure: 'fail' as const, timeoutMs: 1000},
    ];
    const task: Task = {id: 'a', work: command('make'), cache: true, gates};
    agent.work = async assign => {
      await agent.spend(assign, 0.25);
      return {outcome: 'succeeded', result: {summary: 'made', value: {n: 1}}};
    };
    agent.gate = gate => ({...passed(gate), output: 'as it was'});
    await run('s-1', [task]);
    await run('s-2', [task, {id: 'b', dependsOn: ['a']}]);
    assert.deepEqual(ran('s-2'), ['b']);
    const {cached, ...again} = await harness.task('a', 's-2');
    const [first] = await harness.attempts('a');
    assert.equal(cached?.attemptId, first?.id);
    assert.equal(cached?.agentId, 'a-1');
    assert.equal(cached?.madeAt, first?.endedAt);
    assert.equal(again.state, 'succeeded');
    assert.equal(again.attempts, 0);
    assert.deepEqual(again.usage, NO_USAGE);
    assert.deepEqual(again.result, {summary: 'made', value: {n: 1}});
    assert.equal(again.gates?.[0]?.output, 'as it was');
    assert.equal((await harness.session('s-2')).spentUsd, 0);
  });

  const changed: readonly (readonly [string, Task, {plan?: Partial<Plan>; rehearsal?: boolean}?])[] = [
    ['another command', {id: 'a', work: command('other')}],
    ['another variable', {id: 'a', work: command('make'), env: {X: '2'}}],
    ['another secret', {id: 'a', work: command('make'), secrets: ['KEY']}],
    ['another id', {id: 'b', work: command('make')}],
    ['other requirements', {id: 'a', work: command('make'), requires: {region: 'local'}}],
    [
      'another gate',
      {
        id: 'a',
        work: command('make'),
        gates: [{name: 'g', type: 'command', command: 'true', onFailure: 'fail', timeoutMs: 1000}],
      },
    ],
  ];
  for (const [what, task, options] of changed)
    it(`does the task for ${what}`, async () => {
      await run('s-1', [{id: 'a', work: command('make'), cache: true}]);
      await run('s-2', [{...task, cache: true}], options);
      assert.deepEqual(ran('s-2'), [task.id]);
    });

  it('does in a rehearsal what was done in earnest', async () => {
    const task: Task = {id: 'a', work: command('make'), cache: true};
    await run('s-1', [task]);
    const player = await harness.fleet.add({id: 'a-2', metadata: {rehearsal: true}});
    await run('s-2', [task], {rehearsal: true});
    assert.deepEqual(
      player.assigned.map(({taskId}) => taskId),
      ['a'],
    );
  });

  it('takes nothing for what does not decide the result into account', async () => {
    const task: Task = {id: 'a', work: command('make'), cache: true};
    await run('s-1', [task]);
    await run(
      's-2',
      [{...task, priority: 5, timeoutMs: 1000, retry: {max: 0, backoffMs: 1, maxBackoffMs: 1}}],
      {
        plan: {name: 'another plan'},
      },
    );
    assert.deepEqual(ran('s-2'), []);
  });

  it('does a task again when what its dependencies hand over is new', async () => {
    const tasks: Task[] = [
      {id: 'a', work: command('date')},
      {id: 'b', work: command('use'), dependsOn: ['a'], cache: true},
    ];
    let value = 1;
    agent.work = ({taskId}) => ({
      outcome: 'succeeded',
      result: {summary: 'x', value: taskId === 'a' ? value : 0},
    });
    await run('s-1', tasks);
    await run('s-2', tasks);
    assert.deepEqual(ran('s-2'), ['a']);
    value = 2;
    await run('s-3', tasks);
    assert.deepEqual(ran('s-3'), ['a', 'b']);
  });

  it('keeps no failure, nothing of a task that does not ask for it, and leaves kept ones alone where a run says so', async () => {
    agent.work = ({taskId, number}) => (taskId === 'a' && number === 1 ? failing('exit') : done);
    await run('s-1', [
      {id: 'a', work: command('make'), cache: true},
      {id: 'plain', work: command('make')},
    ]);
    const {results} = await settled();
    assert.deepEqual(
      results.map(({attemptId}) => attemptId),
      ['s-1.a.2'],
    );
    const {state} = (
      await harness.lead.startSession(
        {
          sessionId: 's-2',
          plan: planOf([{id: 'a', work: command('make'), cache: true}]),
          keep: false,
          rehearsal: false,
          noCache: true,
        },
        client,
      )
    ).session;
    assert.equal(state, 'running');
    await harness.untilEnded('s-2');
    assert.deepEqual(ran('s-2'), ['a', 'a']);
    assert.equal((await settled()).results[0]?.attemptId, 's-2.a.2');
  });

  it('keeps nothing of tasks whose effects are more than their result', async () => {
    const approval = {name: 'ok', type: 'approval' as const, onFailure: 'fail' as const};
    const started = harness.start(
      planOf([
        {id: 'a', cache: true, onLost: 'ask'},
        {id: 'b', cache: true, rollback: {scope: 'task', compensate: 'undo'}},
        {id: 'c', cache: true, gates: [approval]},
      ]),
    );
    await started;
    await harness.untilTask('a', task => task.state === 'succeeded');
    await harness.untilTask('b', task => task.state === 'succeeded');
    assert.equal((await settled()).count, 0);
  });

  it('takes nothing from another tenant', async () => {
    const task: Task = {id: 'a', work: command('make'), cache: true};
    await run('s-1', [task]);
    const other = {...client, tenant: 'other'};
    await harness.lead.startSession(
      {sessionId: 's-2', plan: planOf([task]), keep: false, rehearsal: false},
      other,
    );
    const found = await readRecords(harness.store, CachedResultRecord, tenantKeys('other').cachedResults);
    assert.equal(found.records.length, 0);
    assert.equal((await harness.lead.listCache({limit: 10}, other)).count, 0);
    const waits = await harness.until(
      () => harness.store.get(tenantKeys('other').task('s-2', 'a')),
      kv => kv?.value.includes('waitingFor') === true,
      '',
      tenantKeys('other').base,
    );
    assert.match(waits?.value ?? '', /"state":"ready"/);
  });

  it('goes on with what an earlier lead kept', async () => {
    const task: Task = {id: 'a', work: command('make'), cache: true};
    await run('s-1', [task]);
    await harness.lead.stop();
    harness.lead = harness.newLead('c-2');
    harness.lead.start();
    await run('s-2', [task]);
    assert.deepEqual(ran('s-2'), []);
    assert.equal((await settled()).results[0]?.uses, 1);
  });

  it('takes what succeeded before a rollback when the session is resumed', async () => {
    let fails = true;
    agent.work = ({taskId}) => (taskId === 'b' && fails ? failing('exit') : done);
    await harness.start(
      planOf([
        {id: 'a', work: command('make'), cache: true},
        {id: 'b', work: command('use'), dependsOn: ['a'], retry: {max: 0, backoffMs: 1, maxBackoffMs: 1}},
      ]),
    );
    await harness.untilEnded();
    await settled();
    await harness.lead.endSession({sessionId: 's-1', mode: 'rollback'}, client);
    await harness.untilSession(session => session.state === 'rolledBack');
    fails = false;
    await harness.lead.controlSession({sessionId: 's-1', action: {kind: 'resume'}}, client);
    await harness.untilSession(session => session.state === 'succeeded');
    assert.deepEqual(ran('s-1'), ['a', 'b', 'b']);
    const a = await harness.task('a');
    assert.equal(a.cached?.attemptId, 's-1.a.1');
    assert.equal(a.rolledBack, undefined);
  });

  describe('with a repository', () => {
    const tasks: Task[] = [
      {id: 'left', work: command('l'), cache: true},
      {id: 'right', work: command('r')},
      {id: 'both', work: command('b'), dependsOn: ['left', 'right'], cache: true},
    ];
    const resultOf = async (taskId: string, sessionId: string) =>
      (await harness.task(taskId, sessionId)).result;

    beforeEach(() => {
      agent.work = committing;
    });

    it('takes the commit as it is where it stands on the same ones', async () => {
      const all = tasks.map(task => ({...task, cache: true}));
      await run('s-1', all, {plan: git, workspace: workspaceAt('base')});
      await run('s-2', all, {plan: git, workspace: workspaceAt('base')});
      assert.deepEqual(ran('s-2'), ['_result']);
      assert.equal((await resultOf('both', 's-2'))?.commit, id('both@s-1'));
      const ref = await readRecord(harness.store, RefRecord, keys.ref('s-2', 'both'));
      assert.equal(ref?.value.commit, id('both@s-1'));
      assert.deepEqual(harness.results.grafts, []);
    });

    it('puts the same files on top of the commits of its own session where these are others', async () => {
      await run('s-1', tasks, {plan: git, workspace: workspaceAt('base')});
      await run('s-2', tasks, {plan: git, workspace: workspaceAt('base')});
      assert.deepEqual(ran('s-2'), ['right', '_result']);
      const result = await resultOf('both', 's-2');
      const [graft] = harness.results.grafts;
      assert.deepEqual(graft?.parents, [id('left@s-1'), id('right@s-2')]);
      assert.equal(graft?.tree, id('tree of both'));
      assert.equal(result?.commit, result?.bundle?.commit);
      assert.deepEqual(
        result?.borrowed?.map(({commit}) => commit),
        [id('both@s-1')],
      );
      const {result: merged} = await harness.session('s-2');
      const order = merged?.bundles.map(({commit}) => commit) ?? [];
      assert.ok(order.indexOf(id('both@s-1')) < order.indexOf(result?.commit ?? ''));
      assert.ok(order.indexOf(id('right@s-2')) < order.indexOf(result?.commit ?? ''));
    });

    it('takes a result from a start with other history and the same files, with what brings that history', async () => {
      const one: Task = {id: 'left', work: command('l'), cache: true};
      await run('s-1', [one], {plan: git, workspace: workspaceAt('base')});
      await run('s-2', [one], {plan: git, workspace: workspaceAt('squashed')});
      assert.deepEqual(ran('s-2'), ['_result']);
      const result = await resultOf('left', 's-2');
      assert.deepEqual(
        result?.borrowed?.map(({commit}) => commit),
        [id('base'), id('left@s-1')],
      );
    });

    it('does a task again from other files, or where several inputs came about in another way', async () => {
      await run('s-1', tasks, {plan: git, workspace: workspaceAt('base')});
      await run('s-2', tasks, {plan: git, workspace: workspaceAt('moved', 'other tree')});
      assert.deepEqual(ran('s-2').sort(), ['_result', 'both', 'left', 'right']);
    });

    it('does a task again whose artifacts are gone, or where nobody says the trees', async () => {
      await run('s-1', tasks, {plan: git, workspace: workspaceAt('base')});
      harness.results.gone.add(digest('left@s-1'));
      await run('s-2', tasks, {plan: git, workspace: workspaceAt('base')});
      assert.deepEqual(ran('s-2').sort(), ['_result', 'left', 'right']);
      agent.work = async (assign, of) => {
        const report = await committing(assign, of);
        if (report?.outcome !== 'succeeded') assert.fail();
        return {...report, result: {...report.result, tree: undefined}};
      };
      await run('s-3', [{id: 'old', work: command('o'), cache: true}], {
        plan: git,
        workspace: workspaceAt('base'),
      });
      await run('s-4', [{id: 'old', work: command('o'), cache: true}], {
        plan: git,
        workspace: workspaceAt('base'),
      });
      assert.deepEqual(ran('s-4').sort(), ['_result', 'old']);
    });

    it('takes what changed nothing as its own input', async () => {
      const reader: Task[] = [
        {id: 'left', work: command('l')},
        {id: 'reader', work: command('look'), dependsOn: ['left'], cache: true},
      ];
      agent.work = (assign, of) =>
        assign.taskId === 'reader' && assign.workspace.kind === 'git'
          ? {
              outcome: 'succeeded',
              result: {summary: 'seen', commit: assign.workspace.inputs[0]?.commit, tree: id('tree of left')},
            }
          : committing(assign, of);
      await run('s-1', reader, {plan: git, workspace: workspaceAt('base')});
      await run('s-2', reader, {plan: git, workspace: workspaceAt('base')});
      assert.deepEqual(ran('s-2').sort(), ['_result', 'left']);
      const result = await resultOf('reader', 's-2');
      assert.equal(result?.commit, id('left@s-2'));
      assert.equal(result?.bundle, undefined);
    });
  });
});

describe('Bounds of kept results', () => {
  const task = (n: number): Task => ({id: `t${n}`, work: command(`make ${n}`), cache: true});

  async function withHarness(settings: object, check: (harness: Harness, agent: FakeAgent) => Promise<void>) {
    const harness = await Harness.open(settings);
    try {
      await check(harness, await harness.fleet.add({id: 'a-1', slots: 4}));
    } finally {
      await harness.close();
    }
  }

  const run = async (harness: Harness, sessionId: string, ...numbers: number[]) => {
    const chain = numbers.map((n, at) => ({...task(n), after: at > 0 ? [`t${numbers[at - 1]}`] : undefined}));
    await harness.start(planOf(chain), {id: sessionId});
    await harness.untilEnded(sessionId);
  };
  const kept = async (harness: Harness) =>
    (await harness.lead.listCache({limit: 100}, client)).results.map(({taskId}) => taskId);

  it('lets those go that were not used for longest', () =>
    withHarness({cacheResults: 2}, async harness => {
      await run(harness, 's-1', 1, 2);
      assert.deepEqual(await kept(harness), ['t2', 't1']);
      await run(harness, 's-2', 1);
      await run(harness, 's-3', 3);
      assert.deepEqual(await kept(harness), ['t3', 't1']);
      const stored = await readRecords(harness.store, CachedResultRecord, keys.cachedResults);
      assert.deepEqual(stored.records.map(({value}) => value.taskId).sort(), ['t1', 't3']);
    }));

  it('counts bytes, and keeps none of what alone is too much', () =>
    withHarness({cacheBytes: 1}, async harness => {
      await run(harness, 's-1', 1);
      assert.deepEqual(await kept(harness), []);
    }));

  it('lets go what was not used for too long, and writes down what was', () =>
    withHarness({cacheUnusedMs: 3_600_000, retentionMs: 10}, async harness => {
      await run(harness, 's-1', 1, 2);
      harness.clock.jump(2_400_000);
      await run(harness, 's-2', 1);
      await harness.until(
        () => readRecords(harness.store, CachedResultRecord, keys.cachedResults),
        ({records}) => records.some(({value}) => value.taskId === 't1' && value.uses === 1),
      );
      harness.clock.jump(2_400_000);
      await harness.until(
        () => readRecords(harness.store, CachedResultRecord, keys.cachedResults),
        ({records}) => records.length === 1 && records[0]?.value.taskId === 't1',
      );
    }));

  it('forgets what a person names, audited, and does it again', () =>
    withHarness({}, async (harness, agent) => {
      await run(harness, 's-1', 1, 2, 3);
      const cleared = await harness.lead.clearCache({taskId: 't2'}, client);
      assert.equal(cleared.forgotten, 1);
      assert.deepEqual(harness.audited.at(-1)?.action, 'cache.clear');
      await run(harness, 's-2', 1, 2, 3);
      assert.deepEqual(
        agent.assigned.filter(({sessionId}) => sessionId === 's-2').map(({taskId}) => taskId),
        ['t2'],
      );
      assert.equal((await harness.lead.clearCache({sessionId: 's-1'}, client)).forgotten, 2);
      assert.equal((await harness.lead.clearCache({}, client)).forgotten, 1);
      assert.deepEqual(await kept(harness), []);
    }));
});
