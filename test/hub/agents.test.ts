import assert from 'node:assert/strict';
import {once} from 'node:events';
import type {AddressInfo} from 'node:net';
import {type WebSocket, WebSocketServer} from 'ws';
import {FrameTransport} from '../../coordinator/bridge/frameTransport.ts';
import {type CallHandler, Peer} from '../../coordinator/bridge/peer.ts';
import type {ConnectionOptions} from '../../coordinator/client/connection.ts';
import type {AgentLink} from '../../coordinator/hub/agentLinks.ts';
import {localCaller} from '../../coordinator/hub/caller.ts';
import {MCPXProtocol} from '../../coordinator/hub/mcpxProtocol.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {ERROR_CODES, isProtocolError, ProtocolError} from '../../coordinator/protocol/errors.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {type HubFixture, hubFixture, PRINCIPALS, REGISTERED, registration} from './support.ts';

const STOP = {reason: 'test', graceMs: 0};

function registering(agentId: string, handler: CallHandler): Partial<ConnectionOptions> {
  return {
    handler,
    onConnected: async peer => {
      await peer.request('mcpx.agent.register', registration(agentId));
    },
  };
}

/** Answers `stopAll` with the number in its reason. */
const counting: CallHandler = call => {
  assert.equal(call.method, 'mcpx.agent.stopAll');
  return Promise.resolve({killed: Number(call.params.reason)});
};

const never: CallHandler = () => new Promise(() => undefined);

describe('commands to agents', () => {
  let fixture: HubFixture;
  afterEach(() => fixture.close());

  async function setUp(options: Parameters<typeof hubFixture>[0] = {}): Promise<void> {
    fixture = await hubFixture(options, hub => {
      hub.handle('mcpx.agent.register', () => Promise.resolve(REGISTERED));
      hub.handle('mcpx.agent.goodbye', () => Promise.resolve({}));
    });
  }

  const send = (
    agentId: string,
    reason: string,
    options?: {timeoutMs?: number; signal?: AbortSignal; retry?: boolean},
  ) => fixture.hub.agentChannel().send(agentId, 'mcpx.agent.stopAll', {...STOP, reason}, options);

  it('wait for a disconnected agent and arrive in order', async () => {
    await setUp();
    const waiting = Array.from({length: 20}, (_, at) => send('a-1', String(at)));
    const order: string[] = [];
    fixture.connection(
      'agent',
      registering('a-1', async call => {
        assert.equal(call.method, 'mcpx.agent.stopAll');
        order.push(call.params.reason);
        return {killed: Number(call.params.reason)};
      }),
    );
    const answers = await Promise.all(waiting);
    assert.deepEqual(
      answers.map(answer => answer.killed),
      Array.from({length: 20}, (_, at) => at),
    );
    assert.deepEqual(
      order,
      Array.from({length: 20}, (_, at) => String(at)),
    );
  });

  it('go another way while the agent is said to be elsewhere, and over its connection here once it is not', async () => {
    await setUp();
    const {hub} = fixture;
    const address = {tenant: 'default', agentId: 'a-1'};
    const elsewhere = (killed: number): AgentLink => ({
      connectionId: 'coordinator:other',
      remote: true,
      peer: {request: () => Promise.resolve({killed} as never)},
    });
    const connected = new Promise(resolve => hub.onAgentConnected(resolve));
    const connection = fixture.connection('agent', registering('a-1', counting));
    await connected;
    const way = hub.attachElsewhere(address, elsewhere(-1));
    assert.deepEqual(await send('a-1', '1'), {killed: -1});
    // The way is lost, and nobody says that it is here: what is sent waits.
    way.dispose();
    const waiting = send('a-1', '2');
    assert.equal(hub.agentChannel().isConnected('a-1'), false);
    hub.serveHere(address);
    assert.deepEqual(await waiting, {killed: 2});
    assert.deepEqual(await send('a-1', '3'), {killed: 3});

    // Old news again, and it registers on the connection that it has.
    hub.attachElsewhere(address, elsewhere(-2));
    const again = new Promise(resolve => hub.onAgentConnected(resolve));
    await connection.peer?.request('mcpx.agent.register', registration('a-1'));
    await again;
    assert.deepEqual(await send('a-1', '4'), {killed: 4});
  });

  it('time out: `agentDisconnected` when the agent never came, `timeout` when it did not answer', async () => {
    await setUp();
    await assert.rejects(send('a-1', '1', {timeoutMs: 20}), error =>
      isProtocolError(error, 'agentDisconnected'),
    );
    fixture.connection('agent', registering('a-1', never));
    await new Promise(resolve => fixture.hub.onAgentConnected(resolve));
    await assert.rejects(send('a-1', '1', {timeoutMs: 20}), error => isProtocolError(error, 'timeout'));
  });

  it('are bounded in number and in bytes while they wait', async () => {
    await setUp({settings: {maxQueuedCommands: 3, maxQueuedBytes: 3000}});
    const cancelled = new AbortController();
    const options = {signal: cancelled.signal};
    const waiting = [1, 2, 3].map(at => send('a-1', String(at), options));
    await assert.rejects(send('a-1', '4'), error => isProtocolError(error, 'overloaded'));
    const big = send('a-2', 'x'.repeat(900), options);
    const second = send('a-2', 'x'.repeat(1000), options);
    await assert.rejects(send('a-2', 'x'.repeat(1100)), error => isProtocolError(error, 'overloaded'));
    waiting.push(big, second, send('a-2', 'small', options));
    cancelled.abort();
    for (const command of waiting)
      await assert.rejects(command, error => isProtocolError(error, 'cancelled'));
  });

  it('cut in flight are sent again over the next connection, unless they must not be', async () => {
    await setUp();
    const reached = deferred<void>();
    let calls = 0;
    const first = fixture.connection(
      'agent',
      registering('a-1', call => {
        calls += 1;
        if (calls === 2) reached.resolve();
        return never(call);
      }),
    );
    await new Promise(resolve => fixture.hub.onAgentConnected(resolve));
    const retried = send('a-1', '5');
    const single = send('a-1', '6', {retry: false});
    const refused = assert.rejects(single, error => isProtocolError(error, 'agentDisconnected'));
    await reached.promise;
    first.dispose();
    await refused;
    fixture.connection('agent', registering('a-1', counting));
    assert.deepEqual(await retried, {killed: 5});
  });

  it('keep what the agent answered: its error with its class and data', async () => {
    await setUp();
    fixture.connection(
      'agent',
      registering('a-1', () => Promise.reject(new ProtocolError('staleFence', 'too late', {current: 7}))),
    );
    await assert.rejects(
      send('a-1', '1'),
      error =>
        isProtocolError(error, 'staleFence') &&
        error.message === 'too late' &&
        assert.deepEqual(error.data, {current: 7}) === undefined,
    );
  });

  it('go to the newest connection of an agent; the older one is closed and does not come back', async () => {
    await setUp();
    const disconnected: string[] = [];
    fixture.hub.onAgentDisconnected(({agentId}) => disconnected.push(agentId));
    const older = fixture.connection('agent', registering('a-1', never));
    await new Promise(resolve => fixture.hub.onAgentConnected(resolve));
    const command = send('a-1', '8');
    const gone = new Promise<void>(resolve => older.onState(state => state.kind === 'stopped' && resolve()));
    const newer = fixture.connection('agent', registering('a-1', counting));
    await gone;
    assert.deepEqual(await command, {killed: 8});
    assert.deepEqual(disconnected, []);
    const left = new Promise(resolve => fixture.hub.onAgentDisconnected(resolve));
    newer.dispose();
    await left;
    assert.deepEqual(disconnected, ['a-1']);
    assert.equal(fixture.hub.agentChannel().isConnected('a-1'), false);
  });

  it('never reach an agent of the same name in another tenant', async () => {
    await setUp();
    fixture.connection('agent', registering('a-1', counting));
    await new Promise(resolve => fixture.hub.onAgentConnected(resolve));
    const other = fixture.hub.agentChannel('other').send('a-1', 'mcpx.agent.stopAll', STOP, {timeoutMs: 20});
    await assert.rejects(other, error => isProtocolError(error, 'agentDisconnected'));
  });

  it('tell the agent when they are cancelled', async () => {
    await setUp();
    const started = deferred<void>();
    const cancelled = deferred<void>();
    fixture.connection(
      'agent',
      registering('a-1', call => {
        call.signal.addEventListener('abort', () => cancelled.resolve());
        started.resolve();
        return never(call);
      }),
    );
    const abort = new AbortController();
    const command = assert.rejects(send('a-1', '1', {signal: abort.signal}), error =>
      isProtocolError(error, 'cancelled'),
    );
    await started.promise;
    abort.abort();
    await command;
    await cancelled.promise;
  });

  it('of a broadcast have an outcome each, and a silent instance delays only its own', async () => {
    await setUp();
    fixture.connection(
      'agent',
      registering('fast', () => Promise.resolve({id: 'fast', status: 'ok', at: 1})),
    );
    fixture.connection('agent', registering('silent', never));
    while (
      !fixture.hub.agentChannel().isConnected('fast') ||
      !fixture.hub.agentChannel().isConnected('silent')
    )
      await new Promise(resolve => fixture.hub.onAgentConnected(resolve));
    const mcpx = new MCPXProtocol({
      channel: fixture.hub.agentChannel(),
      dispatch: (call, caller) => fixture.hub.dispatch(call, caller),
      principal: PRINCIPALS['client'] ?? assert.fail(),
    });
    const outcomes = await mcpx.broadcastCommand(['silent', 'fast', 'absent'], 'mcpx.health.check', {}, 200);
    const kinds = [...outcomes].map(([id, outcome]) => [
      id,
      outcome.ok ? outcome.result.status : outcome.error.kind,
    ]);
    assert.deepEqual(kinds, [
      ['silent', 'timeout'],
      ['fast', 'ok'],
      ['absent', 'agentDisconnected'],
    ]);
  });
});

describe('MCPX messages inside the coordinator', () => {
  it('are authorised, checked and answered like those of a connection', async () => {
    const fixture = await hubFixture({}, hub =>
      hub.handle('mcpx.memory.get', (_params, caller) => {
        assert.equal(caller.context.coordination?.dependencies[0], 'build');
        return Promise.resolve({version: 1, revision: 2});
      }),
    );
    const mcpx = new MCPXProtocol({
      channel: fixture.hub.agentChannel(),
      dispatch: (call, caller) => fixture.hub.dispatch(call, caller),
      principal: PRINCIPALS['client'] ?? assert.fail(),
    });
    const coordination = {
      dependencies: ['build'],
      synchronizationPoints: [],
      rollbackStrategy: {scope: 'none' as const},
      progressReporting: {intervalMs: 0, transcript: false},
    };
    const ask = (method: string, params: Record<string, unknown> = {}) =>
      mcpx.handleMCPXMessage({jsonrpc: '2.0', id: 1, method, params, coordination});
    assert.deepEqual(await ask('mcpx.memory.get', {sessionId: 's', key: 'k'}), {
      jsonrpc: '2.0',
      id: 1,
      result: {version: 1, revision: 2},
    });
    assert.equal((await ask('mcpx.memory.get'))?.error?.code, ERROR_CODES.invalidParams);
    assert.equal((await ask('mcpx.nothing'))?.error?.code, ERROR_CODES.methodNotFound);
    assert.equal((await ask('mcpx.agent.stopAll', STOP))?.error?.code, ERROR_CODES.forbidden);
    const agent = localCaller({id: 'agent:a', tenant: 'default', role: 'agent', agentId: 'a'});
    await assert.rejects(fixture.hub.dispatch({method: 'mcpx.fleet.stop', params: {...STOP}}, agent), error =>
      isProtocolError(error, 'forbidden'),
    );
    await fixture.close();
  });
});

describe('an agent that listens', () => {
  it('is dialled by the hub, again after a cut, and registers as any other', async () => {
    const server = new WebSocketServer({port: 0, host: '127.0.0.1', perMessageDeflate: false});
    await once(server, 'listening');
    const tokens: (string | undefined)[] = [];
    const sockets: WebSocket[] = [];
    server.on('connection', (socket, request) => {
      tokens.push(request.headers.authorization);
      sockets.push(socket);
      const transport = new FrameTransport({
        send: text => socket.send(text),
        close: (code, reason) => socket.close(code, reason),
      });
      socket.on('message', data => transport.receive(data.toString()));
      socket.on('close', () => transport.end());
      const peer = new Peer({implementation: {name: 'a-9', version: '0'}, logger: silentLogger});
      peer.handle(counting);
      peer.attach(transport);
      peer
        .initialize()
        .then(() => peer.request('mcpx.agent.register', registration('a-9')))
        .catch((error: unknown) => assert.fail(String(error)));
    });
    const fixture = await hubFixture({settings: {minRedialBackoffMs: 5}}, hub =>
      hub.handle('mcpx.agent.register', () => Promise.resolve(REGISTERED)),
    );
    const {port} = server.address() as AddressInfo;
    const dialled = fixture.hub.dial({url: `ws://127.0.0.1:${port}`, token: 'for-the-agent', agentId: 'a-9'});
    const send = (reason: string) =>
      fixture.hub.agentChannel().send('a-9', 'mcpx.agent.stopAll', {...STOP, reason});
    assert.deepEqual(await send('3'), {killed: 3});
    sockets[0]?.terminate();
    await new Promise(resolve => fixture.hub.onAgentDisconnected(resolve));
    assert.deepEqual(await send('4'), {killed: 4});
    assert.deepEqual(tokens, ['Bearer for-the-agent', 'Bearer for-the-agent']);
    dialled.dispose();
    await fixture.close();
    for (const socket of sockets) socket.terminate();
    server.close();
  });
});
