/** The command driver over real shells: output, outcomes, and that nothing of a command outlives its attempt. */
import assert from 'node:assert/strict';
import {existsSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {CommandDriver} from '../../../coordinator/agent/drivers/commandDriver.ts';
import {noopDriver} from '../../../coordinator/agent/drivers/noopDriver.ts';
import type {Supervisor} from '../../../coordinator/agent/supervisor/supervisor.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {isRunning, startSupervisor, temporaryFolder, until} from '../supervisor/support.ts';
import {RecordingHost, taskOf} from './recordingHost.ts';

describe('command driver', function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  let supervisor: Supervisor;
  let driver: CommandDriver;

  before(async () => {
    supervisor = await startSupervisor(folder.path);
    driver = new CommandDriver({supervisor, clock: systemClock, logger: silentLogger, graceMs: 300});
  });
  after(async () => {
    await supervisor.stop();
    folder.remove();
  });

  function start(command: string, more: {shell?: string; env?: Record<string, string>; cwd?: string} = {}) {
    const host = new RecordingHost();
    const env = more.env ?? {PATH: process.env['PATH'] ?? ''};
    const task = taskOf(more.cwd ?? folder.path, env, {kind: 'run', command, shell: more.shell});
    return {host, run: driver.start(task, host)};
  }
  const textOf = (host: RecordingHost, stream: 'stdout' | 'stderr'): string =>
    host
      .of('output')
      .filter(event => event.stream === stream)
      .map(event => event.text)
      .join('');

  it('runs the command in the worktree with exactly the given environment', async () => {
    const {host, run} = start('pwd; env', {env: {PATH: '/usr/bin:/bin', GREETING: 'hello'}});
    assert.equal((await run.outcome).kind, 'succeeded');
    const [first, ...rest] = textOf(host, 'stdout').trim().split('\n');
    assert.equal(first, folder.path);
    assert.deepEqual(
      rest
        .map(line => line.split('=')[0])
        .filter(name => !['PWD', 'OLDPWD', '_', 'SHLVL'].includes(name ?? ''))
        .sort(),
      ['GREETING', 'MCPX_AGENT_RUN', 'MCPX_ATTEMPT_ID', 'PATH'],
    );
  });

  it('fails with the exit code and the last lines of output', async () => {
    const {host, run} = start('seq 1 100; echo broken >&2; exit 3');
    const outcome = await run.outcome;
    assert(outcome.kind === 'failed');
    assert.equal(outcome.reason, 'exit');
    assert.match(outcome.message, /^exit code 3\n/);
    assert.match(outcome.message, /100/);
    assert.match(outcome.message, /broken/);
    assert.doesNotMatch(outcome.message, /^50$/m);
    assert.equal(textOf(host, 'stderr'), 'broken\n');
  });

  it('keeps characters whole that arrive in two pieces', async () => {
    const {host, run} = start(
      "printf '\\342\\202'; sleep 0.3; printf '\\254\\360\\237'; sleep 0.3; printf '\\230\\200'",
    );
    await run.outcome;
    assert.equal(textOf(host, 'stdout'), '€😀');
  });

  it('bounds a flood of output and says how much is missing', async () => {
    const {host, run} = start('head -c 3000000 /dev/zero | tr "\\0" x; echo; echo the end');
    const outcome = await run.outcome;
    assert(outcome.kind === 'succeeded');
    assert.match(outcome.summary, /the end$/);
    const dropped = host
      .of('notice')
      .reduce((sum, notice) => sum + Number(/^(\d+) bytes of output left out$/.exec(notice.text)?.[1]), 0);
    assert.equal(host.of('gap').length, host.of('notice').length);
    assert(dropped > 0);
    assert.equal(textOf(host, 'stdout').length + dropped, 3_000_000 + 1 + 'the end\n'.length);
    assert(host.of('output').every(event => event.text.length <= 16 * 1024));
  });

  it('ends the whole tree when cancelled', async () => {
    const {host, run} = start("trap '' TERM; setsid sleep 300 & echo pid=$!; while :; do sleep 0.1; done");
    await host.when(event => event.kind === 'output' && event.text.includes('pid='));
    const pid = Number(/pid=(\d+)/.exec(textOf(host, 'stdout'))?.[1]);
    assert(isRunning(pid));
    run.cancel();
    assert.deepEqual(await run.outcome, {kind: 'cancelled'});
    assert(!isRunning(pid));
  });

  it('ends what a finished command left in the background', async () => {
    const {host, run} = start('sleep 300 & echo pid=$!');
    assert.equal((await run.outcome).kind, 'succeeded');
    const pid = Number(/pid=(\d+)/.exec(textOf(host, 'stdout'))?.[1]);
    assert(!isRunning(pid));
  });

  it('reports a command that was killed from outside as crashed', async () => {
    const {host, run} = start('echo pid=$$; exec sleep 300');
    await host.when(event => event.kind === 'output');
    process.kill(Number(/pid=(\d+)/.exec(textOf(host, 'stdout'))?.[1]), 'SIGKILL');
    const outcome = await run.outcome;
    assert(outcome.kind === 'failed');
    assert.equal(outcome.reason, 'crashed');
  });

  it('uses the shell that the task names', async () => {
    const {host, run} = start('echo $BASH_VERSION', {shell: '/bin/bash'});
    assert.equal((await run.outcome).kind, 'succeeded');
    assert.match(textOf(host, 'stdout'), /^\d+\./);
  });

  it('fails when the worktree does not exist, and starts nothing', async () => {
    const {run} = start('touch ran', {cwd: path.join(folder.path, 'gone')});
    const outcome = await run.outcome;
    assert(outcome.kind === 'failed');
    assert.equal(outcome.reason, 'internal');
    assert(!existsSync(path.join(folder.path, 'ran')));
  });

  it('forgets the records of ended commands', async () => {
    const {run} = start('true');
    await run.outcome;
    await until('no record is left', () => readdirSync(path.join(folder.path, 'processes')).length === 0);
  });
});

describe('noop driver', () => {
  it('succeeds at once', async () => {
    const run = noopDriver.start(taskOf('/', {}, {kind: 'noop'}), new RecordingHost());
    assert.equal((await run.outcome).kind, 'succeeded');
    assert.equal(run.send('hello'), false);
  });
});
