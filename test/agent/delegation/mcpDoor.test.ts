/** The door on loopback between a Claude Code and the hub's tools: what it passes on, as whom, to which coordinator, and whom it turns away. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {McpDoor} from '../../../coordinator/agent/delegation/mcpDoor.ts';
import type {McpEndpoint} from '../../../coordinator/agent/driver.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {ProtocolError} from '../../../coordinator/protocol/errors.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';

describe('the door to the hub’s tools', function () {
  this.timeout(30_000);
  const servers: Server[] = [];
  let door: McpDoor;
  let hubUrl: string;

  afterEach(async () => {
    await door?.close();
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function hub(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const server = createServer(answer);
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  function openDoor(url: string, patienceMs = 0): void {
    hubUrl = url;
    door = new McpDoor({
      hub: () => ({url: hubUrl, ca: undefined}),
      clock: systemClock,
      patienceMs,
      random: systemRandom,
      logger: silentLogger,
    });
  }

  const ask = (to: McpEndpoint, init: RequestInit = {}, path = '') =>
    fetch(`${to.url}${path}`, {
      method: 'POST',
      body: '{"ask":1}',
      ...init,
      headers: {...to.headers, ...init.headers},
    });

  it('passes requests and answers on, with the token of the hub in place of its own', async () => {
    const seen: {method?: string; url?: string; headers: IncomingMessage['headers']; body: string}[] = [];
    openDoor(
      await hub((request, response) => {
        let body = '';
        request.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        request.on('end', () => {
          seen.push({method: request.method, url: request.url, headers: request.headers, body});
          response.writeHead(202, {'mcp-session-id': 'm-1', 'content-type': 'application/json'});
          response.end('{"answer":1}');
        });
      }),
    );
    const to = await door.admit('s.t.1', () => Promise.resolve('hub-token'));
    const answer = await ask(to, {headers: {'mcp-protocol-version': '2025-11-25'}});
    assert.deepEqual([answer.status, await answer.json()], [202, {answer: 1}]);
    assert.equal(answer.headers.get('mcp-session-id'), 'm-1');
    const [request] = seen;
    assert.deepEqual([request?.method, request?.url, request?.body], ['POST', '/mcp', '{"ask":1}']);
    assert.equal(request?.headers.authorization, 'Bearer hub-token');
    assert.equal(request?.headers['mcp-protocol-version'], '2025-11-25');
    assert.ok(
      !JSON.stringify(seen).includes(to.headers['authorization'] ?? 'none'),
      'its own token goes nowhere',
    );
  });

  it('passes a stream on as it comes, and ends it at the hub when nobody listens any more', async () => {
    const ended = deferred<void>();
    const goOn = deferred<void>();
    openDoor(
      await hub((_request, response) => {
        response.writeHead(200, {'content-type': 'text/event-stream'});
        response.write('data: one\n\n');
        response.once('close', () => ended.resolve());
        void goOn.promise.then(() => response.write('data: two\n\n'));
      }),
    );
    const to = await door.admit('s.t.1', () => Promise.resolve('hub-token'));
    const gone = new AbortController();
    const answer = await ask(to, {method: 'GET', body: undefined, signal: gone.signal});
    const reader = answer.body?.getReader();
    const next = async () => new TextDecoder().decode((await reader?.read())?.value);
    assert.equal(await next(), 'data: one\n\n');
    goOn.resolve();
    assert.equal(await next(), 'data: two\n\n');
    gone.abort();
    await ended.promise;
  });

  it('goes to the coordinator that there is now, and says when there is none', async () => {
    openDoor(await hub((_request, response) => response.end('first')));
    const to = await door.admit('s.t.1', () => Promise.resolve('hub-token'));
    assert.equal(await (await ask(to)).text(), 'first');
    hubUrl = 'ws://127.0.0.1:1';
    const none = await ask(to);
    assert.equal(none.status, 503);
    assert.match(await none.text(), /not reached/);
    hubUrl = await hub((_request, response) => response.end('second'));
    assert.equal(await (await ask(to)).text(), 'second');
  });

  it('waits for a coordinator that is started again, and asks it once', async () => {
    const bodies: string[] = [];
    const back = await hub((request, response) => {
      request.on('data', (chunk: Buffer) => bodies.push(chunk.toString()));
      request.on('end', () => response.end('back'));
    });
    openDoor('ws://127.0.0.1:1', 20_000);
    const asked = deferred<void>();
    const to = await door.admit('s.t.1', async () => {
      asked.resolve();
      return 'hub-token';
    });
    const answer = ask(to);
    await asked.promise;
    hubUrl = back;
    assert.equal(await (await answer).text(), 'back');
    assert.deepEqual(bodies, ['{"ask":1}']);
  });

  describe('where the coordinator dies in the middle of an answer', () => {
    const call = (id: string | number, method = 'tools/call') =>
      JSON.stringify({jsonrpc: '2.0', id, method, params: {}});
    const PROGRESS = 'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n';

    async function textOf(body: string, pieces: readonly string[], end: 'cut' | 'end'): Promise<string> {
      openDoor(
        await hub((_request, response) => {
          response.writeHead(200, {'content-type': 'text/event-stream'});
          for (const piece of pieces) response.write(piece);
          // The last piece is on its way first.
          if (end === 'cut') response.write('', () => response.socket?.destroySoon());
          else response.end();
        }),
      );
      const to = await door.admit('s.t.1', () => Promise.resolve('hub-token'));
      return (await ask(to, {body})).text();
    }

    for (const end of ['cut', 'end'] as const)
      it(`whoever asked is told so at once (${end})`, async () => {
        const text = await textOf(call('c-7'), [PROGRESS, 'data: {"half":'], end);
        assert.ok(text.startsWith(PROGRESS), text);
        const said = /^data: (.*)$/m.exec(text.slice(PROGRESS.length))?.[1] ?? '';
        const {id, error} = JSON.parse(said);
        assert.equal(id, 'c-7');
        assert.match(error.message, /call again, with the same key/);
        assert.ok(!text.includes('half'), 'an event that never ended is not passed on');
      });

    it('an answer that has come stands, in however many pieces', async () => {
      const answer = `data: ${JSON.stringify({jsonrpc: '2.0', id: 7, result: {text: 'ö'}})}\r\n\r\n`;
      const whole = `${PROGRESS}${answer}`;
      assert.equal(await textOf(call(7), [...whole], 'cut'), whole);
    });

    it('a stream that clients open anew just ends', async () => {
      assert.equal(await textOf(call(7, 'subscriptions/listen'), [PROGRESS], 'end'), PROGRESS);
    });
  });

  it('asks for the hub’s token once, again where that failed, and says when the attempt is over', async () => {
    openDoor(await hub((_request, response) => response.end('done')));
    let asked = 0;
    const to = await door.admit('s.t.1', async () => {
      asked += 1;
      if (asked === 1) throw new ProtocolError('unavailable', 'the hub is away');
      return 'hub-token';
    });
    assert.equal((await ask(to)).status, 503);
    assert.equal((await ask(to)).status, 200);
    assert.equal((await ask(to)).status, 200);
    assert.equal(asked, 2);
    const stale = await door.admit('s.t.2', () =>
      Promise.reject(new ProtocolError('staleFence', 'the fence has fallen')),
    );
    const refused = await ask(stale);
    assert.deepEqual(
      [refused.status, await refused.json()],
      [403, {error: {message: 'the fence has fallen'}}],
    );
  });

  it('lets in nobody else: strangers, pages of a browser, whoever has been dismissed or admitted anew', async () => {
    openDoor(await hub((_request, response) => response.end('done')));
    const token = () => Promise.resolve('hub-token');
    const first = await door.admit('s.t.1', token);
    assert.equal((await ask({...first, headers: {authorization: 'Bearer stranger'}})).status, 401);
    assert.equal((await ask(first, {headers: {origin: 'http://127.0.0.1'}})).status, 401);
    assert.equal((await ask(first, {}, '/else')).status, 404);
    const again = await door.admit('s.t.1', token);
    assert.deepEqual([(await ask(first)).status, (await ask(again)).status], [401, 200]);
    door.dismiss('s.t.1');
    assert.equal((await ask(again)).status, 401);
  });
});
