/** Shared memory with a real coordinator and a real agent that is cut off by its link: what both sides wrote meanwhile comes together. */
import assert from 'node:assert/strict';
import {mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import type {Agent} from '../../coordinator/agent/agent.ts';
import type {MemoryWriter} from '../../coordinator/agent/memory/memoryReplica.ts';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {snapshotRows} from '../../coordinator/commands/local/connect.ts';
import {DEFAULT_SETTINGS} from '../../coordinator/config.ts';
import {startCoordinator} from '../../coordinator/coordinator.ts';
import type {Coordinator} from '../../coordinator/coordinatorOptions.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {startAgent, testLogger} from '../agent/agentFixture.ts';
import {eventually} from '../fixtures/eventually.ts';
import {CuttingProxy} from '../support/cuttingProxy.ts';
import {Fleet} from '../support/fleet.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {found} from '../support/waiting.ts';

const PATIENCE_MS = 60_000;

describe('shared memory of an agent that is cut off', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  let coordinator: Coordinator;
  let proxy: CuttingProxy;
  let client: McpxClient;
  const agents: Agent[] = [];

  const start = async (settings: Partial<typeof DEFAULT_SETTINGS> = {}): Promise<Agent> => {
    fleet = Fleet.create();
    mkdirSync(fleet.dataFolder);
    coordinator = await startCoordinator({
      directory: fleet.dataFolder,
      address: {host: '127.0.0.1', port: 0},
      tls: false,
      publicNames: [],
      settings: {...DEFAULT_SETTINGS, ...settings},
      clock: systemClock,
      random: systemRandom,
      logger: testLogger(),
    });
    fleet.use(coordinator);
    proxy = await CuttingProxy.open(() => Number(new URL(coordinator.url).port));
    client = await fleet.connect();
    return join('agent-1', `ws://127.0.0.1:${proxy.port}`);
  };
  const join = async (agentId: string, url: string): Promise<Agent> => {
    const agent = await startAgent(path.join(fleet.folder, agentId), url, {
      agentId,
      hub: {urls: [url], token: () => coordinator.agentToken},
    });
    agents.push(agent);
    await agent.link.whenUp();
    return agent;
  };
  const hold = (name: string) => `while [ ! -e ${fleet.folder}/${name} ]; do sleep 0.05; done`;
  const release = (name: string) => writeFileSync(path.join(fleet.folder, name), '');
  const session = (tasks: object[]) =>
    SessionRun.start(fleet, {plan: JSON.stringify({name: 'memory', workspace: 'none', tasks})});
  const writerOf = async (agent: Agent, attemptId: string): Promise<MemoryWriter> => {
    const attempt = await found(
      () => agent.attempts.get(attemptId),
      PATIENCE_MS,
      `attempt ${attemptId} on ${agent.id}`,
    );
    return attempt.assign;
  };
  const cut = async (agent: Agent): Promise<void> => {
    proxy.cut();
    proxy.reset();
    await found(() => (agent.link.isUp ? undefined : true), PATIENCE_MS, 'the link to be down');
  };
  const conflicts = async () =>
    (await snapshotRows(client, {view: 'conflicts'})).flatMap(row =>
      row.kind === 'conflict' ? [row.conflict] : [],
    );

  afterEach(async () => {
    await Promise.all(agents.splice(0).map(agent => agent.stop('the test is over', {now: true})));
    await coordinator.stop(0);
    await proxy.close();
    await fleet.close();
  });

  it('is written and read on, merged once it is back, and a person decides about the rest', async () => {
    const agent = await start();
    const run = await session([{id: 'work', run: hold('go')}]);
    const sessionId = run.id;
    const writer = await writerOf(agent, `${sessionId}.work.1`);
    const {memory} = agent;
    const put = (key: string, value: object | string) =>
      client.request('mcpx.memory.put', {sessionId, key, value: JSON.parse(JSON.stringify(value))});
    const read = async (key: string) =>
      (await client.request('mcpx.memory.get', {sessionId, key})).record?.value;

    const first = await memory.store(writer, 'plan', {a: 1, b: 1});
    assert.equal(first.kind === 'answered' && first.outcome.kind, 'applied');
    assert.deepEqual(await read('plan'), {a: 1, b: 1});
    await put('note', 'before');
    await memory.sync(sessionId);

    await cut(agent);
    await put('plan', {a: 1, b: 2});
    await put('note', 'theirs');
    assert.deepEqual(await memory.store(writer, 'plan', {a: 2, b: 1}), {kind: 'kept'});
    assert.deepEqual(await memory.store(writer, 'note', 'mine'), {kind: 'kept'});
    const seen = await memory.retrieve(sessionId, 'plan');
    assert.deepEqual([seen.value, seen.pending], [{a: 2, b: 1}, true]);
    const away = (error: unknown) => isProtocolError(error, 'unavailable');
    await assert.rejects(memory.retrieve(sessionId, 'plan', 'strong'), away);
    await assert.rejects(memory.store(writer, 'plan', 0, {ifVersion: 2}), away);
    assert.deepEqual(memory.list(sessionId), ['note', 'plan']);

    proxy.heal();
    await eventually(async () => assert.deepEqual(await read('plan'), {a: 2, b: 2}));
    const [conflict] = await found(
      async () => {
        const all = await conflicts();
        return all.length > 0 ? all : undefined;
      },
      PATIENCE_MS,
      'the conflict to be told',
    );
    assert.ok(conflict);
    assert.deepEqual(
      [conflict.key, conflict.mine.value, conflict.theirs.value, conflict.base?.value],
      ['note', 'mine', 'theirs', 'before'],
    );
    assert.equal(await read('note'), 'theirs');
    await client.request('mcpx.memory.resolve', {
      sessionId,
      conflictId: conflict.id,
      choice: {kind: 'mine'},
    });
    assert.deepEqual([await read('note'), await conflicts()], ['mine', []]);

    const synced = await client.request('mcpx.coordinate.state.sync', {sessionId});
    assert.deepEqual(
      synced.agents?.map(({agentId, ok}) => [agentId, ok]),
      [['agent-1', true]],
    );
    assert.equal((await memory.retrieve(sessionId, 'note')).value, 'mine');
    release('go');
    assert.equal((await run.ended(PATIENCE_MS)).state, 'succeeded', run.describe());
  });

  it('counts what an attempt wrote although it ended while it was cut off', async () => {
    const agent = await start();
    const run = await session([{id: 'work', run: hold('go')}]);
    const writer = await writerOf(agent, `${run.id}.work.1`);
    await cut(agent);
    for (let at = 1; at <= 3; at++) await agent.memory.store(writer, 'count', at);
    release('go');
    const attempt = agent.attempts.get(`${run.id}.work.1`);
    await found(() => (attempt?.state.kind === 'reporting' ? true : undefined), PATIENCE_MS, 'its end');
    proxy.heal();
    assert.equal((await run.ended(PATIENCE_MS)).state, 'succeeded', run.describe());
    const {record, version} = await client.request('mcpx.memory.get', {sessionId: run.id, key: 'count'});
    assert.deepEqual([record?.value, version], [3, 3]);
    assert.deepEqual(await conflicts(), []);
  });

  it('merges as whoever embeds the coordinator has taught it', async () => {
    const agent = await start();
    coordinator.memory.resolver.register('longest', (_base, mine, theirs) => ({
      kind: 'merged',
      value: JSON.stringify(mine).length > JSON.stringify(theirs).length ? mine : theirs,
    }));
    await client.request('mcpx.memory.policy', {set: {prefix: '', strategy: 'merge', merge: 'longest'}});
    const run = await session([{id: 'work', run: hold('go')}]);
    const writer = await writerOf(agent, `${run.id}.work.1`);
    await cut(agent);
    await client.request('mcpx.memory.put', {sessionId: run.id, key: 'k', value: 'short'});
    await agent.memory.store(writer, 'k', 'much longer');
    proxy.heal();
    await eventually(async () => {
      const {record} = await client.request('mcpx.memory.get', {sessionId: run.id, key: 'k'});
      assert.deepEqual([record?.value, record?.resolved?.strategy], ['much longer', 'merge']);
    });
    release('go');
    await run.ended(PATIENCE_MS);
  });

  it('keeps apart what was written by an attempt that was replaced meanwhile', async () => {
    const agent = await start({leaseSeconds: 1, lossGraceMs: 100});
    const run = await session([{id: 'work', run: hold('go')}]);
    const first = await writerOf(agent, `${run.id}.work.1`);
    await cut(agent);
    const kept: string[] = [];
    agent.memory.onOutcome(({outcome}) => kept.push(outcome.kind));
    await agent.memory.store(first, 'k', 'late');
    const other = await join('agent-2', coordinator.url);
    const second = await writerOf(other, `${run.id}.work.2`);
    await other.memory.store(second, 'k', 'current');
    proxy.heal();
    await found(() => (kept.length > 0 ? kept : undefined), PATIENCE_MS, 'the write to be judged');
    assert.deepEqual(kept, ['quarantined']);
    const [conflict] = await conflicts();
    assert.deepEqual(
      [conflict?.reason, conflict?.mine.value, conflict?.theirs.value],
      ['staleFence', 'late', 'current'],
    );
    release('go');
    await run.ended(PATIENCE_MS);
  });
});
