/** What MCP clients are told without asking: lists that change, resources that they subscribed to, each in its era's way. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import type {Client} from '@modelcontextprotocol/client';
import {eventually} from '../fixtures/eventually.ts';
import {
  call,
  eventsOf,
  type McpFixture,
  mcpFixture,
  modernBody,
  modernHeaders,
  openSession,
  raw,
  rawRequest,
} from './support.ts';

const LISTS = ['tools', 'resources', 'prompts'] as const;

/** The methods of what a client is told, and the resources. */
function heardBy(client: Client): string[] {
  const heard: string[] = [];
  for (const list of LISTS)
    client.setNotificationHandler(`notifications/${list}/list_changed`, () => void heard.push(list));
  client.setNotificationHandler('notifications/resources/updated', ({params}) => void heard.push(params.uri));
  return heard;
}

describe('MCP clients are told', () => {
  let fixture: McpFixture;
  afterEach(() => fixture.close());

  const changeAll = (): void => {
    for (const kind of LISTS) fixture.surface.change({kind});
    fixture.surface.change({kind: 'resource', uri: 'test://one'});
    fixture.surface.change({kind: 'resource', uri: 'test://other'});
  };

  it('of what they subscribed to, in sessions', async () => {
    fixture = await mcpFixture();
    const clients = [await fixture.legacy(), (await fixture.socket('legacy')).client];
    for (const client of clients) {
      const heard = heardBy(client);
      await client.subscribeResource({uri: 'test://one'});
      await assert.rejects(client.subscribeResource({uri: 'test://none'}), /test:\/\/none/);
      // The stream is opened beside the first requests.
      await eventually(async () => {
        fixture.surface.change({kind: 'tools'});
        assert.ok(heard.includes('tools'));
      });
      heard.length = 0;
      changeAll();
      await eventually(async () =>
        assert.deepEqual([...new Set(heard)].sort(), ['prompts', 'resources', 'test://one', 'tools']),
      );
      await client.unsubscribeResource({uri: 'test://one'});
      heard.length = 0;
      changeAll();
      await eventually(async () =>
        assert.deepEqual([...new Set(heard)].sort(), ['prompts', 'resources', 'tools']),
      );
      await client.close();
      await eventually(async () => assert.equal(fixture.surface.subscribed.size, 0));
    }
  });

  it('of what they listen to, without sessions', async () => {
    fixture = await mcpFixture();
    const clients = [await fixture.modern(), (await fixture.socket('modern')).client];
    for (const client of clients) {
      const heard = heardBy(client);
      const subscription = await client.listen({
        toolsListChanged: true,
        promptsListChanged: true,
        resourceSubscriptions: ['test://one'],
      });
      changeAll();
      await eventually(async () => assert.deepEqual([...heard].sort(), ['prompts', 'test://one', 'tools']));
      await subscription.close();
      await client.close();
    }
    await eventually(async () => assert.equal(fixture.surface.listening, 0));
    await eventually(async () => assert.equal(fixture.endpoint.counts.listens, 0));
    assert.equal(fixture.surface.subscribed.size, 0);
  });

  it('once of a list that changes many times at once', async () => {
    fixture = await mcpFixture();
    const client = await fixture.modern();
    const heard = heardBy(client);
    const subscription = await client.listen({toolsListChanged: true, resourcesListChanged: true});
    for (let count = 0; count < 100; count++) fixture.surface.change({kind: 'tools'});
    fixture.surface.change({kind: 'resources'});
    await eventually(async () => assert.deepEqual(heard, ['tools', 'resources']));
    await subscription.close();
  });

  it('which of the resources that they named there are', async () => {
    fixture = await mcpFixture();
    const filter = {resourceSubscriptions: ['test://none']};
    const answer = await raw(fixture.mcpUrl, {
      headers: modernHeaders('subscriptions/listen'),
      body: modernBody('subscriptions/listen', {notifications: filter}),
    });
    const [acknowledged, result] = eventsOf(answer.body);
    assert.match(JSON.stringify(acknowledged), /"notifications":\{\}/);
    assert.ok(result?.['result'], 'nothing to listen to ends at once');
    assert.equal(fixture.endpoint.counts.listens, 0);
  });

  it('that too many listen', async () => {
    fixture = await mcpFixture({settings: {maxListensPerPrincipal: 1}});
    const client = await fixture.modern();
    const subscription = await client.listen({toolsListChanged: true});
    await assert.rejects(client.listen({toolsListChanged: true}), /too many streams/);
    const other = await (await fixture.modern('admin')).listen({toolsListChanged: true});
    await subscription.close();
    await eventually(async () => assert.equal(fixture.endpoint.counts.listens, 1));
    await other.close();
    const next = await client.listen({toolsListChanged: true});
    await next.close();
  });

  it('nothing more once they have vanished', async () => {
    fixture = await mcpFixture();
    const filter = {toolsListChanged: true, resourceSubscriptions: ['test://one']};
    const request = rawRequest(fixture.mcpUrl, {
      headers: modernHeaders('subscriptions/listen'),
      body: modernBody('subscriptions/listen', {notifications: filter}),
    });
    request.on('error', () => undefined);
    await once(request, 'response');
    assert.equal(fixture.surface.listening, 1);
    assert.equal(fixture.surface.subscribed.get('test://one'), 1);
    request.destroy();
    await eventually(async () => assert.equal(fixture.surface.listening, 0));
    assert.equal(fixture.surface.subscribed.size, 0);
    assert.equal(fixture.endpoint.counts.listens, 0);
  });

  it('that they cannot listen when that fails inside', async () => {
    fixture = await mcpFixture();
    fixture.surface.subscribe = () => Promise.reject(new Error('a secret of the inside'));
    const answer = await raw(fixture.mcpUrl, {
      headers: modernHeaders('subscriptions/listen'),
      body: modernBody('subscriptions/listen', {notifications: {resourceSubscriptions: ['test://one']}}),
    });
    assert.equal(answer.status, 500);
    assert.match(answer.body, /"internal error"/);
    assert.equal(fixture.endpoint.counts.listens, 0);
  });

  it('that their filter is malformed, and nothing stays', async () => {
    fixture = await mcpFixture();
    const answer = await raw(fixture.mcpUrl, {
      headers: modernHeaders('subscriptions/listen'),
      body: modernBody('subscriptions/listen', {notifications: {resourceSubscriptions: 'test://one'}}),
    });
    assert.match(answer.body, /-32602/);
    assert.equal(fixture.endpoint.counts.listens, 0);
    assert.equal(fixture.surface.listening, 0);
  });

  it('nothing of a resource of which another client is told', async () => {
    fixture = await mcpFixture({settings: {maxSubscriptions: 1}});
    const session = await openSession(fixture.mcpUrl);
    await raw(fixture.mcpUrl, {headers: session, body: call('notifications/initialized', {}, null)});
    assert.equal(fixture.surface.listening, 1, 'whoever is initialized twice is told once');
    const subscribe = (uri: string) =>
      raw(fixture.mcpUrl, {headers: session, body: call('resources/subscribe', {uri})});
    assert.match((await subscribe('test://one')).body, /"result":{}/);
    assert.match((await subscribe('test://one')).body, /"result":{}/);
    assert.equal(fixture.surface.subscribed.get('test://one'), 1);
    assert.match((await subscribe('test://two')).body, /at most 1 resources/);
    await raw(fixture.mcpUrl, {method: 'DELETE', headers: session});
    assert.equal(fixture.surface.subscribed.size, 0);
  });
});
