/** The bridge over real connections: a hub, a plain MCP server over WebSocket, MCP servers of both eras over HTTP. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import type {AddressInfo} from 'node:net';
import {Server} from '@modelcontextprotocol/sdk/server/index.js';
import type {Transport} from '@modelcontextprotocol/sdk/shared/transport.js';
import {CallToolRequestSchema, type JSONRPCMessage} from '@modelcontextprotocol/sdk/types.js';
import {type WebSocket, WebSocketServer} from 'ws';
import {type BridgeOptions, McpxBridge} from '../../coordinator/client/bridge/mcpxBridge.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {extensionCapabilities} from '../../coordinator/protocol/negotiation.ts';
import {META_KEYS} from '../../coordinator/protocol/version.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {type HubFixture, hubFixture} from '../hub/support.ts';
import {type Served, serveHttp} from '../interop/servers/http.ts';
import {CuttingProxy} from './cuttingProxy.ts';

const CONTEXT = {
  distribution: {
    taskPartition: {strategy: 'none' as const, index: 0, count: 1},
    loadBalancing: 'round-robin',
    affinityRules: [],
  },
};
const GET = {
  jsonrpc: '2.0' as const,
  id: 'mine',
  method: 'mcpx.memory.get',
  params: {sessionId: 's', key: 'k'},
};

describe('the bridge over real connections', () => {
  const disposals: (() => unknown)[] = [];
  afterEach(async () => {
    for (const dispose of disposals.splice(0).reverse()) await dispose();
  });

  function bridgeWith(options: Partial<BridgeOptions> = {}): McpxBridge {
    const bridge = new McpxBridge({
      token: () => 'client',
      openSocket: nodeSocket(),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      implementation: {name: 'test', version: '0.0.0'},
      ...options,
      settings: {minBackoffMs: 5, maxBackoffMs: 50, ...options.settings},
    });
    disposals.push(() => bridge.dispose());
    return bridge;
  }

  async function hub(onGet: (context: unknown) => void = () => undefined): Promise<HubFixture> {
    const fixture = await hubFixture({}, built =>
      built.handle('mcpx.memory.get', async (_params, caller) => {
        onGet(caller.context);
        return {version: 1, revision: 2};
      }),
    );
    disposals.push(() => fixture.close());
    return fixture;
  }

  /** Echoes the `_meta` that it was sent. */
  async function plainSocketServer(capabilities: Record<string, unknown> = {}): Promise<string> {
    const sockets = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      handleProtocols: offered => (offered.has('mcp') ? 'mcp' : false),
    });
    sockets.on('connection', socket => {
      const server = new Server({name: 'plain', version: '1'}, {capabilities: {tools: {}, ...capabilities}});
      server.setRequestHandler(CallToolRequestSchema, ({params}) => ({content: [], _meta: params._meta}));
      void server.connect(transportOver(socket));
    });
    await once(sockets, 'listening');
    disposals.push(() => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    });
    return `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`;
  }

  async function httpServer(era: 'both' | 'legacy'): Promise<Served> {
    const served = await serveHttp(era);
    disposals.push(() => served.close());
    return served;
  }

  it('agrees on MCPX with a coordinator, and on plain MCP with everybody else', async () => {
    const bridge = bridgeWith();
    const {url} = await hub();
    const agreed = await bridge.negotiateProtocol(url);
    assert.equal(agreed.kind, 'mcpx');
    assert.equal(await bridge.supportsFeature(url, 'watch'), true);
    assert.equal(await bridge.supportsFeature(url, 'teleport'), false);
    for (const other of [
      await plainSocketServer(),
      (await httpServer('both')).url,
      (await httpServer('legacy')).url,
    ]) {
      assert.deepEqual(await bridge.negotiateProtocol(other), {kind: 'mcp'});
      assert.equal(await bridge.supportsFeature(other, 'watch'), false);
    }
  });

  it('says when the other side speaks another major version, and does not connect', async () => {
    const url = await plainSocketServer(extensionCapabilities({version: '2.0', features: ['watch']}));
    const bridge = bridgeWith();
    assert.equal((await bridge.negotiateProtocol(url)).kind, 'incompatible');
    await assert.rejects(bridge.establishConnection({id: 'a', endpoint: url}), error =>
      isProtocolError(error, 'incompatible'),
    );
  });

  it('carries a message with its context to a coordinator, and the answer back under the same id', async () => {
    const contexts: unknown[] = [];
    const {url} = await hub(context => contexts.push(context));
    const connection = await bridgeWith().establishConnection({id: 'a', endpoint: url});
    assert.deepEqual(await connection.send({...GET, ...CONTEXT}), {
      jsonrpc: '2.0',
      id: 'mine',
      result: {version: 1, revision: 2},
    });
    assert.deepEqual(contexts, [CONTEXT]);
  });

  it('resolves with the error response of the other side', async () => {
    const {url} = await hub();
    const connection = await bridgeWith().establishConnection({id: 'a', endpoint: url});
    const answer = await connection.send({...GET, params: {sessionId: 's'}});
    assert.equal(answer?.id, 'mine');
    assert.equal(answer?.error?.code, -32602);
  });

  it('reaches an instance that only dials out at its coordinator', async () => {
    const {url} = await hub();
    const instance = {id: 'a', endpoint: '/agents/a'};
    const connection = await bridgeWith({coordinator: url}).establishConnection(instance);
    assert.equal(connection.url, url);
    await assert.rejects(bridgeWith().establishConnection(instance), error =>
      isCoordinatorError(error, 'config'),
    );
  });

  it('carries a context through a plain MCP server, whose answers are lifted out of `_meta`', async () => {
    const connection = await bridgeWith().establishConnection({id: 'a', endpoint: await plainSocketServer()});
    const call = {
      jsonrpc: '2.0' as const,
      id: 7,
      method: 'tools/call',
      params: {name: 'x', _meta: {other: 1}},
    };
    const answer = await connection.send({...call, ...CONTEXT});
    assert.deepEqual(answer, {jsonrpc: '2.0', id: 7, result: {content: [], _meta: {other: 1}}, ...CONTEXT});
    await assert.rejects(connection.send(GET), error => isProtocolError(error, 'methodNotFound'));
  });

  for (const era of ['both', 'legacy'] as const)
    it(`calls a tool of an HTTP server (${era}), with a context that such a server has no use for`, async () => {
      const {url} = await httpServer(era);
      const connection = await bridgeWith().establishConnection({id: 'a', endpoint: url});
      const call = {
        jsonrpc: '2.0' as const,
        id: 1,
        method: 'tools/call',
        params: {name: 'test_simple_text', arguments: {}},
      };
      const answer = await connection.send({...call, ...CONTEXT});
      assert.match(JSON.stringify(answer?.result), /simple text/);
    });

  it('establishes a maintained connection again when it breaks, and lets messages wait for it', async () => {
    const {port} = await hub();
    const proxy = await CuttingProxy.open(port);
    disposals.push(() => proxy.close());
    const bridge = bridgeWith();
    const connection = await bridge.establishConnection({id: 'a', endpoint: `ws://127.0.0.1:${proxy.port}`});
    const maintained = bridge.maintainConnection(connection);
    for (let round = 0; round < 3; round++) {
      proxy.refuse(true);
      proxy.cut();
      await closedBy(connection);
      const waiting = connection.send(GET);
      proxy.refuse(false);
      assert.equal((await waiting)?.id, 'mine');
    }
    await bridge.closeConnection(connection.id);
    await maintained;
    await assert.rejects(connection.send(GET), error => isProtocolError(error, 'unavailable'));
  });

  it('gives a maintained connection up when its token is refused', async () => {
    const {port} = await hub();
    const proxy = await CuttingProxy.open(port);
    disposals.push(() => proxy.close());
    let token = 'client';
    const bridge = bridgeWith({token: () => token});
    const connection = await bridge.establishConnection({id: 'a', endpoint: `ws://127.0.0.1:${proxy.port}`});
    const maintained = bridge.maintainConnection(connection);
    token = 'revoked';
    proxy.cut();
    await assert.rejects(maintained, error => isCoordinatorError(error, 'unauthorized'));
  });

  it('does not let messages wait at a connection that nobody maintains', async () => {
    const {port} = await hub();
    const proxy = await CuttingProxy.open(port);
    disposals.push(() => proxy.close());
    const bridge = bridgeWith();
    const connection = await bridge.establishConnection({id: 'a', endpoint: `ws://127.0.0.1:${proxy.port}`});
    proxy.cut();
    await closedBy(connection);
    await assert.rejects(connection.send(GET), error => isProtocolError(error, 'unavailable'));
  });

  it('rejects what waits for an answer when it is closed, and when its sender gives up', async () => {
    const held = await hubFixture({}, built =>
      built.handle('mcpx.memory.get', () => new Promise(() => undefined)),
    );
    disposals.push(() => held.close());
    const bridge = bridgeWith();
    const connection = await bridge.establishConnection({id: 'a', endpoint: held.url});
    const gone = new AbortController();
    const givenUp = connection.send(GET, {signal: gone.signal});
    gone.abort();
    await assert.rejects(givenUp, error => isProtocolError(error, 'cancelled'));
    await assert.rejects(connection.send(GET, {timeoutMs: 30}), error => isProtocolError(error, 'timeout'));
    const waiting = connection.send(GET);
    await bridge.closeConnection(connection.id);
    await assert.rejects(waiting, error => isProtocolError(error, 'unavailable'));
    await bridge.closeConnection('unknown');
  });

  it('answers what the other side asks', async () => {
    const url = await plainAsker();
    const asked: unknown[] = [];
    const connection = await bridgeWith({
      onMessage: async message => {
        asked.push(message);
        return {seen: true};
      },
    }).establishConnection({id: 'a', endpoint: url});
    const answer = await connection.send({jsonrpc: '2.0', id: 1, method: 'custom/ask'});
    assert.deepEqual(answer?.result, {answer: {seen: true}});
    assert.deepEqual(asked, [{jsonrpc: '2.0', id: 99, method: 'custom/question', params: {}, ...CONTEXT}]);
  });

  /** Asks back before it answers. */
  async function plainAsker(): Promise<string> {
    const sockets = new WebSocketServer({port: 0, host: '127.0.0.1'});
    sockets.on('connection', socket => {
      let asking: unknown;
      const send = (message: object): void => socket.send(JSON.stringify({jsonrpc: '2.0', ...message}));
      socket.on('message', data => {
        const {id, method, params, result} = JSON.parse(String(data));
        if (method === 'initialize')
          send({
            id,
            result: {
              protocolVersion: params.protocolVersion,
              capabilities: {},
              serverInfo: {name: 'a', version: '1'},
            },
          });
        if (method === 'custom/ask') {
          asking = id;
          send({
            id: 99,
            method: 'custom/question',
            params: {_meta: {[META_KEYS.distribution]: CONTEXT.distribution}},
          });
        }
        if (result) send({id: asking, result: {answer: result}});
      });
    });
    await once(sockets, 'listening');
    disposals.push(() => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    });
    return `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`;
  }
});

async function closedBy(connection: {readonly isOpen: boolean}): Promise<void> {
  while (connection.isOpen) await new Promise(resolve => setImmediate(resolve));
}

function transportOver(socket: WebSocket): Transport {
  const transport: Transport = {
    start: async () => undefined,
    send: async message => socket.send(JSON.stringify(message)),
    close: async () => socket.close(),
  };
  socket.on('message', data => transport.onmessage?.(JSON.parse(String(data)) as JSONRPCMessage));
  socket.on('close', () => transport.onclose?.());
  return transport;
}
