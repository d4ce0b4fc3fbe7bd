/** What keeps the lead and its store healthy over time: takeovers, retention, limits of records. */
import assert from 'node:assert/strict';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import type {CommitBundle, WorkspaceSource} from '../../../coordinator/protocol/model/session.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {CoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {seededRandom} from '../../../coordinator/runtime/random.ts';
import {Fleet} from '../../../coordinator/tasks/fleet/fleet.ts';
import {Retention} from '../../../coordinator/tasks/sessions/retention.ts';
import {leadSettings} from '../../../coordinator/tasks/settings.ts';
import {Committer} from '../../../coordinator/tasks/steps/committer.ts';
import {done, failing, keys, passed} from '../fakeFleet.ts';
import {FaultyStore} from '../faultyStore.ts';
import {client, Harness, planOf} from '../leadHarness.ts';

/** Always holds. */
const ANY = {key: 'none', target: 'create', op: '=', operand: 0} as const;
const OPTIONS = {
  clock: systemClock,
  logger: silentLogger,
  maxInFlight: 1,
  onFenced: () => undefined,
  onFault: (error: unknown) => {
    throw error;
  },
};

describe('Takeover', () => {
  it('happens when the lease of a dead lead ends, and its session goes on', async () => {
    const harness = await Harness.open({leadTtlSeconds: 1});
    try {
      await harness.lead.stop();
      const store = new FaultyStore(harness.store, seededRandom(1), 0);
      harness.lead = harness.newLead('c-1', store);
      harness.lead.start();
      await harness.start(planOf([{id: 'one'}]));
      store.kill();
      const dead = harness.lead;
      harness.lead = harness.newLead('c-2');
      harness.lead.start();
      await harness.fleet.add({id: 'a-1'});
      assert.equal((await harness.untilEnded()).state, 'succeeded');
      assert.equal((await harness.attempts('one'))[0]?.coordinator, 'c-2');
      void dead.stop();
    } finally {
      await harness.close();
    }
  });

  it('needs no wait when the dead lead was a process of the same coordinator', async () => {
    const harness = await Harness.open({leadTtlSeconds: 3600});
    try {
      await harness.lead.stop();
      const store = new FaultyStore(harness.store, seededRandom(1), 0);
      const dead = harness.newLead('c-1', store);
      dead.start();
      await harness.until(
        () => harness.store.get('sys/lead'),
        kv => kv !== undefined,
        undefined,
        'sys/',
      );
      store.kill();
      harness.lead = harness.newLead('c-1');
      harness.lead.start();
      assert.equal((await harness.start(planOf([{id: 'one'}]))).created, true);
      void dead.stop();
    } finally {
      await harness.close();
    }
  });
});

describe('Retention of sessions', () => {
  it('deletes everything of ended sessions beyond the number to keep, and nothing of others', async () => {
    const harness = await Harness.open({keepSessions: 1, retentionMs: 20});
    try {
      const agent = await harness.fleet.add({id: 'a-1'});
      await harness.start(planOf([{id: 'one'}]), {id: 's-old'});
      await harness.untilEnded('s-old');
      agent.work = () => undefined;
      await harness.start(planOf([{id: 'one'}]), {id: 's-runs'});
      await harness.fleet.until(() => agent.assigned.some(assign => assign.sessionId === 's-runs'));
      const [running] = agent.assigned.filter(assign => assign.sessionId === 's-runs');
      assert.ok(running);
      const old = (): Promise<number> =>
        harness.store.range(keys.base).then(({kvs}) => kvs.filter(kv => kv.key.includes('s-old')).length);
      assert.ok((await old()) > 0);
      await agent.report(running, done);
      await harness.untilEnded('s-runs');
      await harness.until(old, count => count === 0);
      assert.equal((await harness.session('s-runs')).state, 'succeeded');
      assert.equal((await harness.attempts('one', 's-runs')).length, 1);
    } finally {
      await harness.close();
    }
  });
});

describe('Retention beside people', () => {
  it('deletes nothing of a session that is taken up while it is being looked at', async () => {
    const harness = await Harness.open({keepSessions: 0, retentionMs: 3_600_000});
    try {
      await harness.lead.stop();
      const store = new FaultyStore(harness.store, seededRandom(1), 0);
      harness.lead = harness.newLead('c-1', store);
      harness.lead.start();
      const agent = await harness.fleet.add({id: 'a-1', work: () => failing('exit')});
      await harness.start(planOf([{id: 'one', retry: {max: 0, backoffMs: 0, maxBackoffMs: 0}}]));
      await harness.untilEnded();
      const stored = await harness.store.get(keys.session('s-1'));
      assert.ok(stored);
      const term = {
        store,
        committer: new Committer(store, ANY, OPTIONS),
        fleet: new Fleet(),
        logger: silentLogger,
      };
      const retention = new Retention(
        {...term, settings: leadSettings({keepSessions: 0}), clock: harness.clock},
        {order: () => Promise.resolve()},
      );
      // Between the look at the sessions and the first step.
      let isTaken = false;
      store.onRange = async prefix => {
        if (isTaken || !prefix.startsWith(keys.tasks('s-1'))) return;
        isTaken = true;
        agent.work = () => done;
        const action = {kind: 'resume'} as const;
        await harness.lead.controlSession({sessionId: 's-1', action}, client);
      };
      await retention.sweep('default');
      assert.equal(isTaken, true);
      assert.equal((await harness.untilSession(record => record.state === 'succeeded')).counts.succeeded, 1);
    } finally {
      await harness.close();
    }
  });
});

describe('Limits of records', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  const gates = Array.from(
    {length: 16},
    (_, index) =>
      ({name: `g${index}`, type: 'command', command: 'x', onFailure: 'fail', timeoutMs: 1000}) as const,
  );

  it('leaves out the evidence of gates that passed when a large result has no room for it', async () => {
    const value = 'x'.repeat(64_000);
    await harness.fleet.add({
      id: 'a-1',
      work: () => ({outcome: 'succeeded', result: {summary: '', value}}),
      gate: gate => ({...passed(gate), output: 'y'.repeat(2000)}),
    });
    await harness.start(planOf([{id: 'one', gates}]));
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    const task = await harness.task('one');
    assert.deepEqual([task.result?.value, task.gates], [value, undefined]);
  });

  it('fails a task whose result fits the report and no record beside it', async () => {
    await harness.fleet.add({
      id: 'a-1',
      work: async ({attemptId}, agent) => {
        // Exactly as much as the reported record takes.
        const assign = agent.assigned.find(known => known.attemptId === attemptId);
        assert.ok(assign);
        const [attempt] = await harness.attempts('one');
        const empty = {
          ...attempt,
          state: 'reported',
          report: {outcome: 'succeeded', result: {summary: '', value: ''}},
        };
        const value = 'x'.repeat(64 * 1024 - JSON.stringify(empty).length - 40);
        return {outcome: 'succeeded', result: {summary: '', value}};
      },
    });
    await harness.start(planOf([{id: 'one', title: 'x'}]));
    const ended = await harness.untilEnded();
    assert.equal(ended.state, 'failed');
    assert.match((await harness.task('one')).failure?.message ?? '', /too large to store/);
  });

  it('refuses to start from a workspace whose description does not fit a record', async () => {
    const bundle = {
      commit: 'a'.repeat(40),
      sha256: 'b'.repeat(64),
      bytes: 1,
      prerequisites: Array.from({length: 1024}, () => 'c'.repeat(40)),
    };
    const workspace = {repositoryId: 'r', commit: 'a'.repeat(40), bundles: [bundle]};
    const plan = planOf([{id: 'one'}], {workspace: {kind: 'git', setup: [], include: []}});
    await assert.rejects(
      harness.start(plan, {workspace}),
      error => isProtocolError(error, 'tooLarge') && /workspace has \d+ bytes/.test(error.message),
    );
  });

  it('fails a session whose end does not fit its record, instead of leading no more', async () => {
    await harness.lead.stop();
    const store = new FaultyStore(harness.store, seededRandom(1), 0);
    store.refuses = ({then}) =>
      then.some(
        op => op.kind === 'put' && op.key === keys.session('s-1') && /"state":"succeeded"/.test(op.value),
      )
        ? new CoordinatorError('limit', 'too large')
        : undefined;
    harness.lead = harness.newLead('c-1', store);
    harness.lead.start();
    await harness.fleet.add({id: 'a-1'});
    await harness.start(planOf([{id: 'one'}]));
    const ended = await harness.untilEnded();
    assert.equal(ended.state, 'failed');
    assert.match(ended.failure ?? '', /ended as succeeded, but its result is too large/);
    assert.equal(harness.lead.status().kind, 'leading');
  });

  it('lists the bundles of a large session in an artifact', async () => {
    const commit = (index: number): string => index.toString(16).padStart(40, '0');
    const bundle = (index: number): CommitBundle => ({
      commit: commit(index),
      sha256: index.toString(16).padStart(64, '0'),
      bytes: 1,
      prerequisites: [commit(0)],
    });
    const workspace: WorkspaceSource = {repositoryId: 'r', commit: commit(0), bundles: [bundle(0)]};
    let made = 0;
    await harness.fleet.add({
      id: 'a-1',
      slots: 8,
      work: () => {
        made += 1;
        return {outcome: 'succeeded', result: {summary: '', commit: commit(made), bundle: bundle(made)}};
      },
    });
    const plan = planOf(
      Array.from({length: 200}, (_, index) => ({id: `t${index}`})),
      {workspace: {kind: 'git', setup: [], include: []}},
    );
    await harness.start(plan, {workspace});
    const {result} = await harness.untilEnded();
    assert.ok(result?.bundleList);
    assert.deepEqual(result.bundles, []);
    const listed = JSON.parse(await harness.plans.get('default', result.bundleList)) as CommitBundle[];
    assert.equal(listed.length, 202);
    assert.equal(listed.at(-1)?.commit, result.commit);
  });
});
