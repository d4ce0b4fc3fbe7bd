/** The built program as an MCP server: its door, its tokens, and what it says to clients of both eras. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import path from 'node:path';
import {promisify} from 'node:util';
import {Client, StreamableHTTPClientTransport} from '@modelcontextprotocol/client';
import {Client as ClientV1} from '@modelcontextprotocol/sdk/client/index.js';
import {StreamableHTTPClientTransport as TransportV1} from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {bundledExecutable} from '../../coordinator/agent/claudeSetup/findClaude.ts';
import {SocketTransport} from '../mcp/socketTransport.ts';
import {call, IMPLEMENTATION, openSession, raw} from '../mcp/support.ts';
import {Fleet} from '../support/fleet.ts';

const execute = promisify(execFile);

describe('a coordinator', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  let mcpUrl: URL;

  before(async () => {
    fleet = await Fleet.start();
    mcpUrl = new URL('/mcp', fleet.endpoint.url.replace(/^ws/, 'http'));
  });
  after(() => fleet?.close());

  it('is an MCP server for clients of every kind', async () => {
    const {url, token} = fleet.endpoint;
    const requestInit = {headers: {authorization: `Bearer ${token}`}};
    for (const mode of ['legacy', 'auto'] as const) {
      const client = new Client(IMPLEMENTATION, {versionNegotiation: {mode}});
      await client.connect(new StreamableHTTPClientTransport(mcpUrl, {requestInit}));
      assert.equal(client.getServerVersion()?.name, 'mcpx');
      assert.ok(Array.isArray((await client.listTools()).tools));
      await client.close();
      const onSocket = new Client(IMPLEMENTATION, {versionNegotiation: {mode}});
      await onSocket.connect(new SocketTransport(`${url}/mcp`, token));
      assert.ok(Array.isArray((await onSocket.listTools()).tools));
      await onSocket.close();
    }
    const old = new ClientV1(IMPLEMENTATION);
    await old.connect(new TransportV1(mcpUrl, {requestInit}));
    assert.ok(Array.isArray((await old.listTools()).tools));
    await old.close();
  });

  it('keeps the session of one token from another', async () => {
    const client = await fleet.connect();
    const made = await client.request('mcpx.token.create', {role: 'client', ttlSeconds: 600});
    const headers = await openSession(mcpUrl.href, made.token);
    const list = {headers, body: call('tools/list')};
    assert.equal((await raw(mcpUrl.href, {...list, token: made.token})).status, 200);
    assert.equal((await raw(mcpUrl.href, {...list, token: fleet.endpoint.token})).status, 404);
    assert.equal((await raw(mcpUrl.href, {...list, token: 'mcpx.default.unknown'})).status, 401);
  });

  it('is one of the MCP servers of a Claude Code, over HTTP and WebSocket', async () => {
    const {url, token} = fleet.endpoint;
    const claude = bundledExecutable();
    assert.ok(claude, 'Claude Code is installed beside the Agent SDK');
    const home = path.join(fleet.folder, 'home');
    const options = {cwd: fleet.folder, env: {PATH: process.env['PATH'], HOME: home}, timeout: 60_000};
    const add = (name: string, type: 'http' | 'ws', address: string, bearer: string) => {
      const headers = {Authorization: `Bearer ${bearer}`};
      const server = JSON.stringify({type, url: address, headers});
      return execute(claude, ['mcp', 'add-json', '-s', 'user', name, server], options);
    };
    await add('overHttp', 'http', mcpUrl.href, token);
    await add('overSocket', 'ws', `${url}/mcp`, token);
    await add('stranger', 'http', mcpUrl.href, 'mcpx.default.unknown');
    const {stdout} = await execute(claude, ['mcp', 'list'], options);
    assert.match(stdout, /overHttp: .*Connected/);
    assert.match(stdout, /overSocket: .*Connected/);
    assert.match(stdout, /stranger: .*401/);
  });
});
