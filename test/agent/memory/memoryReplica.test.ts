/** An agent's share of shared memory with a scripted hub: through the door of an attempt, over lost answers, and over kill -9 of the agent. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, writeFileSync} from 'node:fs';
import type {Agent} from '../../../coordinator/agent/agent.ts';
import type {OfflineWrite, StateSynced} from '../../../coordinator/protocol/commands/memory.ts';
import type {Params, ResultInput} from '../../../coordinator/protocol/commands/table.ts';
import {ProtocolError} from '../../../coordinator/protocol/errors.ts';
import type {WriteOutcome} from '../../../coordinator/protocol/model/memory.ts';
import {jsonDigest} from '../../../coordinator/runtime/jsonDigest.ts';
import {assignment, run, startAgent, typescriptMain} from '../agentFixture.ts';
import {FakeHub} from '../fakeHub.ts';
import {temporaryFolder, until} from '../supervisor/support.ts';

/** Takes every write once, as the hub does, and tells one value that others wrote. */
class FakeMemory {
  readonly taken: OfflineWrite[] = [];
  ended = false;
  private readonly marks = new Map<string, number>();

  sync = ({replica}: Params<'mcpx.coordinate.state.sync'>): ResultInput<'mcpx.coordinate.state.sync'> => {
    const outcomes = (replica?.writes ?? []).map((write): WriteOutcome => {
      if ((this.marks.get(write.incarnation) ?? 0) >= write.sequence) return {kind: 'repeated'};
      this.marks.set(write.incarnation, write.sequence);
      this.taken.push(write);
      return {kind: 'applied', revision: 10, version: 1};
    });
    const value = {from: 'others'};
    const record = {v: 1, principal: 'client:ada', value, timestamp: 1, checksum: jsonDigest(value)};
    const changes: StateSynced['changes'] = [{key: 'theirs', revision: 9, entry: {record, version: 2}}];
    const vector = {store: 'store-1', revision: 9, writers: Object.fromEntries(this.marks)};
    return {vector, outcomes, changes, ended: this.ended};
  };
}

const NODE = JSON.stringify(process.execPath);

/** A command that asks at the attempt's door, and prints status and body. */
function ask(method: string, path: string, body?: string): string {
  const code = [
    `fetch(process.env.MCPX_MEMORY + '/${path}', {`,
    `method: '${method}', headers: {authorization: 'Bearer ' + process.env.MCPX_MEMORY_TOKEN},`,
    `${body === undefined ? '' : `body: ${JSON.stringify(body)}`}})`,
    `.then(async r => console.log(r.status, await r.text()))`,
  ].join('');
  return `${NODE} -e ${JSON.stringify(code).replaceAll('$', '\\$')}`;
}

describe('shared memory on an agent', function () {
  this.timeout(60_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let hub: FakeHub;
  let memory: FakeMemory;
  let agent: Agent | undefined;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = temporaryFolder();
    hub = await FakeHub.listen();
    memory = new FakeMemory();
    hub.answers['mcpx.coordinate.state.sync'] = params => memory.sync(params);
    hub.answers['mcpx.memory.get'] = () => ({version: 0, revision: 9});
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await agent?.stop('the test is over', {now: true});
    agent = undefined;
    await hub.close();
    folder.remove();
  });
  const start = async (): Promise<Agent> => {
    agent = await startAgent(folder.path, hub.url);
    await agent.link.whenUp();
    return agent;
  };
  const output = (attemptId: string): string =>
    hub
      .events(attemptId, 'output')
      .map(event => event.text)
      .join('');
  const finished = (attemptId: string) =>
    hub.until(`${attemptId} to end`, () => hub.completed.has(attemptId), 30_000);

  it('is open to the processes of an attempt, under its own fence', async () => {
    await start();
    const script = [
      ask('GET', 'theirs'),
      ask('PUT', 'api/own', '[1]'),
      ask('GET', 'api/own'),
      ask('GET', '?pattern=**'),
      ask('PUT', 'bad', '{'),
      ask('GET', 'x?level=quorum'),
    ].join('\n');
    const assign = assignment('work', run(script));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await finished(assign.attemptId);
    const lines = output(assign.attemptId)
      .trimEnd()
      .split('\n')
      .filter(line => line !== '');
    assert.match(lines[0] ?? '', /^200 .*"value":\{"from":"others"\}|^404 /);
    assert.match(lines[1] ?? '', /^200 \{"kind":"answered","outcome":\{"kind":"applied"/);
    assert.match(lines[3] ?? '', /^200 \{"keys":\["theirs"\]\}/);
    assert.match(lines[4] ?? '', /^400 .*"the value is not JSON"/);
    assert.match(lines[5] ?? '', /^400 .*quorum is not a level/);
    const [write] = memory.taken;
    assert.deepEqual([write?.key, write?.value, write?.fence], ['api/own', [1], assign.fence]);
  });

  it('keeps what a backup writes to itself until that has the fence of its task', async () => {
    await start();
    const order: string[] = [];
    hub.answers['mcpx.attempt.claim'] = () => {
      order.push(`claim after ${memory.taken.length} writes`);
      return {};
    };
    hub.answers['mcpx.coordinate.state.sync'] = params => {
      const answer = memory.sync(params);
      if (params.replica?.writes.length) order.push('writes');
      return answer;
    };
    const script = [
      ask('PUT', 'own', '1'),
      ask('PUT', 'own', '2'),
      ask('GET', 'own'),
      ask('GET', '?pattern=own'),
      ask('PUT', 'own?ifVersion=0', '3'),
    ].join('\n');
    const assign = assignment('work', run(script), {backup: true, number: 2});
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await finished(assign.attemptId);
    const lines = output(assign.attemptId)
      .split('\n')
      .filter(line => line !== '');
    assert.deepEqual(
      lines.map(line => line.slice(0, 3)),
      ['202', '202', '200', '200', '409'],
    );
    assert.match(lines[2] ?? '', /"value":2/);
    assert.match(lines[3] ?? '', /"keys":\["own"\]/);
    assert.deepEqual(order.slice(0, 2), ['claim after 0 writes', 'writes']);
    assert.deepEqual(
      memory.taken.map(({key, value, fence}) => [key, value, fence.attempt]),
      [
        ['own', 1, assign.attemptId],
        ['own', 2, assign.attemptId],
      ],
    );
  });

  it('forgets what a backup wrote that came too late', async () => {
    await start();
    hub.answers['mcpx.attempt.claim'] = () => {
      throw new ProtocolError('staleFence', 'the other attempt was first');
    };
    const assign = assignment('work', run(ask('PUT', 'own', '1')), {backup: true, number: 2});
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await until('the attempt is given up', () => agent?.attempts.get(assign.attemptId) === undefined, 30_000);
    await agent?.memory.sync('s-1');
    assert.deepEqual(memory.taken, []);
    assert.equal(hub.completed.has(assign.attemptId), false);
  });

  it('is closed to who has no token, and to an attempt that is over', async () => {
    const {id} = await start();
    const script = `echo "$MCPX_MEMORY $MCPX_MEMORY_TOKEN"`;
    const assign = assignment('work', run(script));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await finished(assign.attemptId);
    const [url = '', token = ''] = output(assign.attemptId).trim().split(' ');
    assert.match(token, /^[0-9a-f]{64}$/, id);
    await until('the attempt is over', () => agent?.attempts.isIdle ?? false, 10_000);
    for (const authorization of [`Bearer ${token}`, 'Bearer x', ''])
      assert.equal((await fetch(`${url}/k`, {headers: {authorization}})).status, 401);
  });

  it('sends a write again whose answer was lost, and the hub takes it once', async () => {
    const {memory: own} = await start();
    const {sessionId, fence} = assignment('work', run('true'));
    await own.sync(sessionId);
    hub.cutBeforeAnswer = 'mcpx.coordinate.state.sync';
    await own.store({sessionId, fence}, 'k', 1);
    await until(
      'it was answered',
      () => memory.taken.length > 0 && hub.of('mcpx.coordinate.state.sync').length > 2,
      10_000,
    );
    await own.sync(sessionId);
    assert.deepEqual(
      memory.taken.map(({key, value}) => [key, value]),
      [['k', 1]],
    );
  });

  it('is answered for every write while the hub is there, however many come at once', async () => {
    agent = await startAgent(folder.path, hub.url, {settings: {memorySyncMs: 600_000}});
    await agent.link.whenUp();
    const {sessionId, fence} = assignment('work', run('true'));
    const {memory: own} = agent;
    const writer = async (name: string): Promise<void> => {
      for (let at = 0; at < 60; at++) {
        const result = await own.store({sessionId, fence}, `${name}/${at}`, at);
        assert.equal(result.kind, 'answered');
      }
    };
    await Promise.all(['a', 'b', 'c'].map(writer));
    assert.equal(memory.taken.length, 180);
    assert.equal(new Set(memory.taken.map(({key}) => key)).size, 180);
  });

  it('refuses what is too large, and compare-and-set while the hub is away', async () => {
    const {memory: own, link} = await start();
    const {sessionId, fence} = assignment('work', run('true'));
    const kind = (wanted: string) => (error: unknown) => (error as {kind?: string}).kind === wanted;
    await assert.rejects(own.store({sessionId, fence}, 'k', 'x'.repeat(61 * 1024)), kind('tooLarge'));
    hub.cut({stayAway: true});
    await until('the link is down', () => !link.isUp, 10_000);
    await assert.rejects(own.store({sessionId, fence}, 'k', 1, {ifVersion: 0}), kind('unavailable'));
    await assert.rejects(own.retrieve(sessionId, 'never-seen'), kind('unavailable'));
  });

  it('has its writes after kill -9: the next run sends them, once, before the completion', async () => {
    const [command, ...args] = typescriptMain('agentMain.ts');
    const spawnAgent = async (registrations: number): Promise<ChildProcess> => {
      const child = spawn(command, [...args, folder.path, hub.url], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      children.push(child);
      await hub.registered(registrations);
      return child;
    };
    const first = await spawnAgent(1);
    const go = `while [ ! -e ${folder.path}/go ]; do sleep 0.05; done`;
    const done = `touch ${folder.path}/done; sleep 300`;
    const script = [go, ask('PUT', 'one', '1'), ask('PUT', 'two', '2'), done].join('\n');
    const assign = assignment('work', run(script));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    hub.cut({stayAway: true});
    writeFileSync(`${folder.path}/go`, '');
    await until('both are written', () => existsSync(`${folder.path}/done`), 20_000);
    assert.equal(memory.taken.length, 0);
    first.kill('SIGKILL');
    await once(first, 'exit');
    hub.welcome();
    const second = await spawnAgent(2);
    await hub.until('both to be sent', () => memory.taken.length === 2, 20_000);
    assert.deepEqual(
      memory.taken.map(({key, value, sequence, fence}) => [key, value, sequence, fence.attempt]),
      [
        ['one', 1, 1, assign.attemptId],
        ['two', 2, 2, assign.attemptId],
      ],
    );
    second.kill('SIGKILL');
    await once(second, 'exit');
    await spawnAgent(3);
    assert.equal(memory.taken.length, 2, 'what was answered is not sent again');
  });
});
