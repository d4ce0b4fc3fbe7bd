/** What the command does when nobody reads its output any more. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {encodeLine, type ToSupervisor} from '../../coordinator/agent/supervisor/pipeMessages.ts';
import {systemProcessTable} from '../../coordinator/agent/supervisor/systemProcessTable.ts';

const MAIN = fileURLToPath(new URL('../../coordinator/main.ts', import.meta.url));
const PATIENCE_MS = 10_000;

describe('the mcpx command without a reader', function () {
  this.timeout(40_000);
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  function mcpx(...args: string[]) {
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    return child;
  }

  it('goes on as a supervisor: its agent died in the middle of its words, and the attempts are to be ended', async () => {
    const table = systemProcessTable();
    const supervisor = mcpx('supervise');
    const say = (message: ToSupervisor): boolean => supervisor.stdin.write(encodeLine(message));
    say({kind: 'hello', agentRun: 'run-of-test', agentPid: process.pid});
    const lines = createInterface({input: supervisor.stdout});
    const [ready] = await once(lines, 'line');
    assert.equal(JSON.parse(ready).kind, 'ready');
    // The agent's end of the pipe is gone; its answers find nobody.
    lines.close();
    supervisor.stdout.destroy();
    for (let requestId = 1; requestId <= 5; requestId++) {
      const attempt = spawn('sleep', ['60'], {detached: true, stdio: 'ignore'});
      children.push(attempt);
      const ended = once(attempt, 'exit', {signal: AbortSignal.timeout(PATIENCE_MS)});
      const root = table.row(attempt.pid ?? 0);
      assert.ok(root, 'the attempt runs');
      const attemptId = `s.t.${requestId}`;
      say({kind: 'track', attemptId, root: {pid: root.pid, startedAt: root.startedAt}});
      say({kind: 'kill', requestId, attemptId});
      await ended;
    }
    const over = once(supervisor, 'exit');
    supervisor.stdin.end();
    assert.deepEqual(await over, [0, null]);
  });

  it('ends without a complaint where its words are all there is', async () => {
    const plan = mcpx('plan', 'schema');
    plan.stdout.destroy();
    assert.deepEqual(await once(plan, 'exit'), [0, null]);
  });
});
