/** The way to a hub whose certificate only the window trusts: who may use it, what goes through, and what ends with what. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import type {IncomingMessage, ServerResponse} from 'node:http';
import {createServer, type Server} from 'node:https';
import type {AddressInfo} from 'node:net';
import {text} from 'node:stream/consumers';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {
  createAuthorityCertificate,
  createServerCertificate,
} from '../../../coordinator/security/certificates.ts';
import {HubRelay, type HubTarget} from '../../../extension/chat/hubRelay.ts';
import {within} from '../../support/waiting.ts';

const LIMIT_MS = 20_000;

describe('the relay to a hub', function () {
  this.timeout(60_000);
  let server: Server;
  let relay: HubRelay;
  let target: HubTarget | undefined;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;

  before(async () => {
    const validity = {wallNow: systemClock.wallNow(), validDays: 1};
    const authority = await createAuthorityCertificate('test', validity);
    const {cert, key} = await createServerCertificate(authority, ['127.0.0.1'], validity);
    server = createServer({cert, key}, (request, response) => answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const {port} = server.address() as AddressInfo;
    target = {url: `https://127.0.0.1:${port}/mcp`, token: 'own', ca: authority.cert};
    relay = await HubRelay.open({target: () => target, random: systemRandom, logger: silentLogger});
  });
  after(async () => {
    relay?.dispose();
    server?.closeAllConnections();
    server?.close();
  });

  const ask = (init: RequestInit = {}, url = relay.url): Promise<Response> =>
    fetch(url, {...init, headers: {authorization: `Bearer ${relay.secret}`, ...(init.headers as object)}});

  it("passes a request on with the window's token, and the answer back with its headers", async () => {
    const seen: unknown[] = [];
    answer = async (request, response) => {
      const {authorization, accept} = request.headers;
      seen.push(request.method, request.url, authorization, accept, await text(request));
      response.writeHead(202, {'mcp-session-id': 's-1', 'content-type': 'application/json'}).end('{"a":1}');
    };
    const response = await ask({method: 'POST', body: '{"q":1}', headers: {accept: 'application/json'}});
    assert.deepEqual(seen, ['POST', '/mcp', 'Bearer own', 'application/json', '{"q":1}']);
    assert.deepEqual([response.status, response.headers.get('mcp-session-id')], [202, 's-1']);
    assert.deepEqual(await response.json(), {a: 1});
  });

  it('passes events on while the stream is open, and ends it when the chat goes', async () => {
    let stream: ServerResponse | undefined;
    const gone = new Promise<void>(resolve => {
      answer = (_, response) => {
        stream = response;
        response.writeHead(200, {'content-type': 'text/event-stream'});
        response.write('data: one\n\n');
        response.on('close', resolve);
      };
    });
    const controller = new AbortController();
    const response = await ask({signal: controller.signal});
    const reader = response.body?.getReader();
    const next = async (): Promise<string> => Buffer.from((await reader?.read())?.value ?? []).toString();
    assert.equal(await within(next(), LIMIT_MS, 'the first event'), 'data: one\n\n');
    stream?.write('data: two\n\n');
    assert.equal(await within(next(), LIMIT_MS, 'the second event'), 'data: two\n\n');
    controller.abort();
    await within(gone, LIMIT_MS, 'the end of the stream');
  });

  it('lets nobody in who does not know the secret', async () => {
    answer = () => assert.fail('a request came through');
    for (const authorization of ['', 'Bearer wrong', `Bearer ${relay.secret}x`])
      assert.equal((await ask({headers: {authorization}})).status, 401);
  });

  it('leads to the hub and to nothing else of the coordinator', async () => {
    answer = () => assert.fail('a request came through');
    assert.equal((await ask({}, new URL('/artifacts/default/x', relay.url).href)).status, 404);
  });

  it('says so when no coordinator is connected, and when it does not answer', async () => {
    const before = target;
    try {
      target = undefined;
      assert.equal((await ask()).status, 503);
      target = before && {...before, ca: undefined};
      const refused = await ask();
      assert.equal(refused.status, 502);
      assert.match(await refused.text(), /cannot be reached/);
    } finally {
      target = before;
    }
  });
});
