import assert from 'node:assert/strict';
import {once} from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import {CLOSE_CODES} from '../../coordinator/bridge/closeCodes.ts';
import {ERROR_CODES} from '../../coordinator/protocol/errors.ts';
import {RawSocket, refusedUpgrade} from './rawSocket.ts';
import {type HubFixture, hubFixture} from './support.ts';

async function get(
  port: number,
  path: string,
  headers: Record<string, string> = {},
): Promise<{status: number; body: string}> {
  const request = http.get({host: '127.0.0.1', port, path, headers, agent: false});
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString()};
}

describe('the door of a hub', () => {
  let fixture: HubFixture;
  afterEach(() => fixture.close());

  it('refuses foreign hosts and origins, URL tokens, wrong tokens, paths and subprotocols', async () => {
    fixture = await hubFixture({publicNames: ['Hub.Example']});
    const {url, port} = fixture;
    assert.equal(await refusedUpgrade(url, {headers: {host: `rebound.example:${port}`}}), 403);
    assert.equal(await refusedUpgrade(url, {headers: {origin: 'https://evil.example'}}), 403);
    assert.equal(await refusedUpgrade(url, {headers: {origin: 'null'}}), 403);
    assert.equal(await refusedUpgrade(`${url}/?token=client`, {}), 400);
    assert.equal(await refusedUpgrade(url, {token: 'unknown'}), 401);
    assert.equal(await refusedUpgrade(url, {headers: {authorization: 'Basic Y2xpZW50'}}), 401);
    assert.equal(await refusedUpgrade(`${url}/other`, {}), 404);
    assert.equal(await refusedUpgrade(url, {protocols: ['graphql-ws']}), 426);
    for (const path of ['/health', '/artifacts/x'])
      assert.equal((await get(port, path, {host: 'rebound.example'})).status, 403);
    assert.equal((await get(port, '/health', {host: 'hub.example'})).status, 200);
  });

  it('is reached at the address that it listens on', async () => {
    fixture = await hubFixture();
    const headers = {origin: `https://127.0.0.1:${fixture.port}`};
    for (const host of ['127.0.0.1', `127.0.0.1:${fixture.port}`, 'localhost', '[::1]:9'])
      assert.equal((await get(fixture.port, '/health', {...headers, host})).status, 200, host);
    for (const host of ['127.0.0.9', '10.0.0.1', 'localhost.example', '127.0.0.1.example', 'x y'])
      assert.equal((await get(fixture.port, '/health', {host})).status, 403, host);
  });

  it('takes a token from the subprotocols, for browsers, and speaks the protocol beside it', async () => {
    fixture = await hubFixture();
    const token = Buffer.from('client').toString('base64url');
    const raw = await RawSocket.open(fixture.url, 'none', ['mcp', `mcpx.token.${token}`, 'mcpx.v1']).catch(
      () => undefined,
    );
    assert.equal(raw, undefined, 'the header decides where there is one');
    const {WebSocket} = await import('ws');
    const socket = new WebSocket(fixture.url, ['mcp', `mcpx.token.${token}`, 'mcpx.v1'], {
      origin: fixture.url.replace('ws', 'http'),
    });
    await once(socket, 'open');
    assert.equal(socket.protocol, 'mcpx.v1');
    socket.terminate();
  });

  it('bounds the connections of a principal and of all', async () => {
    fixture = await hubFixture({settings: {maxConnectionsPerPrincipal: 2, maxConnections: 3}});
    await RawSocket.open(fixture.url);
    const second = await RawSocket.open(fixture.url);
    assert.equal(await refusedUpgrade(fixture.url, {}), 429);
    await RawSocket.open(fixture.url, 'agent');
    assert.equal(await refusedUpgrade(fixture.url, {token: 'admin'}), 503);
    second.socket.close();
    await second.closed;
    await RawSocket.open(fixture.url, 'admin');
  });

  it('says over HTTP how it is', async () => {
    let degraded: string | undefined;
    fixture = await hubFixture({degraded: () => degraded});
    const healthy = await get(fixture.port, '/health');
    assert.equal(healthy.status, 200);
    const body = JSON.parse(healthy.body) as Record<string, unknown>;
    assert.deepEqual(
      {...body, uptime: 0},
      {status: 'ok', coordinator: 'c-test', version: '0.0.0', protocol: '1.0', uptime: 0},
    );
    degraded = 'the disk is full';
    const ill = await get(fixture.port, '/health');
    assert.equal(ill.status, 503);
    assert.match(ill.body, /the disk is full/);
  });

  it('gives added routes the principal, and nothing to strangers', async () => {
    fixture = await hubFixture();
    fixture.hub.addRoute((request, response, principal) => {
      if (request.url !== '/mine') return Promise.resolve(false);
      response.end(principal.id);
      return Promise.resolve(true);
    });
    const headers = {authorization: 'Bearer client'};
    assert.deepEqual(await get(fixture.port, '/mine', headers), {status: 200, body: 'client:one'});
    assert.equal((await get(fixture.port, '/mine')).status, 401);
    assert.equal((await get(fixture.port, '/elsewhere', headers)).status, 404);
  });

  it('cuts off whoever dribbles headers, but not a long upload that moves', async function () {
    this.timeout(10_000);
    fixture = await hubFixture({settings: {headersTimeoutMs: 300, idleTimeoutMs: 600}});
    fixture.hub.addRoute(async (request, response) => {
      let bytes = 0;
      for await (const chunk of request) bytes += (chunk as Buffer).length;
      response.end(String(bytes));
      return true;
    });
    const dribble = net.connect(fixture.port, '127.0.0.1');
    await once(dribble, 'connect');
    dribble.write('GET / HTTP/1.1\r\nHost: localhost\r\n');
    dribble.resume();
    const upload = http.request({
      host: '127.0.0.1',
      port: fixture.port,
      method: 'PUT',
      headers: {authorization: 'Bearer client'},
      agent: false,
    });
    const answered = once(upload, 'response');
    let left = 12;
    const timer = setInterval(() => {
      upload.write('x');
      left -= 1;
      if (left > 0) return;
      clearInterval(timer);
      upload.end();
    }, 100);
    await once(dribble, 'close');
    assert.ok(left > 0, 'the dribbler goes while the upload is on its way');
    const [response] = (await answered) as [http.IncomingMessage];
    const [body] = (await once(response, 'data')) as [Buffer];
    assert.equal(body.toString(), '12');
  });

  it('closes the connections of a revoked token at once', async () => {
    fixture = await hubFixture();
    const raw = await RawSocket.open(fixture.url);
    const other = await RawSocket.open(fixture.url, 'agent');
    fixture.hub.disconnect(principal => principal.id === 'client:one');
    assert.equal((await raw.closed).code, CLOSE_CODES.unauthorized);
    assert.equal((await other.ask(1, 'ping')).error, undefined);
  });

  it('speaks plain MCP with a client that does not declare the extension', async () => {
    fixture = await hubFixture();
    const raw = await RawSocket.open(fixture.url, 'client', ['mcp']);
    assert.equal((await raw.ask('early', 'mcpx.cluster.info')).error?.code, ERROR_CODES.methodNotFound);
    const {result} = await raw.initialize({});
    assert.equal(result?.['protocolVersion'], '2025-11-25');
    assert.deepEqual(result?.['capabilities'], {});
    assert.deepEqual((await raw.ask(1, 'ping')).result, {});
    assert.equal((await raw.ask(2, 'mcpx.cluster.info')).error?.code, ERROR_CODES.methodNotFound);
    assert.equal((await raw.ask(3, 'tools/list')).error?.code, ERROR_CODES.methodNotFound);
  });
});
