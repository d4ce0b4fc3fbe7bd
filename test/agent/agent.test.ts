/** An agent against a scripted hub over a real WebSocket, with real processes: assignment, completion, cancellation, drain. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync} from 'node:fs';
import path from 'node:path';
import type {Agent} from '../../coordinator/agent/agent.ts';
import type {AgentOptions} from '../../coordinator/agent/agentOptions.ts';
import {ProtocolError} from '../../coordinator/protocol/errors.ts';
import {assignment, run, startAgent} from './agentFixture.ts';
import {FakeHub} from './fakeHub.ts';
import {isRunning, temporaryFolder, until} from './supervisor/support.ts';

describe('agent', function () {
  this.timeout(30_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let hub: FakeHub;
  const agents: Agent[] = [];

  beforeEach(async () => {
    folder = temporaryFolder();
    hub = await FakeHub.listen();
  });
  afterEach(async () => {
    await Promise.all(agents.splice(0).map(agent => agent.stop('test over', {now: true})));
    await hub.close();
    folder.remove();
  });

  async function start(more: Partial<AgentOptions> = {}): Promise<Agent> {
    const agent = await startAgent(folder.path, hub.url, more);
    agents.push(agent);
    await agent.link.whenUp();
    return agent;
  }
  const textOf = (attemptId: string): string =>
    hub
      .events(attemptId, 'output')
      .map(event => event.text)
      .join('');

  it('registers with its incarnation and readiness, runs a command, and reports it once', async () => {
    const agent = await start({tags: ['gpu'], region: 'eu'});
    const [register] = hub.of('mcpx.agent.register');
    assert.equal(register?.incarnation, agent.incarnation);
    assert.deepEqual(register?.instance.metadata.claude, {kind: 'disabled'});
    assert.equal(register?.instance.metadata.region, 'eu');
    const assign = assignment('hello', run('echo hello $MCPX_TASK_ID $MCPX_ATTEMPT $MCPX_TASK_KEY; pwd'));
    assert.equal((await hub.send('mcpx.orchestrate.task.assign', assign)).kind, 'accepted');
    const completion = await hub.completion(assign.attemptId);
    assert.equal(completion.report.outcome, 'succeeded');
    assert.deepEqual(completion.fence, assign.fence);
    assert.match(textOf(assign.attemptId), /^hello hello 1 s-1\.hello\n/);
    assert.deepEqual(
      hub.events(assign.attemptId, 'state').map(event => event.state),
      ['preparing', 'running', 'ended'],
    );
    await agent.stop('done');
    assert.equal(hub.of('mcpx.orchestrate.task.complete').length, 1);
    assert.equal(hub.of('mcpx.agent.goodbye').length, 1);
    assert.deepEqual(
      readdirSync(path.join(folder.path, 'spool')),
      ['completions.jsonl'],
      'nothing is left to send',
    );
  });

  it('answers an assignment that is sent twice, during and after the attempt, without running it again', async () => {
    await start();
    const mark = path.join(folder.path, 'mark');
    const assign = assignment('twice', run(`echo x >> ${mark}; sleep 0.3`));
    assert.equal((await hub.send('mcpx.orchestrate.task.assign', assign)).kind, 'accepted');
    assert.equal((await hub.send('mcpx.orchestrate.task.assign', assign)).kind, 'known');
    await hub.completion(assign.attemptId);
    assert.equal((await hub.send('mcpx.orchestrate.task.assign', assign)).kind, 'known');
    const {readFileSync} = await import('node:fs');
    assert.equal(readFileSync(mark, 'utf8'), 'x\n');
  });

  it('refuses what it has no slot for, and takes it when one is free', async () => {
    const agent = await start({maxConcurrentTasks: 1});
    const first = assignment('first', run('sleep 60'));
    await hub.send('mcpx.orchestrate.task.assign', first);
    const second = assignment('second', run('true'));
    const refused = await hub.send('mcpx.orchestrate.task.assign', second);
    assert(refused.kind === 'refused' && refused.reason === 'noSlot');
    await hub.send('mcpx.attempt.cancel', {attemptId: first.attemptId, reason: 'test'});
    assert.equal((await hub.completion(first.attemptId)).report.outcome, 'cancelled');
    await until('the slot is free', () => agent.attempts.busy === 0);
    assert.equal((await hub.send('mcpx.orchestrate.task.assign', second)).kind, 'accepted');
    assert.equal((await hub.completion(second.attemptId)).report.outcome, 'succeeded');
  });

  it('ends the whole tree of a cancelled attempt by force, though it ignores SIGTERM', async () => {
    await start({settings: {cancelGraceMs: 60_000}});
    const assign = assignment(
      'stubborn',
      run("trap '' TERM; sleep 300 & echo pid=$!; while :; do sleep 0.1; done"),
    );
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await hub.until('it runs', () => textOf(assign.attemptId).includes('pid='));
    const pid = Number(/pid=(\d+)/.exec(textOf(assign.attemptId))?.[1]);
    assert(isRunning(pid));
    await hub.send('mcpx.attempt.cancel', {attemptId: assign.attemptId, reason: 'test', force: true});
    await hub.completion(assign.attemptId);
    assert(!isRunning(pid));
  });

  it('fails an attempt that works longer than its timeout, and ends its processes', async () => {
    await start({settings: {clockTickMs: 20}});
    const assign = assignment('slow', run('sleep 300 & echo pid=$!; wait'), {task: {timeoutMs: 400}});
    await hub.send('mcpx.orchestrate.task.assign', assign);
    const {report, activeMs} = await hub.completion(assign.attemptId);
    assert(report.outcome === 'failed');
    assert.equal(report.failure.kind, 'timeout');
    assert(activeMs >= 400);
    assert(!isRunning(Number(/pid=(\d+)/.exec(textOf(assign.attemptId))?.[1])));
  });

  it('names the secret that it does not have, and takes others out of what it sends', async () => {
    await start({env: {PATH: process.env['PATH'], API_KEY: 'very-secret-value'}});
    const missing = assignment('missing', run('true'), {task: {secrets: ['API_KEY', 'OTHER']}});
    await hub.send('mcpx.orchestrate.task.assign', missing);
    const {report} = await hub.completion(missing.attemptId);
    assert(report.outcome === 'failed');
    assert.equal(report.failure.kind, 'secrets');
    assert.match(report.failure.message, /agent-1 .*OTHER/);
    const assign = assignment('told', run('echo "key $API_KEY"'), {task: {secrets: ['API_KEY']}});
    await hub.send('mcpx.orchestrate.task.assign', assign);
    const told = await hub.completion(assign.attemptId);
    assert(told.report.outcome === 'succeeded');
    assert.equal(told.report.result.summary, 'key [API_KEY]');
    assert(!JSON.stringify(hub.calls).includes('very-secret-value'));
  });

  it('keeps secrets whole that are written in two halves, or lie across two events', async () => {
    const secret = 'very-secret-value';
    await start({env: {PATH: process.env['PATH'], API_KEY: secret}});
    const halves = 'printf "%s" "$(echo $API_KEY | head -c 12)"; sleep 0.4; echo value';
    const across = `head -c ${16 * 1024 - 5} /dev/zero | tr '\\0' x; echo "$API_KEY"`;
    for (const [name, command] of Object.entries({halves, across})) {
      const assign = assignment(name, run(command), {task: {secrets: ['API_KEY']}});
      await hub.send('mcpx.orchestrate.task.assign', assign);
      await hub.completion(assign.attemptId);
      assert.match(textOf(assign.attemptId), /^x*\[API_KEY\]\n$/);
      for (const {text} of hub.events(assign.attemptId, 'output')) assert(!/very-|secret|value/.test(text));
    }
  });

  it('gives no task what is its own', async () => {
    await start({env: {PATH: process.env['PATH'], MCPX_TOKEN: 'the-token-of-the-agent'}});
    const assign = assignment('thief', run('echo $MCPX_TOKEN'), {task: {secrets: ['MCPX_TOKEN']}});
    await hub.send('mcpx.orchestrate.task.assign', assign);
    const {report} = await hub.completion(assign.attemptId);
    assert(report.outcome === 'failed' && report.failure.kind === 'secrets');
    assert.match(report.failure.message, /MCPX_TOKEN.*agent's own/);
  });

  it('drains: finishes what runs, takes nothing, and takes work again afterwards', async () => {
    await start();
    const running = assignment('running', run('sleep 0.5; echo done'));
    await hub.send('mcpx.orchestrate.task.assign', running);
    await hub.send('mcpx.agent.drain', {agentId: 'agent-1', drain: true});
    const refused = await hub.send('mcpx.orchestrate.task.assign', assignment('late', run('true')));
    assert(refused.kind === 'refused' && refused.reason === 'draining');
    assert.equal((await hub.send('mcpx.health.check', {})).status, 'draining');
    assert.equal((await hub.completion(running.attemptId)).report.outcome, 'succeeded');
    await hub.send('mcpx.agent.drain', {agentId: 'agent-1', drain: false});
    const taken = await hub.send('mcpx.orchestrate.task.assign', assignment('again', run('true')));
    assert.equal(taken.kind, 'accepted');
  });

  it('stops everything on demand and says how many attempts it ended', async () => {
    await start();
    for (const name of ['a', 'b'])
      await hub.send(
        'mcpx.orchestrate.task.assign',
        assignment(name, run("trap '' TERM; while :; do sleep 0.1; done")),
      );
    const {killed} = await hub.send('mcpx.agent.stopAll', {reason: 'test', graceMs: 100});
    assert.equal(killed, 2);
    assert.equal((await hub.completion('s-1.a.1')).report.outcome, 'cancelled');
    assert.equal((await hub.completion('s-1.b.1')).report.outcome, 'cancelled');
  });

  it('kills what the hub names as stale at registration, and drops its effects', async () => {
    await start();
    const assign = assignment('stale', run('sleep 300 & echo pid=$!; wait'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await hub.until('it runs', () => textOf(assign.attemptId).includes('pid='));
    const pid = Number(/pid=(\d+)/.exec(textOf(assign.attemptId))?.[1]);
    hub.stale = [assign.attemptId];
    hub.cut();
    await hub.registered(2);
    assert.deepEqual(hub.of('mcpx.agent.register')[1]?.attempts, [
      {attemptId: assign.attemptId, fence: assign.fence, state: 'running'},
    ]);
    await until('its processes are gone', () => !isRunning(pid));
    await until(
      'its folder is gone',
      () => !existsSync(path.join(folder.path, 'workspaces', 'attempts', assign.attemptId)),
    );
    assert.equal(hub.completed.has(assign.attemptId), false);
  });

  it('beats at the period that the hub asked for, with its load', async () => {
    hub.heartbeatMs = 30;
    await start();
    await hub.until('three beats', () => hub.of('mcpx.health.check').length >= 3);
    const [beat] = hub.of('mcpx.health.check');
    assert.equal(beat?.agentId, 'agent-1');
    assert.equal(beat?.load?.slots, 4);
    assert((beat?.load?.freeDiskMiB ?? 0) > 0);
  });

  it('registers again when the hub has forgotten it', async () => {
    hub.heartbeatMs = 30;
    let forgotten = true;
    hub.answers['mcpx.health.check'] = () => {
      const status = forgotten ? 'unknown' : 'ok';
      forgotten = false;
      return {id: 'c1', status, at: 0};
    };
    await start();
    await hub.registered(2);
  });

  it('refuses a folder in which another agent works', async () => {
    await start();
    await assert.rejects(startAgent(folder.path, hub.url), {code: 'conflict'});
  });

  for (const method of ['mcpx.health.check', 'mcpx.agent.register'] as const)
    it(`ends when ${method} tells it that another process has its id`, async () => {
      hub.heartbeatMs = 30;
      const agent = await start();
      hub.answers[method] = () => {
        throw new ProtocolError('conflict', 'it runs as another process');
      };
      hub.cut();
      assert.equal((await agent.ended).kind, 'refused');
    });

  it('ends when another agent has taken its id', async () => {
    const agent = await start();
    hub.replaceAgent();
    const end = await agent.ended;
    assert.equal(end.kind, 'refused');
  });
});
