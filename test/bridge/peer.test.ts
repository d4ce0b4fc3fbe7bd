import assert from 'node:assert/strict';
import {InMemoryTransport} from '@modelcontextprotocol/sdk/inMemory.js';
import type {JSONRPCMessage} from '@modelcontextprotocol/sdk/types.js';
import {FrameTransport} from '../../coordinator/bridge/frameTransport.ts';
import {
  type CallHandler,
  Peer,
  type PeerTransport,
  type ProgressReport,
} from '../../coordinator/bridge/peer.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {MCPXContext} from '../../coordinator/protocol/envelope.ts';
import {ERROR_CODES, isProtocolError, ProtocolError} from '../../coordinator/protocol/errors.ts';
import {extensionCapabilities, ownExtension} from '../../coordinator/protocol/negotiation.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';

const GET = {sessionId: 's', key: 'k'};
const FOUND = {version: 1, revision: 2};

function newPeer(name: string, version = '1.0'): Peer {
  const extension = {...ownExtension(), version};
  return new Peer({implementation: {name, version: '0'}, logger: silentLogger, extension});
}

type Link = () => [PeerTransport, PeerTransport];

/** Frames through two transports, as through a pair of sockets. */
function framePair(): [FrameTransport, FrameTransport] {
  const sink = (other: () => FrameTransport) => ({
    send: (text: string) => queueMicrotask(() => other().receive(text)),
    close: () => queueMicrotask(() => other().end()),
  });
  const near: FrameTransport = new FrameTransport(sink(() => far));
  const far: FrameTransport = new FrameTransport(sink(() => near));
  return [near, far];
}

const LINKS: readonly (readonly [string, Link])[] = [
  ['messages', () => InMemoryTransport.createLinkedPair()],
  ['frames', framePair],
];

for (const [name, link] of LINKS) describePeer(name, link);

function describePeer(name: string, link: Link): void {
  async function pair(handler?: CallHandler): Promise<{client: Peer; server: Peer}> {
    const [near, far] = link();
    const client = newPeer('client');
    const server = newPeer('server');
    if (handler) server.handle(handler);
    server.attach(far);
    client.attach(near);
    await client.initialize();
    return {client, server};
  }

  /** The other end by hand: answers whatever `respond` returns. */
  function scripted(respond: (message: JSONRPCMessage) => object | undefined): Peer {
    const [near, far] = link();
    far.onmessage = message => {
      const answer = respond(message);
      if (answer && 'id' in message)
        void far.send({jsonrpc: '2.0', id: message.id, ...answer} as JSONRPCMessage);
    };
    const client = newPeer('client');
    client.attach(near);
    return client;
  }

  describe(`a peer over ${name}`, () => {
    it('agrees on MCPX with a peer that declares it', async () => {
      const {client, server} = await pair();
      for (const peer of [client, server]) assert.equal(peer.version.kind, 'mcpx');
    });

    it('asks in both directions over one connection', async () => {
      const {client, server} = await pair(() => Promise.resolve(FOUND));
      client.handle(call => {
        assert.equal(call.method, 'mcpx.agent.stopAll');
        return Promise.resolve({killed: call.params.graceMs});
      });
      const answers = await Promise.all([
        client.request('mcpx.memory.get', GET),
        server.request('mcpx.agent.stopAll', {reason: '', graceMs: 3}),
      ]);
      assert.deepEqual(answers, [FOUND, {killed: 3}]);
    });

    it('hands the context over beside the parameters', async () => {
      const context: MCPXContext = {
        orchestration: {
          sessionId: 's',
          executionId: 's.t.1',
          coordinatorInstance: 'c-1',
          sharedState: {session: 's', revision: 3},
          qualityGates: [],
        },
      };
      const {client} = await pair(call => {
        assert.deepEqual(call.context, context);
        assert.deepEqual(call.params, GET);
        return Promise.resolve(FOUND);
      });
      assert.deepEqual(await client.request('mcpx.memory.get', GET, {context}), FOUND);
    });

    it('fills in the defaults of parameters and results', async () => {
      const {client} = await pair(call => {
        assert.deepEqual(call.params, {reason: 'r', graceMs: 5000});
        return Promise.resolve({sessions: [], agents: []});
      });
      await client.request('mcpx.fleet.stop', {reason: 'r'});
    });

    it('keeps the class, message and data of an error', async () => {
      const thrown = new ProtocolError('staleFence', 'the fence has fallen', {current: 4});
      const {client} = await pair(() => Promise.reject(thrown));
      await assert.rejects(client.request('mcpx.memory.get', GET), error => {
        assert.ok(isProtocolError(error, 'staleFence'));
        assert.deepEqual([error.message, error.data], [thrown.message, thrown.data]);
        return true;
      });
    });

    it('tells local faults by their kind, and nothing of unexpected ones', async () => {
      let fault: Error = new CoordinatorError('diskFull', 'no room', {hint: 'make some'});
      const {client} = await pair(() => Promise.reject(fault));
      await assert.rejects(client.request('mcpx.memory.get', GET), error =>
        isProtocolError(error, 'diskFull'),
      );
      fault = new TypeError('secret path /home/x');
      await assert.rejects(
        client.request('mcpx.memory.get', GET),
        error => isProtocolError(error, 'internal') && !error.message.includes('secret'),
      );
    });

    it('cancels the very first request it makes', async () => {
      const started = deferred<void>();
      const aborted = deferred<void>();
      const {server, client} = await pair();
      client.handle(call => {
        call.signal.addEventListener('abort', () => aborted.resolve());
        started.resolve();
        return new Promise(() => undefined);
      });
      const abort = new AbortController();
      const asked = server.request('mcpx.agent.stopAll', {reason: '', graceMs: 0}, {signal: abort.signal});
      const rejected = assert.rejects(asked, error => isProtocolError(error, 'cancelled'));
      await started.promise;
      abort.abort();
      await rejected;
      await aborted.promise;
    });

    it('keeps no listener on a signal that outlives its requests', async () => {
      const {client} = await pair(() => Promise.resolve(FOUND));
      const {signal} = new AbortController();
      let listeners = 0;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = (...args: Parameters<typeof add>) => {
        listeners += 1;
        add(...args);
      };
      signal.removeEventListener = (...args: Parameters<typeof remove>) => {
        listeners -= 1;
        remove(...args);
      };
      for (let at = 0; at < 10; at++) await client.request('mcpx.memory.get', GET, {signal});
      assert.equal(listeners, 0);
    });

    it('times out, unless progress shows that the peer is at work', async () => {
      const {client} = await pair(async call => {
        if (call.method === 'mcpx.cluster.info') return new Promise(() => undefined);
        for (let step = 1; step <= 4; step++) {
          await new Promise(resolve => setTimeout(resolve, 30));
          call.progress({progress: step, total: 4});
        }
        return FOUND;
      });
      await assert.rejects(client.request('mcpx.cluster.info', {}, {timeoutMs: 20}), error =>
        isProtocolError(error, 'timeout'),
      );
      const reports: ProgressReport[] = [];
      const onProgress = (report: ProgressReport): void => void reports.push(report);
      assert.deepEqual(await client.request('mcpx.memory.get', GET, {timeoutMs: 80, onProgress}), FOUND);
      assert.deepEqual(reports.at(-1), {progress: 4, total: 4});
    });

    it('rejects every reply that waits when the connection closes', async () => {
      const {client, server} = await pair(() => new Promise(() => undefined));
      const waiting = [1, 2, 3].map(() =>
        assert.rejects(client.request('mcpx.memory.get', GET), error =>
          isProtocolError(error, 'unavailable'),
        ),
      );
      await server.close();
      await Promise.all(waiting);
      await client.whenClosed;
      await assert.rejects(client.request('mcpx.memory.get', GET), error =>
        isProtocolError(error, 'unavailable'),
      );
    });

    it('delivers notifications in order, and drops those it does not know', async () => {
      const seen: number[] = [];
      const done = deferred<void>();
      const {client, server} = await pair();
      client.handle(call => {
        assert.equal(call.method, 'mcpx.transcript.events');
        seen.push(call.params.firstSeq);
        if (seen.length === 50) done.resolve();
        return Promise.resolve({});
      });
      for (let at = 1; at <= 50; at++)
        server.notify('mcpx.transcript.events', {attemptId: 's.t.1', firstSeq: at, events: []});
      await done.promise;
      assert.deepEqual(
        seen,
        Array.from({length: 50}, (_, at) => at + 1),
      );
    });

    it('says so when the peer answers something else than the method has', async () => {
      const peer = scripted(message =>
        'method' in message && message.method === 'mcpx.memory.get' ? {result: {version: 'one'}} : undefined,
      );
      await assert.rejects(
        peer.request('mcpx.memory.get', GET),
        error => isProtocolError(error, 'internal') && /version/.test(error.message),
      );
    });

    it('keeps the number of an error code that it does not know', async () => {
      const peer = scripted(() => ({error: {code: 99, message: 'odd', data: 1}}));
      await assert.rejects(
        peer.request('mcpx.memory.get', GET),
        error => isProtocolError(error, 'internal') && error.message === 'odd (code 99)',
      );
    });

    it('refuses another major version on both sides', async () => {
      const [near, far] = link();
      const server = newPeer('server', '2.0');
      server.attach(far);
      const client = newPeer('client', '1.0');
      client.attach(near);
      await assert.rejects(client.initialize(), error => {
        assert.ok(isProtocolError(error, 'incompatible'));
        assert.deepEqual(error.data, {theirs: '1.0', ours: '2.0'});
        return true;
      });
    });

    it('is initialized once', async () => {
      const {client} = await pair();
      await assert.rejects(client.initialize(), error => isProtocolError(error, 'invalidRequest'));
    });

    it('serves no MCPX before the extension is agreed on', async () => {
      const [near, far] = link();
      const server = newPeer('server');
      server.handle(() => Promise.resolve(FOUND));
      server.attach(far);
      const answers: JSONRPCMessage[] = [];
      const answered = deferred<void>();
      near.onmessage = message => {
        answers.push(message);
        if (answers.length === 2) answered.resolve();
      };
      await near.send({jsonrpc: '2.0', id: 1, method: 'mcpx.memory.get', params: GET});
      const params = {
        protocolVersion: '2025-11-25',
        capabilities: extensionCapabilities(),
        clientInfo: {name: 'x', version: '0'},
      };
      await near.send({jsonrpc: '2.0', id: 2, method: 'initialize', params});
      await answered.promise;
      assert.deepEqual(
        answers.map(answer => ('error' in answer ? answer.error.code : 'result')),
        [ERROR_CODES.methodNotFound, 'result'],
      );
    });
  });
}

describe('a peer over frames, by the short way', () => {
  /** A greeted client, the frames that it sends, and a way to answer. */
  async function greeted(): Promise<{client: Peer; sent: JSONRPCMessage[]; reply(message: object): string}> {
    const sent: JSONRPCMessage[] = [];
    const client = newPeer('client');
    const transport = new FrameTransport({
      send: text => void sent.push(...[JSON.parse(text)].flat()),
      close: () => undefined,
    });
    client.attach(transport);
    const ready = client.initialize();
    const result = {
      protocolVersion: '2025-11-25',
      capabilities: extensionCapabilities(),
      serverInfo: {name: 'x', version: '0'},
    };
    transport.receive(JSON.stringify({jsonrpc: '2.0', id: 1, result}));
    await ready;
    sent.length = 0;
    return {
      client,
      sent,
      reply: message => transport.receive(JSON.stringify({jsonrpc: '2.0', ...message})).kind,
    };
  }

  it('takes an answer that comes after the timeout for late, and one that nobody asked for as a fault', async () => {
    const {client, sent, reply} = await greeted();
    await assert.rejects(client.request('mcpx.memory.get', GET, {timeoutMs: 5}), error =>
      isProtocolError(error, 'timeout'),
    );
    assert.deepEqual(
      sent.map(message => 'method' in message && message.method),
      ['mcpx.memory.get', 'notifications/cancelled'],
    );
    assert.equal(reply({id: 'd1', result: FOUND}), 'response');
    for (const id of ['d2', 'd', 'x1']) assert.equal(reply({id, result: FOUND}), 'fault');
  });

  it('answers nothing to who has cancelled', async () => {
    const {client, sent, reply} = await greeted();
    const release = deferred<void>();
    const aborted: boolean[] = [];
    client.handle(async call => {
      await release.promise;
      aborted.push(call.signal.aborted);
      return FOUND;
    });
    for (const id of [7, 'seven']) reply({id, method: 'mcpx.memory.get', params: GET});
    reply({method: 'notifications/cancelled', params: {requestId: 7, reason: 'enough'}});
    release.resolve();
    await new Promise(resolve => setImmediate(resolve));
    assert.deepEqual(aborted, [true, false]);
    assert.deepEqual(sent, [{jsonrpc: '2.0', id: 'seven', result: FOUND}]);
  });

  it('keeps answers apart whatever their order', async () => {
    const {client, sent, reply} = await greeted();
    const asked = [1, 2, 3].map(() => client.request('mcpx.memory.get', GET));
    await turnOfTheLoop();
    const ids = sent.map(message => ('id' in message ? message.id : undefined));
    for (const [at, id] of [...ids.entries()].reverse()) reply({id, result: {version: 1, revision: at}});
    assert.deepEqual(
      (await Promise.all(asked)).map(({revision}) => revision),
      [0, 1, 2],
    );
  });
});

describe('batches of messages', () => {
  /** Two greeted peers, and the frames that go between them from then on. */
  async function greetedPair(
    handler: CallHandler,
    features?: readonly string[],
  ): Promise<{client: Peer; there: string[]; back: string[]}> {
    const there: string[] = [];
    const back: string[] = [];
    const sink = (frames: string[], other: () => FrameTransport) => ({
      send: (text: string) => {
        frames.push(text);
        queueMicrotask(() => other().receive(text));
      },
      close: () => queueMicrotask(() => other().end()),
    });
    const near: FrameTransport = new FrameTransport(sink(there, () => far));
    const far: FrameTransport = new FrameTransport(sink(back, () => near));
    const client = new Peer({
      implementation: {name: 'client', version: '0'},
      logger: silentLogger,
      extension: ownExtension(features),
    });
    const server = newPeer('server');
    server.handle(handler);
    server.attach(far);
    client.attach(near);
    await client.initialize();
    await turnOfTheLoop();
    there.length = 0;
    back.length = 0;
    return {client, there, back};
  }

  const found: CallHandler = call =>
    Promise.resolve({version: 1, revision: Number((call.params as {key: string}).key)});
  const keys = Array.from({length: 50}, (_, at) => String(at));
  const askAll = (client: Peer) =>
    Promise.all(keys.map(key => client.request('mcpx.memory.get', {...GET, key})));

  it('carry what is sent at once in one frame, and so do the answers', async () => {
    const {client, there, back} = await greetedPair(found);
    const answers = await askAll(client);
    assert.deepEqual(
      answers.map(({revision}) => revision),
      keys.map(Number),
    );
    assert.equal(there.length, 1);
    assert.equal(back.length, 1);
    assert.equal((JSON.parse(there[0] ?? '') as unknown[]).length, keys.length);
  });

  it('leave a single message as it is', async () => {
    const {client, there, back} = await greetedPair(found);
    await client.request('mcpx.memory.get', {...GET, key: '1'});
    for (const [frame] of [there, back]) assert.ok(frame?.startsWith('{'), frame);
  });

  it('are not sent to who has not declared them', async () => {
    const {client, there, back} = await greetedPair(found, ['memory.fenced']);
    await askAll(client);
    assert.equal(there.length, keys.length);
    assert.equal(back.length, keys.length);
  });

  it('are cut where one would hold up the first of its messages', async () => {
    const {client, there} = await greetedPair(() => Promise.resolve({version: 1, revision: 1}));
    const value = 'x'.repeat(30_000);
    await Promise.all(keys.map(key => client.request('mcpx.memory.put', {...GET, key, value})));
    assert.ok(there.length > 10, String(there.length));
    for (const frame of there) assert.ok(frame.length < 200_000, String(frame.length));
  });

  it('do not make one message pay for another', async () => {
    const frames: JSONRPCMessage[] = [];
    const server = newPeer('server');
    server.handle(found);
    const transport = new FrameTransport({
      send: text => void frames.push(...[JSON.parse(text)].flat()),
      close: () => undefined,
    });
    server.attach(transport);
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: extensionCapabilities(),
      clientInfo: {name: 'x', version: '0'},
    };
    transport.receive(JSON.stringify({jsonrpc: '2.0', id: 1, method: 'initialize', params}));
    await turnOfTheLoop();
    frames.length = 0;
    const deep = `${'['.repeat(300)}${']'.repeat(300)}`;
    const get = (id: number): string =>
      JSON.stringify({jsonrpc: '2.0', id, method: 'mcpx.memory.get', params: {...GET, key: String(id)}});
    const put = `{"jsonrpc":"2.0","id":5,"method":"mcpx.memory.put","params":{"value":${deep}}}`;
    const received = transport.receive(
      `[${[get(3), '17', put, '{"jsonrpc":"2.0","id":4}', get(6)].join(',')}]`,
    );
    assert.ok(received.kind === 'batch');
    assert.equal(received.messages, 5);
    assert.equal(received.faults.length, 3);
    await turnOfTheLoop();
    const answered = frames.map(frame => [
      'id' in frame ? frame.id : undefined,
      'error' in frame ? frame.error.code : 'result',
    ]);
    const {invalidRequest} = ERROR_CODES;
    assert.deepEqual(
      answered.sort(([a], [b]) => Number(a ?? 0) - Number(b ?? 0)),
      [
        [undefined, invalidRequest],
        [undefined, invalidRequest],
        [3, 'result'],
        [5, invalidRequest],
        [6, 'result'],
      ],
    );
    for (const [text, why] of [
      ['[]', 'empty'],
      [`[${Array(1025).fill('{}').join(',')}]`, 'too many'],
    ] as const)
      assert.equal(transport.receive(text).kind, 'fault', why);
  });
});

function turnOfTheLoop(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
