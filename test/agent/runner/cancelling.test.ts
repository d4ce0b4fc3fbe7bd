/** Cancelled attempts end in their own time and say so; those that are given up end at once; an agent that leaves gives its work back. */
import assert from 'node:assert/strict';
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import type {Agent} from '../../../coordinator/agent/agent.ts';
import type {AgentOptions} from '../../../coordinator/agent/agentOptions.ts';
import {ProtocolError} from '../../../coordinator/protocol/errors.ts';
import {type Assign, assignment, run, startAgent} from '../agentFixture.ts';
import {FakeHub} from '../fakeHub.ts';
import {isRunning, temporaryFolder, until} from '../supervisor/support.ts';

describe('attempt that is stopped', function () {
  this.timeout(30_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let hub: FakeHub;
  let agent: Agent;

  beforeEach(async () => {
    folder = temporaryFolder();
    hub = await FakeHub.listen();
  });
  afterEach(async () => {
    await agent.stop('test over', {now: true});
    await hub.close();
    folder.remove();
  });

  async function start(more: Partial<AgentOptions> = {}): Promise<void> {
    agent = await startAgent(folder.path, hub.url, more);
    await agent.link.whenUp();
  }
  const textOf = (attemptId: string): string =>
    hub
      .events(attemptId, 'output')
      .map(event => event.text)
      .join('');
  const mark = (): string => path.join(folder.path, 'mark');

  /** A command that takes half a second to end when asked, and leaves a mark. */
  async function working(task: Partial<Assign['task']> = {}): Promise<Assign & {pid: number}> {
    const command = `trap 'sleep 0.5; echo the tail; echo ended > ${mark()}; exit 0' TERM; echo pid=$$; while :; do sleep 0.05; done`;
    const assign = assignment('work', run(command), {task});
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await hub.until('it runs', () => textOf(assign.attemptId).includes('pid='));
    return {...assign, pid: Number(/pid=(\d+)/.exec(textOf(assign.attemptId))?.[1])};
  }

  async function cancelAndRelease(attemptId: string, keep = false): Promise<void> {
    await Promise.all([
      hub.send('mcpx.attempt.cancel', {attemptId, reason: 'the session was ended'}),
      hub.send('mcpx.attempt.release', {attemptId, keep}),
    ]);
  }

  it('is given its grace though it is released at once, and its last words arrive', async () => {
    await start({settings: {cancelGraceMs: 10_000}});
    const {attemptId, pid} = await working();
    await cancelAndRelease(attemptId);
    assert(isRunning(pid), 'it has its grace');
    assert.equal((await hub.completion(attemptId)).report.outcome, 'cancelled');
    assert.match(textOf(attemptId), /the tail\n$/);
    assert.equal(readFileSync(mark(), 'utf8'), 'ended\n');
    await until('it is over', () => agent.attempts.get(attemptId) === undefined);
  });

  it('is given its grace though the hub drops its fence, and still reports', async () => {
    await start({settings: {cancelGraceMs: 10_000}});
    const {attemptId} = await working();
    const stale = (): never => {
      throw new ProtocolError('staleFence', 'the attempt was ended');
    };
    hub.answers['mcpx.status.update'] = stale;
    hub.answers['mcpx.orchestrate.task.complete'] = stale;
    await cancelAndRelease(attemptId);
    hub.stale = [attemptId];
    hub.cut();
    await hub.registered(2);
    await hub.until('it reports', () => hub.of('mcpx.orchestrate.task.complete').length > 0);
    assert.equal(hub.of('mcpx.orchestrate.task.complete')[0]?.report.outcome, 'cancelled');
    assert.equal(readFileSync(mark(), 'utf8'), 'ended\n');
    await until('it is over', () => agent.attempts.get(attemptId) === undefined);
    await until('its folder is gone', () => !existsSync(attemptFolder(attemptId)));
  });

  const attemptFolder = (attemptId: string): string =>
    path.join(folder.path, 'workspaces', 'attempts', attemptId);

  it('keeps its folder when the early release says so, until a later one', async () => {
    await start({settings: {cancelGraceMs: 10_000}});
    const {attemptId} = await working();
    await cancelAndRelease(attemptId, true);
    await until('it is over', () => agent.attempts.get(attemptId) === undefined);
    assert(existsSync(attemptFolder(attemptId)));
    await agent.stop('restart');
    await start();
    assert(existsSync(attemptFolder(attemptId)), 'a restart keeps it');
    await hub.send('mcpx.attempt.release', {attemptId, keep: false});
    assert(!existsSync(attemptFolder(attemptId)));
  });

  it('keeps its folder for a session that keeps, though its agent dies, until it is released', async () => {
    await start();
    const assign = assignment('fine', run('true'), {keep: true});
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await until('it is over', () => agent.attempts.get(assign.attemptId) === undefined);
    const left = assignment('left', run('sleep 60'), {keep: true, task: {onLost: 'fail'}});
    await hub.send('mcpx.orchestrate.task.assign', left);
    await until('it runs', () => agent.attempts.get(left.attemptId)?.state.kind === 'running');
    await agent.stop('restart', {now: true});
    await start();
    for (const {attemptId} of [assign, left]) {
      assert(existsSync(attemptFolder(attemptId)), attemptId);
      await hub.send('mcpx.attempt.release', {attemptId, keep: false});
      assert(!existsSync(attemptFolder(attemptId)));
    }
  });

  it('ends at once and says nothing when it is released without having been cancelled', async () => {
    await start({settings: {cancelGraceMs: 60_000}});
    const {attemptId, pid} = await working();
    await hub.send('mcpx.attempt.release', {attemptId, keep: false});
    await until('it is over', () => agent.attempts.get(attemptId) === undefined);
    assert(!isRunning(pid));
    assert(!existsSync(mark()));
    assert.equal(hub.completed.has(attemptId), false);
  });

  it('asks for the folder of a failure before it goes, and keeps it when told to', async () => {
    await start({settings: {releaseWaitMs: 20_000}});
    const [looked, gone] = [assignment('looked', run('exit 3')), assignment('gone', run('exit 3'))];
    for (const {attemptId, ...assign} of [looked, gone]) {
      await hub.send('mcpx.orchestrate.task.assign', {attemptId, ...assign});
      await hub.completion(attemptId);
      await until('it waits', () => agent.attempts.get(attemptId)?.state.kind === 'held');
      await hub.send('mcpx.attempt.release', {attemptId, keep: assign.taskId === 'looked'});
    }
    assert(existsSync(attemptFolder(looked.attemptId)));
    assert(!existsSync(attemptFolder(gone.attemptId)));
  });

  it('may finish after its agent was told to stop, however long it takes', async () => {
    // The hub, which is there, has so long to take the report; the work has no limit.
    await start({settings: {stopTimeoutMs: 1000}});
    const assign = assignment('long', run('sleep 2.5; echo done'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    await agent.stop('told to');
    assert.equal(hub.completed.get(assign.attemptId)?.report.outcome, 'succeeded');
  });

  it('does not hold a stopping agent when only a hub that is away waits for it', async () => {
    await start({settings: {stopTimeoutMs: 300}});
    const assign = assignment('short', run('sleep 0.3'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    hub.cut({stayAway: true});
    await agent.stop('told to');
    const log = readFileSync(path.join(folder.path, 'spool', 'completions.jsonl'), 'utf8');
    assert.match(log, /"outcome":"succeeded"/);
  });

  it('is given back by an agent that leaves at once: reported as cancelled, before the goodbye', async () => {
    await start();
    const {attemptId, pid} = await working();
    await agent.stop('told to', {now: true});
    assert(!isRunning(pid));
    assert.equal(hub.completed.get(attemptId)?.report.outcome, 'cancelled');
    const methods = hub.calls.map(call => call.method);
    assert(methods.indexOf('mcpx.orchestrate.task.complete') < methods.indexOf('mcpx.agent.goodbye'));
  });

  it('is left to the hub to judge when it must not run twice', async () => {
    await start();
    const {attemptId, pid} = await working({onLost: 'fail'});
    await agent.stop('told to', {now: true});
    assert(!isRunning(pid));
    assert.equal(hub.completed.has(attemptId), false);
    assert.equal(hub.of('mcpx.agent.goodbye').length, 1);
  });
});
