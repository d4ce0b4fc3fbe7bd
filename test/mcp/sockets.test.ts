/** MCP over WebSocket: who is served by the hub's MCP server and who by our own protocol, and what is left of those that vanish. */
import assert from 'node:assert/strict';
import {ERROR_CODES} from '../../coordinator/protocol/errors.ts';
import {extensionCapabilities} from '../../coordinator/protocol/negotiation.ts';
import {eventually} from '../fixtures/eventually.ts';
import {RawSocket} from '../hub/rawSocket.ts';
import {type McpFixture, mcpFixture} from './support.ts';

describe('MCP over WebSocket', () => {
  let fixture: McpFixture;
  afterEach(() => fixture.close());

  const plain = (protocols = ['mcp']) => RawSocket.open(fixture.url, 'client', protocols);

  it('serves a peer without our extension, and nothing of ours to it', async () => {
    fixture = await mcpFixture();
    const raw = await plain();
    assert.deepEqual((await raw.ask('early', 'ping')).result, {});
    assert.equal((await raw.ask('too early', 'mcpx.cluster.info')).error?.code, ERROR_CODES.methodNotFound);
    const {result} = await raw.initialize({});
    assert.deepEqual(Object.keys(Object(result?.['capabilities'])).sort(), [
      'completions',
      'logging',
      'prompts',
      'resources',
      'tools',
    ]);
    raw.send({jsonrpc: '2.0', method: 'notifications/initialized'});
    const {result: listed} = await raw.ask(1, 'tools/list');
    assert.ok(JSON.stringify(listed).includes('"echo"'));
    assert.equal((await raw.ask(2, 'mcpx.cluster.info')).error?.code, ERROR_CODES.methodNotFound);
    assert.deepEqual((await raw.ask(3, 'ping')).result, {});
  });

  it('leaves a peer with our extension to our own protocol', async () => {
    fixture = await mcpFixture();
    const raw = await plain();
    const {result} = await raw.initialize(extensionCapabilities());
    assert.match(JSON.stringify(result), /extensions/);
    assert.equal((await raw.ask(1, 'tools/list')).error?.code, ERROR_CODES.methodNotFound);
    // Known, authorised, and served by nobody in this test.
    assert.match(
      (await raw.ask(2, 'mcpx.cluster.info')).error?.message ?? '',
      /is not served by this coordinator/,
    );
  });

  it('takes each frame that is no message for what it is, and goes on', async () => {
    fixture = await mcpFixture();
    const raw = await plain();
    raw.send('{"jsonrpc":');
    assert.equal((await raw.next(({error}) => error !== undefined)).error?.code, ERROR_CODES.parse);
    await raw.initialize({});
    raw.send([{jsonrpc: '2.0', id: 1, method: 'ping'}]);
    await raw.next(({error}) => error?.code === ERROR_CODES.invalidRequest);
    assert.deepEqual((await raw.ask(2, 'ping')).result, {});
  });

  it("has the hub's bound on requests in work", async () => {
    fixture = await mcpFixture({hub: {maxInFlight: 2}});
    const raw = await plain();
    await raw.initialize({});
    const wait = (id: string) => raw.ask(id, 'tools/call', {name: 'wait', arguments: {text: id}});
    const works = [wait('a'), wait('b')];
    await Promise.all([fixture.surface.arrived('a'), fixture.surface.arrived('b')]);
    assert.equal((await wait('c')).error?.code, ERROR_CODES.overloaded);
    raw.send({jsonrpc: '2.0', method: 'notifications/cancelled', params: {requestId: 'a'}});
    await eventually(async () => assert.deepEqual(fixture.surface.cancelled, ['a']));
    const next = wait('d');
    await fixture.surface.arrived('d');
    for (const waiting of fixture.surface.waiting.values()) waiting.resolve();
    await Promise.all([works[1], next]);
  });

  it('leaves nothing of a peer that vanishes', async () => {
    fixture = await mcpFixture();
    const {surface} = fixture;
    for (const era of ['legacy', 'modern'] as const) {
      const {client, transport} = await fixture.socket(era);
      if (era === 'legacy') await client.subscribeResource({uri: 'test://one'});
      else await client.listen({toolsListChanged: true});
      assert.equal(surface.listening, 1);
      const call = client.callTool({name: 'wait', arguments: {text: era}});
      call.catch(() => undefined);
      await surface.arrived(era);
      transport.cut();
      await eventually(async () => assert.ok(surface.cancelled.includes(era)));
      await eventually(async () => assert.equal(surface.listening, 0));
      await assert.rejects(call);
    }
    assert.equal(surface.subscribed.size, 0);
    assert.equal(surface.released.length, 2);
    await eventually(async () => assert.equal(fixture.hub.connectionCount, 0));
    assert.equal(fixture.endpoint.counts.inWork, 0);
  });

  it('lets requests in work end when the hub stops', async () => {
    fixture = await mcpFixture();
    const raw = await plain();
    await raw.initialize({});
    const work = raw.ask(1, 'tools/call', {name: 'wait', arguments: {text: 'last'}});
    await fixture.surface.arrived('last');
    const stopped = fixture.hub.stop({graceMs: 10_000});
    assert.equal((await raw.ask(2, 'ping')).error?.code, ERROR_CODES.draining);
    fixture.surface.waiting.get('last')?.resolve();
    assert.match(JSON.stringify((await work).result), /waited for last/);
    await stopped;
    assert.equal((await raw.closed).code, 1001);
  });

  it('tells a peer of another major what it speaks', async () => {
    fixture = await mcpFixture();
    const raw = await plain();
    const answer = await raw.initialize({
      extensions: {'dev.mcpx/orchestration': {version: '9.0', features: []}},
    });
    assert.equal(answer.error?.code, ERROR_CODES.incompatible);
  });
});
