/** How commits flow through a session: inputs, bundles, the merged result, and conflicts. */
import assert from 'node:assert/strict';
import {isProtocolError} from '../../../coordinator/protocol/errors.ts';
import {RefRecord} from '../../../coordinator/protocol/model/facts.ts';
import type {CommitBundle, WorkspaceSource} from '../../../coordinator/protocol/model/session.ts';
import type {Plan} from '../../../coordinator/protocol/plan/plan.ts';
import type {Principal} from '../../../coordinator/security/principal.ts';
import {readRecord} from '../../../coordinator/store/records.ts';
import {keys, type Work} from '../fakeFleet.ts';
import {Harness, planOf, promptWork} from '../leadHarness.ts';

const commit = (name: string): string => Buffer.from(name.padEnd(20, '.')).toString('hex').slice(0, 40);
const bundle = (name: string, ...prerequisites: string[]): CommitBundle => ({
  commit: commit(name),
  sha256: Buffer.from(name.padEnd(32, '.')).toString('hex'),
  bytes: 1,
  prerequisites: prerequisites.map(commit),
});
const workspace: WorkspaceSource = {repositoryId: 'r-1', commit: commit('base'), bundles: [bundle('base')]};
const git: Partial<Plan> = {workspace: {kind: 'git', setup: ['npm ci'], include: []}};

/** Every task leaves one commit named after itself. */
const committing: Work = ({taskId, workspace: {kind}}) => {
  assert.equal(kind, 'git');
  return {
    outcome: 'succeeded',
    result: {summary: taskId, commit: commit(taskId), bundle: bundle(taskId, 'base')},
  };
};

const agentPrincipal = (agentId: string): Principal => ({
  id: `agent:${agentId}`,
  tenant: 'default',
  role: 'agent',
  agentId,
});

describe('Flow of commits', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  it('starts each task from its dependencies in plan order and ends with their merge', async () => {
    const agent = await harness.fleet.add({id: 'a-1', slots: 4, work: committing});
    await harness.start(
      planOf([{id: 'left'}, {id: 'right'}, {id: 'both', dependsOn: ['left', 'right']}, {id: 'alone'}], git),
      {workspace},
    );
    const ended = await harness.untilEnded();
    assert.equal(ended.state, 'succeeded');
    assert.equal(ended.counts.total, 5);
    const inputs = new Map(
      agent.assigned.map(({taskId, workspace: work}) => [
        taskId,
        work.kind === 'git' ? work.inputs.map(input => input.taskId) : undefined,
      ]),
    );
    assert.deepEqual(inputs.get('left'), []);
    assert.deepEqual(inputs.get('both'), ['left', 'right']);
    assert.deepEqual(inputs.get('_result'), ['both', 'alone']);
    assert.equal(ended.result?.commit, commit('_result'));
    assert.equal(ended.result?.branch, 'mcpx/s-1');
    assert.deepEqual(
      ended.result?.bundles.map(one => one.commit),
      ['base', 'left', 'right', 'both', 'alone', '_result'].map(commit),
    );
    const ref = await readRecord(harness.store, RefRecord, keys.ref('s-1', 'both'));
    assert.equal(ref?.value.commit, commit('both'));
  });

  it('asks for merges by the command of that name, and for assignments where an agent does not know it', async () => {
    const agent = await harness.fleet.add({id: 'a-1', slots: 4, work: committing});
    const plan = planOf(
      [
        {id: 'one'},
        {id: 'two'},
        {id: 'values', work: {kind: 'merge', values: 'json'}, dependsOn: ['one', 'two']},
      ],
      git,
    );
    await harness.start(plan, {workspace});
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    assert.deepEqual(agent.merges, ['values', '_result']);
    agent.knowsMerges = false;
    await harness.start(plan, {workspace, id: 's-2'});
    assert.equal((await harness.untilEnded('s-2')).state, 'succeeded');
    assert.deepEqual(agent.merges, ['values', '_result']);
    assert.deepEqual(
      agent.assigned.map(({taskId}) => taskId).filter(taskId => taskId === 'values'),
      ['values', 'values'],
    );
  });

  it('does not merge what changed nothing', async () => {
    const agent = await harness.fleet.add({
      id: 'a-1',
      work: assign =>
        assign.taskId === 'reader'
          ? {outcome: 'succeeded', result: {summary: 'read', commit: workspace.commit}}
          : committing(assign, undefined as never),
    });
    await harness.start(
      planOf([{id: 'reader'}, {id: 'writer'}, {id: 'both', dependsOn: ['reader', 'writer']}], git),
      {workspace},
    );
    await harness.untilEnded();
    const both = agent.assigned.find(assign => assign.taskId === 'both');
    assert.deepEqual(both?.workspace.kind === 'git' && both.workspace.inputs, [
      {taskId: 'writer', commit: commit('writer')},
    ]);
  });

  it("fails the session when a plan's gate fails on the merged result", async () => {
    await harness.fleet.add({
      id: 'a-1',
      work: committing,
      gate: gate => ({gate: gate.name, passed: false, exitCode: 1, output: 'red', durationMs: 1}),
    });
    const gate = {name: 'build', type: 'command', command: 'x', onFailure: 'retry', timeoutMs: 1000} as const;
    await harness.start(planOf([{id: 'one'}], {...git, gates: [gate]}), {workspace});
    const ended = await harness.untilEnded();
    assert.equal(ended.state, 'failed');
    assert.match(ended.failure ?? '', /_result \(gate: gate "build" failed/);
    assert.equal((await harness.task('_result')).attempts, 1);
    assert.equal(ended.result, undefined);
  });

  it('needs no result task without a repository, unless the plan has gates', async () => {
    await harness.fleet.add({id: 'a-1'});
    await harness.start(planOf([{id: 'one'}]));
    assert.equal((await harness.untilEnded()).counts.total, 1);
    const gate = {name: 'check', type: 'command', command: 'x', onFailure: 'fail', timeoutMs: 1000} as const;
    await harness.start(planOf([{id: 'one'}], {gates: [gate]}), {id: 's-2'});
    assert.equal((await harness.untilEnded('s-2')).counts.total, 2);
  });

  it('tells an attempt the results of its dependencies and the bundles that bring them, under its fence', async () => {
    const agent = await harness.fleet.add({
      id: 'a-1',
      work: assign => (assign.taskId === 'last' ? undefined : committing(assign, undefined as never)),
    });
    await harness.start(
      planOf(
        [
          {id: 'first'},
          {id: 'middle', dependsOn: ['first']},
          {id: 'other'},
          {id: 'last', dependsOn: ['middle']},
        ],
        git,
      ),
      {workspace},
    );
    await harness.fleet.until(() => agent.assigned.some(assign => assign.taskId === 'last'));
    const last = agent.assigned.find(assign => assign.taskId === 'last');
    assert.ok(last);
    const ask = {attemptId: last.attemptId, fence: last.fence};
    const {results, bundles} = await harness.lead.resolveDependencies(ask, agentPrincipal('a-1'));
    assert.deepEqual(
      results.map(one => one.taskId),
      ['middle'],
    );
    assert.deepEqual(
      bundles.map(one => one.commit),
      ['base', 'first', 'middle'].map(commit),
    );
    await assert.rejects(harness.lead.resolveDependencies(ask, agentPrincipal('a-2')), error =>
      isProtocolError(error, 'forbidden'),
    );
    const stale = {...ask, fence: {...ask.fence, revision: ask.fence.revision - 1}};
    await assert.rejects(harness.lead.resolveDependencies(stale, agentPrincipal('a-1')), error =>
      isProtocolError(error, 'staleFence'),
    );
  });

  describe('conflicts', () => {
    const conflicting: Work = assign => {
      const inputs = assign.workspace.kind === 'git' ? assign.workspace.inputs : [];
      const [ours, theirs] = inputs;
      if (!ours || !theirs || assign.task.keepConflicts) return committing(assign, undefined as never);
      const conflict = {paths: ['src/a.ts'], ours, theirs};
      return {outcome: 'failed', failure: {kind: 'conflict', message: 'src/a.ts conflicts', conflict}};
    };
    const tasks = [{id: 'left'}, {id: 'right'}, {id: 'both', dependsOn: ['left', 'right'], work: promptWork}];

    it('becomes a merge task whose result the task starts from', async () => {
      const agent = await harness.fleet.add({id: 'a-1', slots: 2, work: conflicting});
      await harness.start(planOf(tasks, {...git, merge: {onConflict: 'task', prompt: 'Prefer tabs.'}}), {
        workspace,
      });
      const ended = await harness.untilEnded();
      assert.equal(ended.state, 'succeeded');
      const merge = agent.assigned.find(assign => assign.taskId === '_merge-both');
      assert.ok(merge?.task.work.kind === 'prompt');
      assert.equal(merge.task.keepConflicts, true);
      assert.match(merge.task.work.prompt, /- src\/a\.ts/);
      assert.match(merge.task.work.prompt, /Prefer tabs\./);
      const both = agent.assigned.filter(assign => assign.taskId === 'both');
      assert.deepEqual(
        both.map(assign => assign.workspace.kind === 'git' && assign.workspace.inputs.map(one => one.taskId)),
        [['left', 'right'], ['_merge-both']],
      );
      assert.equal((await harness.task('both')).retries, 0);
      assert.equal((await harness.task('_merge-both')).origin, 'merge');
      assert.deepEqual(
        ended.result?.bundles.map(one => one.commit),
        ['base', 'left', 'right', '_merge-both', 'both', '_result'].map(commit),
      );
    });

    it('survives a change of the lead while the merge runs', async () => {
      const agent = await harness.fleet.add({
        id: 'a-1',
        slots: 2,
        work: assign =>
          assign.taskId === '_merge-both' ? undefined : conflicting(assign, undefined as never),
      });
      await harness.start(planOf(tasks, {...git, merge: {onConflict: 'task'}}), {workspace});
      await harness.fleet.until(() => agent.assigned.some(assign => assign.taskId === '_merge-both'));
      await harness.lead.stop();
      harness.lead = harness.newLead();
      harness.lead.start();
      const merge = agent.assigned.find(assign => assign.taskId === '_merge-both');
      assert.ok(merge);
      const report = await committing(merge, agent);
      assert.ok(report);
      assert.equal(await agent.report(merge, report), true);
      assert.equal((await harness.untilEnded()).state, 'succeeded');
    });

    it('fails with both sides when the plan wants no merge task', async () => {
      await harness.fleet.add({id: 'a-1', slots: 2, work: conflicting});
      await harness.start(planOf(tasks, git), {workspace});
      assert.equal((await harness.untilEnded()).state, 'failed');
      const {failure} = await harness.task('both');
      assert.equal(failure?.kind, 'conflict');
      assert.deepEqual([failure?.conflict?.ours.taskId, failure?.conflict?.theirs.taskId], ['left', 'right']);
    });
  });
});
