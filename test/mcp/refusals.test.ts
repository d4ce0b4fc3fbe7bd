/** What is no proper request to the hub's MCP server, and what it is answered. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {
  call,
  INITIALIZE,
  type McpFixture,
  mcpFixture,
  modernBody,
  modernHeaders,
  openSession,
  type raw,
  rawRequest,
  raw as send,
} from './support.ts';

type Sent = Parameters<typeof raw>[1];

const LIST = call('tools/list');

interface Case {
  readonly name: string;
  readonly sent: Sent;
  readonly status: number;
  readonly code?: number;
  readonly says?: RegExp;
}

const CASES: readonly Case[] = [
  {name: 'no token', sent: {body: LIST, token: ''}, status: 401, says: /a bearer token is required/},
  {
    name: 'a wrong token',
    sent: {body: LIST, token: 'wrong'},
    status: 401,
    says: /unknown, expired or revoked/,
  },
  {name: 'a rebound host', sent: {body: LIST, headers: {host: 'rebound.example'}}, status: 403},
  {name: 'a foreign origin', sent: {body: LIST, headers: {origin: 'https://evil.example'}}, status: 403},
  {name: 'another method', sent: {method: 'PUT', body: LIST}, status: 405, says: /use POST, GET or DELETE/},
  {
    name: 'another content type',
    sent: {body: LIST, headers: {'content-type': 'text/plain'}},
    status: 415,
    says: /application\/json/,
  },
  {name: 'no JSON', sent: {body: '{"jsonrpc":'}, status: 400, code: -32700},
  {name: 'an empty body', sent: {body: ''}, status: 400, code: -32700},
  {name: 'JSON that is no message', sent: {body: '"hello"'}, status: 400},
  {name: 'JSON too deep', sent: {body: '['.repeat(400) + ']'.repeat(400)}, status: 400, code: -32600},
  {name: 'too large a body', sent: {body: `"${'x'.repeat(2000)}"`}, status: 413, says: /at most 1000 bytes/},
  {
    name: 'too large a body without its length',
    sent: {body: `"${'x'.repeat(200_000)}"`, headers: {'transfer-encoding': 'chunked'}},
    status: 413,
  },
  {name: 'a batch', sent: {body: `[${LIST},${LIST}]`}, status: 400, code: -32600, says: /not a batch/},
  {name: 'no session', sent: {body: LIST}, status: 400, says: /initialize a session/},
  {name: 'a stream of no session', sent: {method: 'GET'}, status: 400, says: /mcp-session-id is missing/},
  {name: 'the end of no session', sent: {method: 'DELETE'}, status: 400},
  {
    name: 'an unknown session',
    sent: {body: LIST, headers: {'mcp-session-id': 'unknown'}},
    status: 404,
    code: -32001,
  },
  {
    name: 'a client that takes no streams',
    sent: {body: INITIALIZE, headers: {accept: 'application/json'}},
    status: 406,
  },
  {
    name: 'a revision that does not exist yet',
    sent: {
      body: modernBody('tools/list', {}, {'io.modelcontextprotocol/protocolVersion': '2199-01-01'}),
      headers: {...modernHeaders('tools/list'), 'mcp-protocol-version': '2199-01-01'},
    },
    status: 400,
    says: /2199-01-01/,
  },
  {
    name: 'a header that tells another method than the body',
    sent: {body: modernBody('tools/list'), headers: modernHeaders('tools/call')},
    status: 400,
    code: -32020,
  },
  {
    name: 'no envelope',
    sent: {body: LIST, headers: modernHeaders('tools/list')},
    status: 400,
    code: -32602,
  },
  {
    name: 'a method that is not known',
    sent: {body: modernBody('tools/nothing'), headers: modernHeaders('tools/nothing')},
    status: 404,
    code: -32601,
  },
  {
    name: 'a method of ours from a client without the extension',
    sent: {body: modernBody('mcpx.cluster.info'), headers: modernHeaders('mcpx.cluster.info')},
    status: 404,
    code: -32601,
  },
];

describe('the MCP server refuses', () => {
  let fixture: McpFixture;
  before(async () => {
    fixture = await mcpFixture({settings: {maxBodyBytes: 1000}});
  });
  after(() => fixture.close());

  for (const {name, sent, status, code, says} of CASES)
    it(`${name}: ${status}`, async () => {
      const answer = await send(fixture.mcpUrl, sent);
      assert.equal(answer.status, status, answer.body);
      if (status === 401) assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/);
      if (status === 405) assert.equal(answer.headers.allow, 'GET, POST, DELETE');
      const body = JSON.parse(answer.body) as {error: {code: number; message: string}};
      if (code !== undefined) assert.equal(body.error.code, code);
      if (says) assert.match(body.error.message, says);
    });

  it('nobody who hangs up in the middle of a body', async () => {
    const request = rawRequest(fixture.mcpUrl, {headers: {'content-length': '500'}, body: '{"jsonrpc"'});
    request.on('error', () => undefined);
    await once(request, 'socket');
    request.destroy();
    assert.equal((await send(fixture.mcpUrl, {body: INITIALIZE})).status, 200);
  });

  it('a header that tells another value of a parameter than the body', async () => {
    const marked = {type: 'string', 'x-mcp-header': 'Region'};
    fixture.surface.extraTools = [
      {name: 'echo2', inputSchema: {type: 'object', properties: {region: marked, text: {type: 'string'}}}},
    ];
    const body = modernBody('tools/call', {name: 'echo2', arguments: {region: 'eu', text: 'hello'}});
    const ask = (headers: Record<string, string>) =>
      send(fixture.mcpUrl, {body, headers: {...modernHeaders('tools/call', 'echo2'), ...headers}});
    for (const region of [undefined, 'us']) {
      const answer = await ask(region === undefined ? {} : {'mcp-param-region': region});
      assert.equal(answer.status, 400);
      assert.match(answer.body, /-32020/);
    }
    const right = await ask({'mcp-param-region': 'eu'});
    assert.equal(right.status, 200);
    assert.match(right.body, /hello/);
  });

  it('another version of a session than it knows: 400', async () => {
    const session = await openSession(fixture.mcpUrl);
    const headers = {...session, 'mcp-protocol-version': '1999-01-01'};
    assert.equal((await send(fixture.mcpUrl, {headers, body: LIST})).status, 400);
  });

  it('a second initialize of a session: 400', async () => {
    const session = await openSession(fixture.mcpUrl);
    assert.equal((await send(fixture.mcpUrl, {headers: session, body: INITIALIZE})).status, 400);
  });

  it('a cursor that is none of its own', async () => {
    const body = modernBody('tools/list', {cursor: 'nonsense'});
    const answer = await send(fixture.mcpUrl, {body, headers: modernHeaders('tools/list')});
    assert.match(answer.body, /"code":-32602.*the cursor is not one of this server/);
  });

  it('no batch of a client whose revision has them', async () => {
    const initialize = INITIALIZE.replace('2025-11-25', '2025-03-26');
    const {headers} = await send(fixture.mcpUrl, {body: initialize});
    const session = {'mcp-session-id': String(headers['mcp-session-id'])};
    const batch = `[${call('tools/list', {}, 4)},${call('prompts/list', {}, 5)}]`;
    const answer = await send(fixture.mcpUrl, {headers: session, body: batch});
    assert.equal(answer.status, 200);
    assert.match(answer.body, /"id":4/);
    assert.match(answer.body, /"id":5/);
  });
});

describe('an MCP server that is about to end', () => {
  it('answers what is in work, ends its streams, and takes nothing new', async () => {
    const fixture = await mcpFixture();
    const {surface, mcpUrl, hub} = fixture;
    const session = await openSession(mcpUrl);
    const stream = send(mcpUrl, {method: 'GET', headers: session});
    const listen = send(mcpUrl, {
      headers: modernHeaders('subscriptions/listen'),
      body: modernBody('subscriptions/listen', {notifications: {toolsListChanged: true}}),
    });
    const params = {name: 'wait', arguments: {text: 'last'}};
    const work = send(mcpUrl, {headers: session, body: call('tools/call', params)});
    await surface.arrived('last');
    while (fixture.endpoint.counts.listens === 0) await new Promise(resolve => setImmediate(resolve));
    const stopped = hub.stop({graceMs: 10_000});
    assert.equal((await stream).status, 200);
    assert.match((await listen).body, /"resultType":"complete"/);
    assert.equal((await send(mcpUrl, {headers: session, body: LIST})).status, 503);
    surface.waiting.get('last')?.resolve();
    assert.match((await work).body, /waited for last/);
    await stopped;
    await fixture.close();
  });
});
