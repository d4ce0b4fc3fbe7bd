/** The public interface for programs, method by method: a real coordinator, real agents, real git. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {connect} from '../../coordinator/client/orchestrator/connect.ts';
import type {ExecutionUpdate} from '../../coordinator/client/orchestrator/executionFeed.ts';
import type {McpxOrchestrator} from '../../coordinator/client/orchestrator/mcpxOrchestrator.ts';
import {task} from '../../coordinator/client/orchestrator/session.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import type {ClaudeCodeInstance} from '../../coordinator/protocol/instance.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {Fleet} from '../support/fleet.ts';
import {freePort} from '../support/freePorts.ts';
import {createProject, git} from '../support/gitProject.ts';
import {found, within} from '../support/waiting.ts';

const WAIT_MS = 60_000;

describe('DistributedOrchestrator', function () {
  this.timeout(180_000);
  let fleet: Fleet;
  let orchestrator: McpxOrchestrator;
  let files = 0;

  before(async () => {
    fleet = await Fleet.start();
    await fleet.startAgent({id: 'a-1', args: ['--claude', 'off', '--region', 'eu', '--tag', 'big']});
    await fleet.startAgent({
      id: 'a-2',
      args: ['--claude', 'off', '--region', 'us', '--capability', 'analysis:expert:sql'],
    });
    await fleet.whenOnline(['a-1', 'a-2']);
    const {url, token} = fleet.endpoint;
    orchestrator = await connect({url, token});
  });
  after(async () => {
    orchestrator?.close();
    await fleet?.close();
  });

  const agents = async (...ids: string[]): Promise<ClaudeCodeInstance[]> =>
    (await orchestrator.getAvailableAgents({status: ['idle', 'active', 'busy']})).filter(({id}) =>
      ids.includes(id),
    );

  /** A command that runs until the returned function is called. */
  function held(): {readonly run: string; release(): void} {
    files += 1;
    const file = path.join(fleet.folder, `go-${files}`);
    return {run: `while [ ! -e ${file} ]; do sleep 0.05; done`, release: () => writeFileSync(file, '')};
  }

  const until = async (sessionId: string, taskId: string, state: string): Promise<void> => {
    for await (const update of orchestrator.monitorExecution(sessionId))
      if (update.kind === 'task' && update.task.id === taskId && update.task.state === state) return;
    assert.fail(`the session ended before ${taskId} was ${state}`);
  };

  it('getSession: null for an id that nobody has', async () => {
    assert.equal(await orchestrator.getSession('s-nowhere'), null);
  });

  it('createSession: from a plan on a repository, once for one id', async () => {
    const folder = path.join(fleet.folder, 'project');
    createProject(folder, {'README.md': 'Hello.\n'});
    const config = {
      id: 's-created',
      folder,
      plan: {
        name: 'made',
        tasks: [
          {id: 'one', run: 'echo one > one.txt'},
          {id: 'two', run: 'cat one.txt README.md > two.txt', dependsOn: 'one'},
        ],
      },
    } as const;
    const session = await orchestrator.createSession({
      ...config,
      plan: {...config.plan, tasks: [...config.plan.tasks]},
    });
    assert.deepEqual([session.id, session.name, session.isOpen], ['s-created', 'made', false]);
    const again = await orchestrator.createSession({
      ...config,
      plan: {...config.plan, tasks: [...config.plan.tasks]},
    });
    assert.equal(again.record.createdAt, session.record.createdAt);
    await assert.rejects(
      orchestrator.createSession({id: 's-created', folder, plan: {tasks: [{id: 'other', run: 'true'}]}}),
      error => isProtocolError(error, 'conflict'),
    );
    await assert.rejects(
      orchestrator.createSession({plan: {tasks: [{id: 'a', run: 'true', dependsOn: 'b'}]}}),
      (error: unknown) => isCoordinatorError(error, 'config') && /no task is called "b"/.test(error.message),
    );
    const updates: ExecutionUpdate[] = [];
    for await (const update of orchestrator.monitorExecution('s-created')) updates.push(update);
    const ended = await orchestrator.getSession('s-created');
    assert.deepEqual([ended?.state, ended?.hasEnded, ended?.progress.fraction], ['succeeded', true, 1]);
    const result = ended?.record.result;
    assert.ok(result);
    assert.equal(git(folder, 'log', '--oneline').split('\n').length, 1, 'the checkout is as it was');
  });

  it('terminateSession: stops what runs, or waits for it, and is the same for one that has ended', async () => {
    const {run, release} = held();
    const stopped = await orchestrator.createSession({plan: {tasks: [{id: 'long', run}]}});
    await until(stopped.id, 'long', 'running');
    await orchestrator.terminateSession(stopped.id);
    assert.equal((await orchestrator.getSession(stopped.id))?.state, 'cancelled');
    await orchestrator.terminateSession(stopped.id);
    const open = await orchestrator.createSession({open: true, plan: {tasks: [{id: 'long', run}]}});
    await until(open.id, 'long', 'running');
    const ended = orchestrator.terminateSession(open.id, {mode: 'finish'});
    release();
    await within(ended, WAIT_MS, 'the session to end');
    assert.equal((await orchestrator.getSession(open.id))?.state, 'succeeded');
    const empty = await orchestrator.createSession({});
    assert.deepEqual([empty.isOpen, empty.state], [true, 'running']);
    await within(orchestrator.terminateSession(empty.id), WAIT_MS, 'an empty session to end');
    await assert.rejects(orchestrator.terminateSession('s-nowhere'), error =>
      isProtocolError(error, 'notFound'),
    );
  });

  it('registerAgent, deregisterAgent: an agent that listens is dialled, after a restart of the coordinator too', async () => {
    const port = await freePort();
    const endpoint = `ws://127.0.0.1:${port}`;
    const [known] = await agents('a-1');
    assert.ok(known);
    await orchestrator.registerAgent(known);
    const listener: ClaudeCodeInstance = {...known, id: 'listener', endpoint};
    const dialsOut = {...listener, endpoint: '/agents/listener'};
    await assert.rejects(orchestrator.registerAgent(dialsOut), error => isCoordinatorError(error, 'config'));
    const token = fleet.endpoint.agentToken;
    await assert.rejects(orchestrator.registerAgent(listener, {token, timeoutMs: 200}), error =>
      isCoordinatorError(error, 'timeout'),
    );
    await orchestrator.deregisterAgent('listener');
    await fleet.startAgent({id: 'listener', args: ['--claude', 'off', '--listen', `127.0.0.1:${port}`]});
    await orchestrator.registerAgent(listener, {token});
    const listed = await agents('listener');
    assert.deepEqual(
      listed.map(agent => agent.endpoint),
      [endpoint],
    );
    await fleet.coordinator.kill();
    await fleet.startCoordinator();
    await fleet.whenOnline(['a-1', 'a-2']);
    const result = await orchestrator.distributeTask(task({id: 'there', run: 'true'}), listed);
    assert.deepEqual(
      result.agents.map(({agentId, kind}) => [agentId, kind]),
      [['listener', 'ran']],
    );
    await orchestrator.deregisterAgent('listener');
    await found(
      async () => ((await agents('listener')).length === 0 ? true : undefined),
      WAIT_MS,
      'the agent to be gone',
    );
    await assert.rejects(orchestrator.deregisterAgent('nobody'), error => isProtocolError(error, 'notFound'));
  });

  it('getAvailableAgents: those that meet what is asked, by what they can do, where they are and how they are', async () => {
    const ids = async (criteria?: Parameters<McpxOrchestrator['getAvailableAgents']>[0]) =>
      (await orchestrator.getAvailableAgents(criteria)).map(({id}) => id);
    assert.deepEqual(await ids(), ['a-1', 'a-2']);
    assert.deepEqual(await ids({region: 'eu'}), ['a-1']);
    assert.deepEqual(await ids({tags: ['big']}), ['a-1']);
    assert.deepEqual(await ids({capabilities: [{domain: 'analysis', specialization: ['sql']}]}), ['a-2']);
    assert.deepEqual(await ids({capabilities: [{domain: 'analysis', specialization: ['cobol']}]}), []);
    await orchestrator.client.request('mcpx.agent.drain', {agentId: 'a-2', drain: true});
    await found(async () => ((await ids()).length === 1 ? true : undefined), WAIT_MS, 'the drain to show');
    assert.deepEqual(await ids({status: ['maintenance']}), ['a-2']);
    await orchestrator.client.request('mcpx.agent.drain', {agentId: 'a-2', drain: false});
    await found(async () => ((await ids()).length === 2 ? true : undefined), WAIT_MS, 'its end to show');
  });

  it('orchestrateTask: resolves with what became of it, whatever that is, and the session takes more', async () => {
    const session = await orchestrator.createSession({plan: {name: 'open', defaults: {retry: {max: 0}}}});
    const good = await orchestrator.orchestrateTask(task({id: 'good', run: 'echo well done'}), session);
    assert.equal(good.outcome.kind, 'succeeded');
    assert.deepEqual(
      good.attempts.map(({state}) => state),
      ['ended'],
    );
    const bad = await orchestrator.orchestrateTask(
      task({id: 'bad', run: 'exit 3', retry: {max: 0}}),
      session,
    );
    assert.equal(bad.outcome.kind === 'failed' && bad.outcome.failure?.kind, 'exit');
    const again = await orchestrator.orchestrateTask(task({id: 'good', run: 'echo well done'}), session);
    assert.equal(again.attempts.length, 1);
    const {run, release} = held();
    const stop = new AbortController();
    const waiting = orchestrator.orchestrateTask(task({id: 'long', run}), session, {signal: stop.signal});
    await until(session.id, 'long', 'running');
    stop.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
    const now = await orchestrator.getSession(session.id);
    assert.ok(now && now.progress.fraction > 0 && now.progress.fraction < 1, JSON.stringify(now?.progress));
    release();
    await orchestrator.terminateSession(session.id, {mode: 'finish'});
    await assert.rejects(orchestrator.orchestrateTask(task({id: 'late', run: 'true'}), session), error =>
      isProtocolError(error, 'conflict'),
    );
  });

  it('distributeTask: goes to exactly the agents that are given, and says of each what became of it', async () => {
    const both = await agents('a-1', 'a-2');
    const {
      sessionId,
      plan,
      agents: answers,
    } = await orchestrator.distributeTask(
      task({id: 'everywhere', run: 'test $MCPX_TASK_ID = everywhere-1', retry: {max: 0}}),
      [...both, {...both[0], id: 'nobody'} as ClaudeCodeInstance, ...both],
    );
    assert.deepEqual(
      answers.map(answer => [
        answer.agentId,
        answer.kind === 'ran'
          ? [answer.result.outcome.kind, answer.result.attempts.map(({agentId}) => agentId)]
          : answer.kind,
      ]),
      [
        ['a-1', ['succeeded', ['a-1']]],
        ['a-2', ['failed', ['a-2']]],
        ['nobody', 'notConnected'],
      ],
    );
    assert.deepEqual(
      plan.assignments.map(({taskId, agentId}) => [taskId, agentId]),
      [
        ['everywhere-1', 'a-1'],
        ['everywhere-2', 'a-2'],
      ],
    );
    assert.equal((await orchestrator.getSession(sessionId))?.hasEnded, true);
    await assert.rejects(orchestrator.distributeTask(task({id: 'x', run: 'true'}), []), error =>
      isCoordinatorError(error, 'unavailable'),
    );
  });

  it('planDistribution: says where tasks of a plan would go, and starts nothing', async () => {
    await agents('a-1', 'a-2');
    const {assignments, unplaced} = await orchestrator.planDistribution({
      plan: {
        tasks: [
          {id: 'one', run: 'true'},
          {id: 'two', run: 'true', dependsOn: 'one', affinity: [{kind: 'sameAgent', with: ['one']}]},
          {id: 'none', run: 'true', requires: {region: 'moon'}},
        ],
      },
      agents: [{id: 'a-2'}],
    });
    assert.deepEqual(
      assignments.map(({taskId, agentId}) => [taskId, agentId]),
      [
        ['one', 'a-2'],
        ['two', 'a-2'],
      ],
    );
    assert.ok(
      assignments.every(({reasons, features}) => reasons.length > 0 && Object.keys(features).length > 0),
    );
    assert.deepEqual(
      unplaced.map(({taskId}) => taskId),
      ['none'],
    );
  });

  it('monitorExecution: tells of every change over a lost connection, and ends with the session or the reader', async () => {
    await assert.rejects(
      async () => {
        for await (const _ of orchestrator.monitorExecution('s-nowhere')) assert.fail('there is nothing');
      },
      error => isProtocolError(error, 'notFound'),
    );
    const {run, release} = held();
    const {id} = await orchestrator.createSession({
      plan: {
        tasks: [
          {id: 'long', run},
          {id: 'then', run: 'true', dependsOn: 'long'},
        ],
      },
    });
    const states: string[] = [];
    for await (const update of orchestrator.monitorExecution(id)) {
      if (update.kind !== 'task') continue;
      states.push(`${update.task.id} ${update.task.state}`);
      if (states.at(-1) === 'long running') break;
    }
    const revisions: number[] = [];
    let last: ExecutionUpdate | undefined;
    let restarted = false;
    for await (const update of orchestrator.monitorExecution(id)) {
      if (!restarted) {
        restarted = true;
        await fleet.coordinator.kill();
        await fleet.startCoordinator();
        release();
      }
      revisions.push(update.revision);
      last = update;
    }
    assert.deepEqual(
      revisions,
      [...revisions].sort((a, b) => a - b),
    );
    assert.equal(last?.kind === 'session' && last.session.state, 'succeeded');
  });

  it('getSharedState, updateSharedState: all of the updates or none', async () => {
    const {id} = await orchestrator.createSession({});
    const empty = await orchestrator.getSharedState(id);
    assert.equal(empty.entries.size, 0);
    await orchestrator.updateSharedState(id, [
      {kind: 'put', key: 'from', value: 10},
      {kind: 'put', key: 'to', value: 0},
    ]);
    const before = await orchestrator.getSharedState(id);
    const version = before.entries.get('from')?.version;
    await orchestrator.updateSharedState(id, [
      {kind: 'put', key: 'from', value: 7, ifVersion: version},
      {kind: 'put', key: 'to', value: 3},
    ]);
    await assert.rejects(
      orchestrator.updateSharedState(id, [
        {kind: 'delete', key: 'to'},
        {kind: 'put', key: 'from', value: 0, ifVersion: version},
      ]),
      (error: unknown) => {
        assert.ok(isProtocolError(error, 'conflict'));
        assert.deepEqual(error.data, {key: 'from', version: 2});
        return true;
      },
    );
    const after = await orchestrator.getSharedState(id);
    assert.deepEqual(
      [...after.entries].map(([key, {record}]) => [key, record.value]),
      [
        ['from', 7],
        ['to', 3],
      ],
    );
    assert.ok(after.revision > before.revision);
    await assert.rejects(orchestrator.getSharedState('s-nowhere'), error =>
      isProtocolError(error, 'notFound'),
    );
    await orchestrator.terminateSession(id);
  });

  it('syncState: answers for each agent, those that are behind and those that do not answer too', async () => {
    const {run, release} = held();
    const {id} = await orchestrator.createSession({
      plan: {tasks: [{id: 'work', run, affinity: [{kind: 'agent', with: ['a-1']}]}]},
    });
    await until(id, 'work', 'running');
    await orchestrator.updateSharedState(id, [{kind: 'put', key: 'k', value: 1}]);
    const {revision, agents: answers} = await orchestrator.syncState(id, ['a-1', 'a-2', 'nobody']);
    assert.deepEqual(
      answers.map(({agentId, kind}) => [agentId, kind]),
      [
        ['a-1', 'current'],
        ['a-2', 'behind'],
        ['nobody', 'unreachable'],
      ],
    );
    const written = (await orchestrator.getSharedState(id)).entries.get('k')?.modRevision ?? 0;
    assert.ok(revision >= written);
    assert.deepEqual(
      (await orchestrator.syncState(id)).agents.map(({agentId}) => agentId),
      ['a-1'],
    );
    release();
    await orchestrator.terminateSession(id, {mode: 'finish'});
  });
});
