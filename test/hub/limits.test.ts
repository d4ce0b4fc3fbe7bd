import assert from 'node:assert/strict';
import {once} from 'node:events';
import * as net from 'node:net';
import {CLOSE_CODES} from '../../coordinator/bridge/closeCodes.ts';
import {ERROR_CODES, isProtocolError} from '../../coordinator/protocol/errors.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {RawSocket} from './rawSocket.ts';
import {type HubFixture, hubFixture} from './support.ts';

const GET = {sessionId: 's', key: 'k'};

describe('limits of a hub connection', () => {
  let fixture: HubFixture;
  afterEach(() => fixture.close());

  it('closes with 1009 on an oversized frame, and that connection only', async () => {
    fixture = await hubFixture({settings: {maxFrameBytes: 1000}});
    const other = await RawSocket.greeted(fixture.url);
    const raw = await RawSocket.greeted(fixture.url);
    raw.send({jsonrpc: '2.0', id: 1, method: 'ping', params: {padding: 'x'.repeat(1000)}});
    assert.equal((await raw.closed).code, CLOSE_CODES.messageTooBig);
    assert.deepEqual((await other.ask(1, 'ping')).result, {});
  });

  it('closes with 1003 on a binary frame', async () => {
    fixture = await hubFixture();
    const raw = await RawSocket.open(fixture.url);
    raw.socket.send(Buffer.from('{}'));
    assert.equal((await raw.closed).code, CLOSE_CODES.unsupportedData);
  });

  it('answers every malformed frame with its typed error, and serves on', async () => {
    fixture = await hubFixture();
    const raw = await RawSocket.greeted(fixture.url);
    const cases: [unknown, number, string | number | undefined][] = [
      ['{"jsonrpc":"2.0","id":1,"meth', ERROR_CODES.parse, undefined],
      ['', ERROR_CODES.parse, undefined],
      ['[]', ERROR_CODES.invalidRequest, undefined],
      [[{jsonrpc: '2.0', id: 1, method: 'ping'}], ERROR_CODES.invalidRequest, undefined],
      ['17', ERROR_CODES.invalidRequest, undefined],
      ['null', ERROR_CODES.invalidRequest, undefined],
      [{id: 2, method: 'ping'}, ERROR_CODES.invalidRequest, 2],
      [{jsonrpc: '1.0', id: 3, method: 'ping'}, ERROR_CODES.invalidRequest, 3],
      [{jsonrpc: '2.0', id: 4, method: 5}, ERROR_CODES.invalidRequest, 4],
      [{jsonrpc: '2.0', id: null, method: 'ping'}, ERROR_CODES.invalidRequest, undefined],
      [{jsonrpc: '2.0', id: 1.5, method: 'ping'}, ERROR_CODES.invalidRequest, undefined],
      [{jsonrpc: '2.0', id: 6, method: 'ping', params: []}, ERROR_CODES.invalidParams, 6],
      [{jsonrpc: '2.0', id: 7, method: 'ping', orchestration: {}}, ERROR_CODES.invalidRequest, 7],
      [{jsonrpc: '2.0', id: 8, method: 'ping', params: {_meta: 9}}, ERROR_CODES.invalidRequest, 8],
      [{jsonrpc: '2.0', id: 999, result: {}}, ERROR_CODES.invalidRequest, undefined],
      [{jsonrpc: '2.0', id: 'x', error: {code: 1, message: ''}}, ERROR_CODES.invalidRequest, undefined],
      [
        {jsonrpc: '2.0', id: 9, result: {}, error: {code: 1, message: ''}},
        ERROR_CODES.invalidRequest,
        undefined,
      ],
      [{jsonrpc: '2.0', id: 10, method: 'mcpx.no.such'}, ERROR_CODES.methodNotFound, 10],
      [{jsonrpc: '2.0', id: 11, method: 'mcpx.memory.get', params: {}}, ERROR_CODES.invalidParams, 11],
      [
        {jsonrpc: '2.0', id: 12, method: 'mcpx.distribute.result.merge', params: {}},
        ERROR_CODES.invalidParams,
        12,
      ],
      [{jsonrpc: '2.0', id: 13, method: 'mcpx.watch.event'}, ERROR_CODES.invalidParams, 13],
      [
        {jsonrpc: '2.0', id: 14, method: 'mcpx.agent.stopAll', params: {reason: '', graceMs: 0}},
        ERROR_CODES.forbidden,
        14,
      ],
      [{jsonrpc: '2.0', id: 15, method: 'initialize', params: {}}, ERROR_CODES.invalidParams, 15],
    ];
    for (const [frame, code, id] of cases) {
      const before = raw.frames.length;
      raw.send(frame);
      const answer = await raw.next(found => raw.frames.indexOf(found) >= before);
      assert.deepEqual({id: answer.id, code: answer.error?.code}, {id, code}, JSON.stringify(frame));
    }
    assert.deepEqual((await raw.ask('after', 'ping')).result, {});
  });

  it('never answers an error without an id, nor a late answer', async () => {
    fixture = await hubFixture();
    const raw = await RawSocket.greeted(fixture.url);
    const before = raw.frames.length;
    raw.send({jsonrpc: '2.0', error: {code: -32700, message: 'you sent nonsense'}});
    await raw.ask('after', 'ping');
    assert.equal(raw.frames.length, before + 1);
  });

  it('names the field that is wrong', async () => {
    fixture = await hubFixture();
    const raw = await RawSocket.greeted(fixture.url);
    const {error} = await raw.ask(1, 'mcpx.session.control', {
      sessionId: 's',
      action: {kind: 'budget', budgetUsd: -1},
    });
    assert.ok(error);
    assert.match(error.message, /action\.budgetUsd/);
    assert.equal((error.data as {issues: {path: string}[]}).issues[0]?.path, 'action.budgetUsd');
  });

  it('closes a connection that sends nothing but faults', async () => {
    fixture = await hubFixture({settings: {maxFaults: 10}});
    const raw = await RawSocket.open(fixture.url);
    for (let sent = 0; sent < 12; sent++) raw.send('nonsense');
    const {code, reason} = await raw.closed;
    assert.equal(code, CLOSE_CODES.tooManyFaults);
    assert.match(reason, /malformed/);
  });

  it('answers `overloaded` beyond the requests in work', async () => {
    const release = deferred<void>();
    fixture = await hubFixture({settings: {maxInFlight: 2}}, hub =>
      hub.handle('mcpx.memory.get', async () => {
        await release.promise;
        return {version: 0, revision: 0};
      }),
    );
    const raw = await RawSocket.greeted(fixture.url);
    const first = raw.ask(1, 'mcpx.memory.get', GET);
    const second = raw.ask(2, 'mcpx.memory.get', GET);
    assert.equal((await raw.ask(3, 'mcpx.memory.get', GET)).error?.code, ERROR_CODES.overloaded);
    release.resolve();
    assert.ok((await first).result && (await second).result);
    assert.ok((await raw.ask(4, 'mcpx.memory.get', GET)).result);
  });

  it('reads a sender beyond its rate more slowly, and loses nothing', async () => {
    fixture = await hubFixture({settings: {maxMessagesPerSecond: 100}});
    const raw = await RawSocket.greeted(fixture.url);
    const started = performance.now();
    await Promise.all(Array.from({length: 150}, (_, at) => raw.ask(`n${at}`, 'ping')));
    await raw.ask('after', 'ping');
    const tookMs = performance.now() - started;
    // A burst of 100, and 51 more at 100 a second.
    assert.ok(tookMs > 450, `151 messages took ${tookMs} ms`);
  });

  it('closes a client that does not read, having buffered no more than its limit', async () => {
    const settings = {maxBufferedBytes: 256 * 1024, closeGraceMs: 100};
    const backlogs: number[] = [];
    fixture = await hubFixture({settings}, hub =>
      hub.handle('mcpx.transcript.read', (_params, caller) => {
        backlogs.push(caller.outbox.backlog);
        const text = 'x'.repeat(60_000);
        const events = [{kind: 'notice' as const, at: 1, level: 'info' as const, text}];
        return Promise.resolve({firstSeq: 1, events, lastSeq: 1, ended: false});
      }),
    );
    const raw = await RawSocket.greeted(fixture.url);
    const good = fixture.connection('client');
    raw.socket.pause();
    const read = {attemptId: 's.t.1', fromSeq: 1, limit: 1};
    for (let sent = 0; sent < 500; sent++)
      raw.send({jsonrpc: '2.0', id: sent + 1, method: 'mcpx.transcript.read', params: read});
    while (fixture.hub.connectionCount > 1) await good.request('mcpx.transcript.read', read);
    assert.ok(
      Math.max(...backlogs) < settings.maxBufferedBytes + 70_000,
      `buffered ${Math.max(...backlogs)}`,
    );
    raw.socket.resume();
    await raw.closed;
  });

  it('closes a peer that has gone silent', async () => {
    fixture = await hubFixture({settings: {pingIntervalMs: 50, pongTimeoutMs: 50}});
    const answering = await RawSocket.open(fixture.url);
    // The WebSocket handshake by hand: nobody answers the pings.
    const socket = net.connect(fixture.port, '127.0.0.1');
    socket.write(
      [
        'GET / HTTP/1.1',
        `Host: 127.0.0.1:${fixture.port}`,
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Protocol: mcpx.v1',
        'Authorization: Bearer client',
        '\r\n',
      ].join('\r\n'),
    );
    socket.resume();
    await once(socket, 'close');
    assert.deepEqual((await answering.ask(1, 'ping')).result, {});
    assert.equal(fixture.hub.connectionCount, 1);
  });
});

describe('draining a hub', () => {
  it('lets requests in work end, turns new ones away, and says goodbye with 1001', async () => {
    const release = deferred<void>();
    const started = deferred<void>();
    const fixture = await hubFixture({}, hub =>
      hub.handle('mcpx.memory.get', async () => {
        started.resolve();
        await release.promise;
        return {version: 7, revision: 7};
      }),
    );
    const idle = await RawSocket.greeted(fixture.url);
    const busy = await RawSocket.greeted(fixture.url);
    const answer = busy.ask(1, 'mcpx.memory.get', GET);
    await started.promise;
    const stopped = fixture.hub.stop({graceMs: 10_000});
    assert.equal((await idle.closed).code, CLOSE_CODES.goingAway);
    const health = await fetch(`${fixture.url.replace('ws', 'http')}/health`);
    assert.deepEqual([health.status, ((await health.json()) as {status: string}).status], [503, 'draining']);
    assert.equal((await busy.ask(2, 'mcpx.memory.get', GET)).error?.code, ERROR_CODES.draining);
    release.resolve();
    assert.deepEqual((await answer).result, {version: 7, revision: 7});
    assert.equal((await busy.closed).code, CLOSE_CODES.goingAway);
    await stopped;
    await assert.rejects(RawSocket.open(fixture.url), /ECONNREFUSED/);
  });

  it('cuts what does not end within the grace, and rejects what waits for an agent', async () => {
    const fixture = await hubFixture({settings: {closeGraceMs: 50}}, hub =>
      hub.handle('mcpx.memory.get', () => new Promise(() => undefined)),
    );
    const busy = await RawSocket.greeted(fixture.url);
    busy.send({jsonrpc: '2.0', id: 1, method: 'mcpx.memory.get', params: GET});
    const waiting = fixture.hub.agentChannel().send('a-1', 'mcpx.agent.stopAll', {reason: '', graceMs: 0});
    const rejected = assert.rejects(waiting, error => isProtocolError(error, 'unavailable'));
    await busy.ask(2, 'ping');
    await fixture.hub.stop({graceMs: 50});
    assert.equal((await busy.closed).code, CLOSE_CODES.goingAway);
    await rejected;
  });
});
