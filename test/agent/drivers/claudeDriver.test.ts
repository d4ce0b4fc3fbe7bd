/** The claude driver with the unmodified Claude Code, its model replaced by a script. */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {chmodSync, existsSync, readFileSync} from 'node:fs';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import path from 'node:path';
import * as z from 'zod';
import type {ApprovalAnswer, ApprovalRequest} from '../../../coordinator/agent/driver.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import type {JsonValue} from '../../../coordinator/runtime/json.ts';
import {isRunning, typescriptCommand, until} from '../supervisor/support.ts';
import {ClaudeStage} from './claudeStage.ts';
import {RecordingHost} from './recordingHost.ts';

describe('claude driver', function () {
  this.timeout(60_000);
  const stage = new ClaudeStage();
  before(() => stage.open());
  after(() => stage.close());

  it("edits files of the worktree with Claude Code's own tools and reports the work in order", async () => {
    const server = await stage.play(`
tasks:
  t:
    turns:
      - thinking: A file is wanted.
        text: I write it.
        calls: [{tool: Write, input: {file_path: '{{worktree}}/note.txt', content: "one\\n"}}]
      - calls: [{tool: Edit, input: {file_path: '{{worktree}}/note.txt', old_string: one, new_string: two}}]
      - All done.
`);
    const {host, outcome, read} = stage.start(server);
    assert.deepEqual(await outcome(), {kind: 'succeeded', summary: 'All done.'});
    assert.equal(read('note.txt'), 'two\n');
    const shape = host.events.map(event =>
      event.kind === 'toolCall' ? `${event.kind} ${event.name}` : event.kind,
    );
    assert.deepEqual(shape, [
      'text',
      'thinking',
      'text',
      'toolCall Write',
      'toolResult',
      'toolCall Edit',
      'toolResult',
      'text',
    ]);
    assert.match(host.session ?? '', /^[0-9a-f-]{36}$/);
    assert.equal(host.spent.turns, 3);
    assert(host.spent.costUsd > 0 && host.spent.outputTokens > 0 && host.spent.inputTokens > 0);
  });

  it("loads the project's CLAUDE.md and tells Claude Code whose work this is", async () => {
    const server = await stage.play('tasks: {t: {turns: [Done.]}}');
    const {outcome, worktree} = stage.start(
      server,
      {systemPromptAppend: 'You are one of several agents.'},
      {files: {'CLAUDE.md': 'Always say PELICAN.'}},
    );
    assert.equal((await outcome()).kind, 'succeeded');
    const asked = server.requests.find(request => request.taskId === 't');
    const text = JSON.stringify(asked?.body);
    assert.match(text, /Always say PELICAN/);
    assert.match(text, /You are one of several agents/);
    assert(text.includes(`MCPX worktree: ${worktree}`));
  });

  describe('permissions', () => {
    const TOUCH = `
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: touch asked.txt}}]
      - Done.
`;
    const ask = (answer: (request: ApprovalRequest) => ApprovalAnswer) =>
      new RecordingHost(request => Promise.resolve(answer(request)));

    it('asks the host and runs what it allows', async () => {
      const server = await stage.play(TOUCH);
      const host = ask(() => ({kind: 'allow'}));
      const {outcome, worktree} = stage.start(server, {permissions: asking}, {host});
      assert.equal((await outcome()).kind, 'succeeded');
      const [request] = host.requests;
      assert(request?.kind === 'permission');
      assert.equal(request.tool, 'Bash');
      assert.deepEqual(request.input, {command: 'touch asked.txt'});
      assert(existsSync(path.join(worktree, 'asked.txt')));
    });

    it('does not run what the host denies, and passes the reason on', async () => {
      const server = await stage.play(TOUCH);
      const host = ask(() => ({kind: 'deny', message: 'not on my watch'}));
      const {outcome, worktree} = stage.start(server, {permissions: asking}, {host});
      assert.equal((await outcome()).kind, 'succeeded');
      assert(!existsSync(path.join(worktree, 'asked.txt')));
      const [result] = host.of('toolResult');
      assert(result?.isError);
      assert.match(result.text, /not on my watch/);
    });

    it('runs the input as the person edited it', async () => {
      const server = await stage.play(TOUCH);
      const host = ask(() => ({kind: 'allow', updatedInput: {command: 'touch edited.txt'}}));
      const {outcome, worktree} = stage.start(server, {permissions: asking}, {host});
      await outcome();
      assert(existsSync(path.join(worktree, 'edited.txt')));
      assert(!existsSync(path.join(worktree, 'asked.txt')));
    });

    it('asks once for what is allowed for the session', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: touch asked.txt}}]
      - calls: [{tool: Bash, input: {command: touch asked.txt}}]
      - Done.
`);
      const host = ask(() => ({kind: 'allow', scope: 'session'}));
      const {outcome} = stage.start(server, {permissions: asking}, {host});
      assert.equal((await outcome()).kind, 'succeeded');
      assert.equal(host.requests.length, 1);
      assert.equal(host.of('toolResult').filter(result => !result.isError).length, 2);
    });

    it('obeys allow and deny rules without asking', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls:
          - {tool: Bash, input: {command: touch allowed.txt}}
          - {tool: Bash, input: {command: rm -f allowed.txt}}
      - Done.
`);
      const {host, outcome, worktree} = stage.start(server, {
        permissions: {mode: 'dontAsk', allow: ['Bash(touch:*)'], deny: ['Bash(rm:*)']},
      });
      assert.equal((await outcome()).kind, 'succeeded');
      assert(existsSync(path.join(worktree, 'allowed.txt')));
      assert.deepEqual(
        host.of('toolResult').map(result => result.isError),
        [false, true],
      );
      assert.equal(host.requests.length, 0);
    });

    it('denies in an unattended run what only a person could allow', async () => {
      const server = await stage.play(TOUCH.replace('touch asked.txt', 'curl -s http://127.0.0.1:9/'));
      const {host, outcome} = stage.start(server);
      assert.equal((await outcome()).kind, 'succeeded');
      assert.equal(host.requests.length, 0);
      assert(host.of('toolResult')[0]?.isError);
    });

    it('changes nothing in plan mode', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Write, input: {file_path: '{{worktree}}/planned.txt', content: x}}]
      - My plan.
`);
      const {outcome, worktree} = stage.start(server, {permissions: {mode: 'plan', allow: [], deny: []}});
      assert.deepEqual(await outcome(), {kind: 'succeeded', summary: 'My plan.'});
      assert(!existsSync(path.join(worktree, 'planned.txt')));
    });

    it('refuses to bypass permissions as root outside a sandbox', async function () {
      if (process.getuid?.() !== 0) this.skip();
      const server = await stage.play(TOUCH);
      const bypass = {mode: 'bypass' as const, allow: [], deny: []};
      const refused = await stage.start(server, {permissions: bypass}).outcome();
      assert(refused.kind === 'failed');
      assert.equal(refused.reason, 'refused');
      assert.match(refused.message, /IS_SANDBOX=1/);
      const {outcome, worktree} = stage.start(server, {permissions: bypass}, {env: {IS_SANDBOX: '1'}});
      assert.equal((await outcome()).kind, 'succeeded');
      assert(existsSync(path.join(worktree, 'asked.txt')));
    });

    it('brings a question to the host and the answers back', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls:
          - tool: AskUserQuestion
            input:
              questions:
                - question: Which colour?
                  header: Colour
                  multiSelect: false
                  options:
                    - {label: Red, description: warm}
                    - {label: Blue, description: cold}
      - Done.
`);
      const host = ask(() => ({kind: 'answers', answers: {'Which colour?': 'Blue'}}));
      const {outcome} = stage.start(server, {permissions: asking}, {host});
      assert.equal((await outcome()).kind, 'succeeded');
      assert.deepEqual(
        host.requests.map(({requestId, ...request}) => request),
        [
          {
            kind: 'question',
            questions: [
              {
                question: 'Which colour?',
                header: 'Colour',
                multiSelect: false,
                options: [
                  {label: 'Red', description: 'warm'},
                  {label: 'Blue', description: 'cold'},
                ],
              },
            ],
          },
        ],
      );
      const [result] = host.of('toolResult');
      assert(result && !result.isError);
      assert.match(result.text, /Which colour\?.*Blue/);
    });

    it('withdraws an open request when the attempt is cancelled', async () => {
      const server = await stage.play(TOUCH);
      const withdrawn = deferred<void>();
      const asked = deferred<void>();
      const host = new RecordingHost((_request, signal) => {
        asked.resolve();
        return new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            withdrawn.resolve();
            reject(new Error('withdrawn'));
          });
        });
      });
      const {run, outcome} = stage.start(server, {permissions: asking}, {host});
      await asked.promise;
      run.cancel();
      await withdrawn.promise;
      assert.deepEqual(await outcome(), {kind: 'cancelled'});
    });
  });

  describe('while it runs', () => {
    const SLOW = `
tasks:
  t:
    turns:
      - {text: Slow words come one after another and another., slow: {chunks: 40, everyMs: 100}}
      - Later.
    replies:
      - when: {promptContains: urgent}
        turns: [I heard the urgent message.]
`;

    it('takes a message into account before the attempt ends', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: sleep 1}}]
      - First work done.
    replies:
      - when: {promptContains: urgent}
        turns: [I heard the urgent message.]
`);
      const {host, run, outcome} = stage.start(server, {permissions: allowing('Bash')});
      await host.when(event => event.kind === 'toolCall');
      assert(run.send('This is urgent.'));
      assert.equal((await outcome()).kind, 'succeeded');
      const said = host.of('text').map(event => `${event.role}: ${event.text}`);
      assert(said.includes('user: This is urgent.'));
      assert(said.includes('assistant: I heard the urgent message.'), said.join('\n'));
      assert.equal(run.send('too late'), false);
    });

    /** happy#1408: the first message was dropped. */
    it('loses no message that comes before Claude Code is up', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns: [First work done.]
    replies:
      - when: {promptContains: early}
        turns: [I heard the early message.]
`);
      const {host, run, outcome} = stage.start(server);
      assert(run.send('This is early.'));
      assert.equal((await outcome()).kind, 'succeeded');
      const said = host.of('text').map(event => `${event.role}: ${event.text}`);
      assert(said.includes('assistant: I heard the early message.'), said.join('\n'));
    });

    it('keeps an interrupted attempt alive until a message lets it go on', async () => {
      const server = await stage.play(SLOW);
      const {host, run, outcome} = stage.start(server);
      await until('the model answers', () => server.requests.some(request => request.taskId === 't'), 20_000);
      assert(await run.interrupt());
      await host.when(event => event.kind === 'notice' && event.text.startsWith('Interrupted'));
      assert.equal(await Promise.race([outcome(), Promise.resolve('alive')]), 'alive');
      assert.equal(await run.interrupt(), false);
      assert(run.send('This is urgent.'));
      assert.deepEqual(await outcome(), {kind: 'succeeded', summary: 'I heard the urgent message.'});
    });

    it('can be cancelled while it waits after an interruption', async () => {
      const server = await stage.play(SLOW);
      const {host, run, outcome} = stage.start(server);
      await until('the model answers', () => server.requests.some(request => request.taskId === 't'), 20_000);
      assert(await run.interrupt());
      await host.when(event => event.kind === 'notice' && event.text.startsWith('Interrupted'));
      run.cancel();
      assert.deepEqual(await outcome(), {kind: 'cancelled'});
    });

    it('changes model and permission mode', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: Bash, input: {command: sleep 1}}]
      - calls: [{tool: Bash, input: {command: touch asked.txt}}]
      - Done.
`);
      const host = new RecordingHost(() => Promise.resolve({kind: 'deny'}));
      const {run, outcome} = stage.start(
        server,
        {permissions: {mode: 'acceptEdits', allow: ['Bash(sleep:*)'], deny: []}, model: 'claude-opus-4-8'},
        {host},
      );
      await host.when(event => event.kind === 'toolCall');
      assert(await run.setModel('claude-sonnet-5'));
      assert(await run.setPermissionMode('ask'));
      assert.equal(await run.setPermissionMode('bypass'), false);
      assert.equal((await outcome()).kind, 'succeeded');
      assert.equal(host.requests.length, 1);
      const models = server.requests.filter(request => request.taskId === 't').map(request => request.model);
      assert.equal(models[0], 'claude-opus-4-8');
      assert.equal(models.at(-1), 'claude-sonnet-5');
    });

    it('waits for a subagent in the background and marks what it did', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls:
          - tool: Agent
            input: {description: look, prompt: Look around., subagent_type: general-purpose}
      - I wait for it.
      - It found the treasure.
    subagents:
      - turns:
          - {calls: [{tool: Bash, input: {command: 'sleep 1; echo treasure > found.txt'}}]}
          - Found.
`);
      const {host, outcome, read} = stage.start(server, {permissions: allowing('Bash', 'Agent')});
      assert.deepEqual(await outcome(), {kind: 'succeeded', summary: 'It found the treasure.'});
      assert.equal(read('found.txt'), 'treasure\n');
      const [agentCall, bashCall] = host.of('toolCall');
      assert.equal(agentCall?.parent, undefined);
      assert.equal(bashCall?.parent, agentCall?.id);
      assert(host.of('text').some(event => event.text === 'Found.' && event.parent === agentCall?.id));
    });
  });

  it("uses a hub's MCP server without asking and without its token on the command line", async () => {
    const calls: string[] = [];
    const hub = createServer((request, response) => {
      void serveMcp(request, response, calls);
    });
    await new Promise<void>(resolve => hub.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(hub.address() as AddressInfo).port}/mcp`;
    try {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: mcp__hub__tell, input: {what: news}}]
      - calls: [{tool: Bash, input: {command: 'tr "\\\\0" " " < /proc/$PPID/cmdline > commandline.txt'}}]
      - Done.
`);
      const {host, outcome, read} = stage.start(server, {
        permissions: allowing('Bash'),
        mcpServers: {hub: {url, headers: {authorization: 'Bearer secret-token'}}},
      });
      assert.equal((await outcome()).kind, 'succeeded');
      assert.deepEqual(calls, ['Bearer secret-token tell {"what":"news"}']);
      assert.equal(host.of('toolResult')[0]?.text, 'heard');
      assert.match(read('commandline.txt'), /claude/);
      assert.doesNotMatch(read('commandline.txt'), /secret-token/);
    } finally {
      hub.close();
      hub.closeAllConnections();
    }
  });

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

  describe('result', () => {
    const resultSchema = z.toJSONSchema(z.object({ok: z.boolean(), count: z.int().min(3)})) as JsonValue;

    it('comes back as the schema wants it', async () => {
      const server = await stage.play(`
tasks:
  t:
    turns:
      - calls: [{tool: StructuredOutput, input: {ok: true, count: 7}}]
`);
      const {outcome} = stage.start(server, {resultSchema});
      const ended = await outcome();
      assert(ended.kind === 'succeeded', JSON.stringify(ended));
      assert.deepEqual(ended.result, {ok: true, count: 7});
    });

    it('is made up from the schema where no script says it', async () => {
      const server = await stage.play('tasks: {}');
      const ended = await stage.start(server, {resultSchema}).outcome();
      assert(ended.kind === 'succeeded', JSON.stringify(ended));
      assert.deepEqual(ended.result, {ok: true, count: 3});
    });

    it('fails the attempt when none is handed in', async () => {
      const server = await stage.play(
        'tasks: {t: {turns: [I forgot., I forgot again., And again., And again.]}}',
      );
      const ended = await stage.start(server, {resultSchema}).outcome();
      assert(ended.kind === 'failed', JSON.stringify(ended));
      assert.equal(ended.reason, 'exit');
    });
  });
});

const asking = {mode: 'ask' as const, allow: [], deny: []};
const allowing = (...allow: string[]) => ({mode: 'acceptEdits' as const, allow, deny: []});

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

/** As much of an MCP server as Claude Code needs to find and call one tool. */
async function serveMcp(request: IncomingMessage, response: ServerResponse, calls: string[]): Promise<void> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  if (request.method !== 'POST') {
    response.writeHead(405).end();
    return;
  }
  const message = z
    .object({id: z.json().optional(), method: z.string(), params: z.looseObject({}).optional()})
    .parse(JSON.parse(text));
  const results: Record<string, () => JsonValue> = {
    initialize: () => ({
      protocolVersion: '2025-06-18',
      capabilities: {tools: {}},
      serverInfo: {name: 'hub', version: '1.0.0'},
    }),
    'tools/list': () => ({
      tools: [{name: 'tell', inputSchema: {type: 'object', properties: {what: {type: 'string'}}}}],
    }),
    'tools/call': () => {
      const {name, arguments: input} = message.params ?? {};
      calls.push(`${request.headers.authorization} ${String(name)} ${JSON.stringify(input)}`);
      return {content: [{type: 'text', text: 'heard'}]};
    },
  };
  if (message.id === undefined) {
    response.writeHead(202).end();
    return;
  }
  const result = results[message.method]?.();
  const answer = result ? {result} : {error: {code: -32601, message: 'Method not found'}};
  response.writeHead(200, {'content-type': 'application/json'});
  response.end(JSON.stringify({jsonrpc: '2.0', id: message.id, ...answer}));
}
