/** The promise of the supervisor: no process of an attempt outlives its agent, its attempt's end, or the next agent's start. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import type {Supervisor} from '../../../coordinator/agent/supervisor/supervisor.ts';
import {systemProcessTable} from '../../../coordinator/agent/supervisor/systemProcessTable.ts';
import {isRunning, startSupervisor, temporaryFolder, typescriptCommand, until} from './support.ts';

const ENV = {PATH: process.env['PATH'] ?? ''};

/** Collects `name=pid` lines that a script prints. */
function pidsOf(child: ChildProcess): Map<string, number> {
  const pids = new Map<string, number>();
  let text = '';
  child.stdout?.on('data', chunk => {
    text += String(chunk);
    for (const [, name, pid] of text.matchAll(/(\w+)=(\d+)\n/g)) if (name) pids.set(name, Number(pid));
  });
  return pids;
}

function allDead(pids: Map<string, number>): boolean {
  return [...pids.values()].every(pid => !isRunning(pid));
}

describe('supervisor', function () {
  this.timeout(30_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let supervisor: Supervisor | undefined;
  const hosts: ChildProcess[] = [];

  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(async () => {
    await supervisor?.stop();
    supervisor = undefined;
    for (const host of hosts.splice(0)) host.kill('SIGKILL');
    folder.remove();
  });

  function startHost(script: string, run: string): {host: ChildProcess; pids: Map<string, number>} {
    const [command, ...args] = typescriptCommand('agentHost.mts');
    const host = spawn(command, [...args, folder.path, run, script], {stdio: ['ignore', 'pipe', 'inherit']});
    hosts.push(host);
    return {host, pids: pidsOf(host)};
  }

  const trees: {name: string; script: string; count: number; settleMs: number}[] = [
    {name: 'a plain child', script: 'sleep 300 & echo child=$!; echo shell=$$; wait', count: 2, settleMs: 0},
    {
      name: 'a child in a session of its own',
      script: "setsid sh -c 'echo inner=$$; sleep 300' & echo shell=$$; wait",
      count: 2,
      settleMs: 0,
    },
    {
      name: 'a child without environment in a session of its own',
      script: "setsid env -i /bin/sh -c 'echo inner=$$; sleep 300' & echo shell=$$; wait",
      count: 2,
      settleMs: 0,
    },
    {
      name: 'an orphan with the environment, in a session of its own',
      script: "(setsid sh -c 'echo inner=$$; exec sleep 300' &) ; echo shell=$$; sleep 300",
      count: 2,
      settleMs: 0,
    },
    {
      name: 'an orphan without environment that was seen before its parent went',
      script:
        'sh -c \'setsid env -i /bin/sh -c "echo inner=\\$\\$; exec sleep 300" & sleep 2.5\' ; echo shell=$$; sleep 300',
      count: 2,
      settleMs: 0,
    },
  ];
  for (const {name, script, count} of trees) {
    it(`ends ${name} within 2 seconds of the agent's kill -9`, async () => {
      const {host, pids} = startHost(script, `run-${name.length}`);
      await until('the script runs', () => pids.size === count, 15_000);
      host.kill('SIGKILL');
      await until('all processes are gone', () => allDead(pids), 2000);
    });
  }

  it('ends recorded leftovers when the next agent starts, even where the supervisor was killed too', async () => {
    const {host, pids} = startHost('sleep 300 & echo child=$!; echo shell=$$; wait', 'run-leftover');
    await until('the script runs', () => pids.size === 2, 15_000);
    const supervisorPid = childrenOf(host.pid ?? 0).find(
      pid => !pids.has('shell') || pid !== pids.get('shell'),
    );
    assert(supervisorPid !== undefined);
    // Stopped first, so that it cannot act on the agent's death before it dies itself.
    process.kill(supervisorPid, 'SIGSTOP');
    host.kill('SIGKILL');
    process.kill(supervisorPid, 'SIGKILL');
    await until(
      'agent and supervisor are gone',
      () => !isRunning(supervisorPid) && !isRunning(host.pid ?? 0),
    );
    assert(!allDead(pids), 'the processes outlived agent and supervisor');
    supervisor = await startSupervisor(folder.path);
    assert(allDead(pids), 'all are dead before the new agent may start anything');
    assert.deepEqual(
      supervisor.leftovers.map(leftover => [leftover.attemptId, leftover.survivors.length]),
      [['attempt-1', 0]],
    );
    assert.deepEqual(readdirSync(path.join(folder.path, 'processes')), []);
  });

  it('refuses a state folder whose agent still lives', async () => {
    const {pids} = startHost('echo shell=$$; sleep 300', 'run-busy');
    await until('the script runs', () => pids.size === 1, 15_000);
    await assert.rejects(startSupervisor(folder.path), {code: 'conflict'});
    assert(!allDead(pids), 'the other agent keeps its work');
  });

  it('starts another supervisor when its own dies, which still knows every process', async () => {
    supervisor = await startSupervisor(folder.path);
    const {child} = supervisor.spawn('a', {
      command: '/bin/sh',
      args: ['-c', "setsid env -i /bin/sh -c 'echo inner=$$; sleep 300' & echo shell=$$; wait"],
      cwd: folder.path,
      env: ENV,
      stdin: 'ignore',
    });
    const pids = pidsOf(child);
    await until('the script runs', () => pids.size === 2);
    const before = childrenOf(process.pid).filter(pid => commandLine(pid).includes('superviseMain'));
    assert.equal(before.length, 1);
    process.kill(before[0] ?? 0, 'SIGKILL');
    await until(
      'another supervisor runs',
      () =>
        childrenOf(process.pid).some(pid => pid !== before[0] && commandLine(pid).includes('superviseMain')),
      10_000,
    );
    assert.deepEqual(await supervisor.killTree('a'), []);
    assert(allDead(pids));
  });

  it('replaces a supervisor that hangs', async () => {
    supervisor = await startSupervisor(folder.path, {answerTimeoutMs: 300});
    const {child} = supervisor.spawn('a', {
      command: '/bin/sh',
      args: ['-c', 'echo shell=$$; sleep 300'],
      cwd: folder.path,
      env: ENV,
      stdin: 'ignore',
    });
    const pids = pidsOf(child);
    await until('the script runs', () => pids.size === 1);
    const [hung = 0] = childrenOf(process.pid).filter(pid => commandLine(pid).includes('superviseMain'));
    process.kill(hung, 'SIGSTOP');
    assert.deepEqual(await supervisor.release('a'), []);
    assert(allDead(pids));
    assert(!isRunning(hung));
  });

  it('lets a process that was asked politely end by itself', async () => {
    supervisor = await startSupervisor(folder.path);
    const {child, exit} = supervisor.spawn('a', {
      command: '/bin/sh',
      args: ['-c', "trap 'echo bye; exit 7' TERM; echo shell=$$; while :; do sleep 0.05; done"],
      cwd: folder.path,
      env: ENV,
      stdin: 'ignore',
    });
    const pids = pidsOf(child);
    await until('the script runs', () => pids.size === 1);
    await supervisor.killTree('a', {signal: 'SIGTERM', to: 'all', graceMs: 5000});
    assert.deepEqual(await exit, {kind: 'exited', code: 7});
  });

  it('kills what ignores a polite request after the grace', async () => {
    supervisor = await startSupervisor(folder.path);
    const {child, exit} = supervisor.spawn('a', {
      command: '/bin/sh',
      args: ['-c', "trap '' TERM; echo shell=$$; while :; do sleep 0.05; done"],
      cwd: folder.path,
      env: ENV,
      stdin: 'ignore',
    });
    const pids = pidsOf(child);
    await until('the script runs', () => pids.size === 1);
    await supervisor.killTree('a', {signal: 'SIGTERM', to: 'all', graceMs: 200});
    assert.deepEqual(await exit, {kind: 'signalled', signal: 'SIGKILL'});
  });

  it('leaves the processes of other attempts alone', async () => {
    supervisor = await startSupervisor(folder.path);
    const request = {
      command: '/bin/sh',
      args: ['-c', 'echo shell=$$; sleep 300'],
      cwd: folder.path,
      env: ENV,
    };
    const a = pidsOf(supervisor.spawn('a', {...request, stdin: 'ignore'}).child);
    const b = pidsOf(supervisor.spawn('b', {...request, stdin: 'ignore'}).child);
    await until('both run', () => a.size === 1 && b.size === 1);
    await supervisor.release('a');
    assert(allDead(a));
    assert(!allDead(b));
  });

  it('gives a process its environment, the markers and nothing else', async () => {
    supervisor = await startSupervisor(folder.path);
    const {child} = supervisor.spawn('a', {
      command: '/bin/sh',
      args: ['-c', 'echo shell=$$; sleep 300'],
      cwd: folder.path,
      env: {...ENV, GREETING: 'hello'},
      stdin: 'ignore',
    });
    const pids = pidsOf(child);
    await until('the script runs', () => pids.size === 1);
    const names = readFileSync(`/proc/${pids.get('shell')}/environ`, 'utf8')
      .split('\0')
      .map(entry => entry.split('=')[0])
      .filter(name => name !== '' && name !== 'PWD');
    assert.deepEqual(names.sort(), ['GREETING', 'MCPX_AGENT_RUN', 'MCPX_ATTEMPT_ID', 'PATH']);
  });
});

const table = systemProcessTable();

function childrenOf(pid: number): number[] {
  return table
    .rows()
    .filter(row => row.ppid === pid && !row.zombie)
    .map(row => row.pid);
}

function commandLine(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
}
