/** kill -9 of an agent, and its next start on the same folder: nothing runs on, nothing finished is forgotten. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {ProtocolError} from '../../coordinator/protocol/errors.ts';
import {assignment, run, typescriptMain} from './agentFixture.ts';
import {FakeHub} from './fakeHub.ts';
import {isRunning, temporaryFolder, until} from './supervisor/support.ts';

describe('agent that is killed', function () {
  this.timeout(60_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let hub: FakeHub;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = temporaryFolder();
    hub = await FakeHub.listen();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await hub.close();
    folder.remove();
  });

  async function start(registrations: number): Promise<ChildProcess> {
    const [command, ...args] = typescriptMain('agentMain.ts');
    const child = spawn(command, [...args, folder.path, hub.url], {stdio: ['ignore', 'inherit', 'inherit']});
    children.push(child);
    await hub.registered(registrations);
    return child;
  }
  const attemptFolders = (): string[] => readdirSync(path.join(folder.path, 'workspaces', 'attempts'));

  it('leaves no process and no worktree of its attempts, and a next start comes with a new incarnation', async () => {
    const agent = await start(1);
    const kept = assignment('kept', run('sleep 300'), {keep: true});
    await hub.send('mcpx.orchestrate.task.assign', kept);
    const assign = assignment('long', run('setsid sleep 300 & echo pid=$!; echo shell=$$; wait'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    const text = (): string =>
      hub
        .events(assign.attemptId, 'output')
        .map(event => event.text)
        .join('');
    await hub.until('it runs', () => text().includes('shell='));
    const pids = [...text().matchAll(/=(\d+)/g)].map(([, pid]) => Number(pid));
    assert.equal(pids.length, 2);
    agent.kill('SIGKILL');
    await until('its processes are gone', () => pids.every(pid => !isRunning(pid)), 10_000);
    assert.equal(attemptFolders().length, 2);
    await start(2);
    const [first, second] = hub.of('mcpx.agent.register');
    assert.notEqual(first?.incarnation, second?.incarnation);
    assert.deepEqual(second?.attempts, []);
    assert.deepEqual(attemptFolders(), [kept.attemptId], 'somebody wanted to see it');
  });

  it('reports what it had finished before, until the hub takes or refuses it', async () => {
    const agent = await start(1);
    const [kept, late] = [
      assignment('kept', run('echo hello; sleep 0.3')),
      assignment('late', run('sleep 0.3')),
    ];
    for (const assign of [kept, late]) await hub.send('mcpx.orchestrate.task.assign', assign);
    hub.cut({stayAway: true});
    const log = path.join(folder.path, 'spool', 'completions.jsonl');
    await until('both are written down', () => readFileSync(log, 'utf8').split('\n').length === 3, 10_000);
    agent.kill('SIGKILL');
    await once(agent, 'exit');
    hub.answers['mcpx.orchestrate.task.complete'] = params => {
      if (params.attemptId === late.attemptId) throw new ProtocolError('staleFence', 'given up');
      hub.completed.set(params.attemptId, params);
      return {accepted: true, gates: false};
    };
    hub.welcome();
    const again = await start(2);
    const held = hub.of('mcpx.agent.register')[1]?.attempts.map(({attemptId, state}) => [attemptId, state]);
    assert.deepEqual(held?.sort(), [
      [kept.attemptId, 'finished'],
      [late.attemptId, 'finished'],
    ]);
    await hub.until('both were sent', () => hub.of('mcpx.orchestrate.task.complete').length === 2);
    assert.equal(hub.completed.get(kept.attemptId)?.report.outcome, 'succeeded');
    await hub.until('the transcript came along', () => hub.events(kept.attemptId, 'output').length > 0);
    assert.equal(hub.events(kept.attemptId, 'output')[0]?.text, 'hello\n');
    // The question for other coordinators is on its way all the time.
    const methods = hub.calls.map(call => call.method).filter(method => !method.startsWith('mcpx.cluster.'));
    const back = methods.lastIndexOf('mcpx.agent.register');
    assert.equal(methods.indexOf('mcpx.orchestrate.task.complete'), back + 1, 'completions come first');
    again.kill('SIGTERM');
    await once(again, 'exit');
    assert.equal(again.exitCode, 0);
    await start(3);
    assert.deepEqual(hub.of('mcpx.agent.register')[2]?.attempts, []);
    assert.equal(hub.of('mcpx.orchestrate.task.complete').length, 2);
  });
});
