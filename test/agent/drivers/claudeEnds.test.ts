/** How an attempt of Claude Code ends, by whose fault, and that nothing of it is left; with the unmodified Claude Code. */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {chmodSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {isRunning, typescriptCommand, until} from '../supervisor/support.ts';
import {allowing, ClaudeStage} from './claudeStage.ts';

describe('claude driver', function () {
  this.timeout(60_000);
  const stage = new ClaudeStage();
  before(() => stage.open());
  after(() => stage.close());

  describe('ends', () => {
    it('every process when cancelled in a command', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: 'echo $$ > pid.txt; setsid sleep 301 & echo $! > child.txt; wait'}}]
`);
      const {host, run, outcome, read} = stage.start(server, {permissions: allowing('Bash')});
      await host.when(event => event.kind === 'toolCall');
      const pids = await pidsIn(read, 'pid.txt', 'child.txt');
      run.cancel();
      assert.deepEqual(await outcome(), {kind: 'cancelled'});
      assert(pids.every(pid => !isRunning(pid)));
    });

    it('before it began when cancelled at once', async () => {
      const server = await stage.play('tasks: {t: {turns: [Done.]}}');
      const {run, outcome} = stage.start(server);
      run.cancel();
      assert.deepEqual(await outcome(), {kind: 'cancelled'});
      assert.equal(server.requests.length, 0);
    });

    it('as crashed when Claude Code is killed in mid-turn, and takes its commands with it', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: 'echo $PPID > pid.txt; sleep 301 & echo $! > child.txt; wait'}}]
`);
      const {host, outcome, read} = stage.start(server, {permissions: allowing('Bash')});
      await host.when(event => event.kind === 'toolCall');
      const [claude = 0, child = 0] = await pidsIn(read, 'pid.txt', 'child.txt');
      process.kill(claude, 'SIGKILL');
      const ended = await outcome();
      assert(ended.kind === 'failed');
      assert.equal(ended.reason, 'crashed');
      assert(!isRunning(child));
    });

    it("within 2 seconds of the agent's kill -9, down to the last command", async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls:
          - tool: Bash
            input: {command: 'echo $PPID > claude.txt; setsid env -i sleep 301 & echo $! > child.txt; sleep 302 & echo $! > plain.txt; wait'}
`);
      const worktree = stage.worktree();
      const state = stage.worktree();
      const [command, ...args] = typescriptCommand('../drivers/claudeHost.mts');
      const env = JSON.stringify(stage.environment(server));
      const agent = spawn(command, [...args, state, worktree, stage.executable, env], {stdio: 'inherit'});
      const read = (file: string): string => readFileSync(path.join(worktree, file), 'utf8');
      const pids = await pidsIn(read, 'claude.txt', 'child.txt', 'plain.txt');
      agent.kill('SIGKILL');
      await until('nothing is left', () => pids.every(pid => !isRunning(pid)), 2000);
    });

    it('when the budget is spent', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - {calls: [{tool: Bash, input: {command: echo 1}}], usage: {outputTokens: 100000}}
      - {calls: [{tool: Bash, input: {command: echo 2}}], usage: {outputTokens: 100000}}
      - Done.
`);
      const {host, outcome} = stage.start(server, {permissions: allowing('Bash'), budgetUsd: 0.01});
      const ended = await outcome();
      assert(ended.kind === 'failed');
      assert.equal(ended.reason, 'budget');
      assert(host.spent.costUsd > 0.01);
      assert(!host.of('text').some(event => event.text === 'Done.'));
    });

    it('after the allowed number of turns', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: echo 1}}]
      - calls: [{tool: Bash, input: {command: echo 2}}]
      - Done.
`);
      const ended = await stage.start(server, {permissions: allowing('Bash'), maxTurns: 1}).outcome();
      assert(ended.kind === 'failed');
      assert.equal(ended.reason, 'maxTurns');
    });

    const errors: {status: number; reason: string}[] = [
      {status: 400, reason: 'api'},
      {status: 401, reason: 'auth'},
      {status: 403, reason: 'auth'},
      {status: 429, reason: 'rateLimit'},
      {status: 529, reason: 'api'},
    ];
    for (const {status, reason} of errors) {
      it(`with ${reason} when the API answers ${status}`, async () => {
        const server = await stage.play(
          `tasks: {t: {turns: [{error: {status: ${status}, message: out of luck}}]}}`,
        );
        const {host, outcome} = stage.start(server);
        const ended = await outcome();
        assert(ended.kind === 'failed');
        assert.equal(ended.reason, reason, ended.message);
        assert.equal(host.limits.length, reason === 'rateLimit' ? 1 : 0);
        assert(host.of('notice').some(event => event.level === 'error'));
      });
    }

    it('well when the API recovers', async () => {
      const server = await stage.play('tasks: {t: {turns: [{text: Fine., error: {status: 529, times: 1}}]}}');
      const {host, outcome} = stage.start(server);
      assert.deepEqual(await outcome(), {kind: 'succeeded', summary: 'Fine.'});
      assert(host.of('notice').some(event => event.level === 'warn' && event.text.includes('529')));
    });

    it('as refused when the model declines', async () => {
      const server = await stage.play(
        'tasks: {t: {turns: [{text: I will not., refuse: true}, {text: I still will not., refuse: true}, {text: Never., refuse: true}]}}',
      );
      const ended = await stage.start(server).outcome();
      assert(ended.kind === 'failed');
      assert.equal(ended.reason, 'refused', ended.message);
    });

    it('as missing without an executable, and says what to do', async () => {
      const server = await stage.play('tasks: {}');
      const ended = await stage.start(server, {}, {driver: {executable: '/nowhere/claude'}}).outcome();
      assert(ended.kind === 'failed');
      assert.equal(ended.reason, 'missing');
      assert.match(ended.message, /\/nowhere\/claude.*npm install/);
    });

    it('as missing without the SDK, and says what to do', async () => {
      const server = await stage.play('tasks: {}');
      const ended = await stage
        .start(server, {}, {driver: {loadSdk: () => Promise.resolve(undefined)}})
        .outcome();
      assert(ended.kind === 'failed');
      assert.equal(ended.reason, 'missing');
      assert.match(ended.message, /npm install @anthropic-ai\/claude-agent-sdk/);
    });

    it('as crashed with its last words when the executable is something else', async () => {
      const server = await stage.play('tasks: {}');
      const files = {claude: '#!/bin/sh\necho this is no Claude Code >&2\nexit 9\n'};
      const folder = stage.worktree(files);
      chmodSync(path.join(folder, 'claude'), 0o755);
      const ended = await stage
        .start(server, {}, {driver: {executable: path.join(folder, 'claude')}})
        .outcome();
      assert(ended.kind === 'failed');
      assert.equal(ended.reason, 'crashed');
      assert.match(ended.message, /this is no Claude Code/);
    });
  });
});

/** The pids that a script writes into files of its worktree. */
async function pidsIn(read: (file: string) => string, ...files: string[]): Promise<number[]> {
  const pidOf = (file: string): number => {
    try {
      return Number.parseInt(read(file), 10) || 0;
    } catch {
      return 0;
    }
  };
  await until('the command runs', () => files.every(file => pidOf(file) > 0), 20_000);
  return files.map(pidOf);
}
