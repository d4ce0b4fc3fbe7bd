/** The claude driver with the unmodified Claude Code, its model replaced by a script: the work, its result, and the hub's MCP server. */
import assert from 'node:assert/strict';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import * as z from 'zod';
import type {JsonValue} from '../../../coordinator/runtime/json.ts';
import {allowing, ClaudeStage} from './claudeStage.ts';

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
