/** Calls in both eras: progress, logs, questions in mid-call, cancellation, faults, and many clients at once. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import type * as http from 'node:http';
import type {Client, ElicitResult} from '@modelcontextprotocol/client';
import {ElicitRequestSchema, ToolListChangedNotificationSchema} from '@modelcontextprotocol/sdk/types.js';
import {eventually} from '../fixtures/eventually.ts';
import {
  call,
  eventsOf,
  type McpFixture,
  mcpFixture,
  modernBody,
  modernHeaders,
  openSession,
  rawRequest,
  textOf,
} from './support.ts';

const ASKING = {capabilities: {elicitation: {form: {}}}};

/** Every way in, with a client that may be asked. */
async function everyClient(fixture: McpFixture): Promise<Client[]> {
  const clients = [
    await fixture.modern('client', ASKING),
    await fixture.legacy('client', ASKING),
    (await fixture.socket('modern', ASKING)).client,
    (await fixture.socket('legacy', ASKING)).client,
  ];
  for (const client of clients)
    client.setRequestHandler('elicitation/create', (): ElicitResult => {
      return {action: 'accept', content: {colour: 'red'}};
    });
  return clients;
}

describe('calls of MCP clients', () => {
  let fixture: McpFixture;
  beforeEach(async () => {
    fixture = await mcpFixture();
  });
  afterEach(() => fixture.close());

  it('report progress', async () => {
    for (const client of await everyClient(fixture)) {
      const seen: unknown[] = [];
      await client.callTool(
        {name: 'count', arguments: {text: 'here'}},
        {onprogress: report => seen.push(report)},
      );
      assert.deepEqual(
        seen,
        [1, 2, 3].map(progress => ({progress, total: 3, message: 'here'})),
      );
    }
  });

  it('ask the client by its own means', async () => {
    for (const client of await everyClient(fixture))
      assert.equal(textOf(await client.callTool({name: 'ask'})), 'red, state of the call');
  });

  it('ask the client while they go on, where there are requests to clients', async () => {
    const [modern, legacy, modernSocket, legacySocket] = await everyClient(fixture);
    const answer = JSON.stringify({action: 'accept', content: {colour: 'red'}});
    for (const client of [legacy, legacySocket])
      assert.equal(textOf(await client?.callTool({name: 'askNow'})), answer);
    for (const client of [modern, modernSocket])
      assert.equal(textOf(await client?.callTool({name: 'askNow'})), '"no way"');
  });

  it('tell logs of the level that the client wants', async () => {
    const client = await fixture.legacy();
    const logs: unknown[] = [];
    client.setNotificationHandler('notifications/message', ({params}) => void logs.push(params));
    await client.setLoggingLevel('info');
    await client.callTool({name: 'log', arguments: {text: 'loud'}});
    await eventually(async () =>
      assert.deepEqual(logs, [{level: 'info', data: {said: 'loud'}, logger: 'test'}]),
    );
    await client.setLoggingLevel('error');
    await client.callTool({name: 'log', arguments: {text: 'quiet'}});
    await client.setLoggingLevel('debug');
    await client.callTool({name: 'log', arguments: {text: 'last'}});
    await eventually(async () => assert.equal(logs.length, 2));
    assert.deepEqual(logs[1], {level: 'info', data: {said: 'last'}, logger: 'test'});
  });

  it('end when the client cancels them', async () => {
    for (const [index, client] of (await everyClient(fixture)).entries()) {
      const cancel = new AbortController();
      const name = `cancelled ${index}`;
      const call = client.callTool({name: 'wait', arguments: {text: name}}, {signal: cancel.signal});
      await fixture.surface.arrived(name);
      cancel.abort('no longer wanted');
      await assert.rejects(call);
      await eventually(async () => assert.ok(fixture.surface.cancelled.includes(name)));
      assert.equal(textOf(await client.callTool({name: 'echo', arguments: {text: 'on'}})), 'on');
    }
    await eventually(async () => assert.equal(fixture.endpoint.counts.inWork, 0));
  });

  it('of the older generation of clients do all that', async () => {
    const client = await fixture.v1();
    client.setRequestHandler(ElicitRequestSchema, () => ({action: 'accept', content: {colour: 'blue'}}));
    assert.equal(textOf(await client.callTool({name: 'ask'})), 'blue, state of the call');
    const seen: number[] = [];
    const onprogress = ({progress}: {progress: number}): void => void seen.push(progress);
    await client.callTool({name: 'count', arguments: {text: 'x'}}, undefined, {onprogress});
    assert.deepEqual(seen, [1, 2, 3]);
    const heard: string[] = [];
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void heard.push('tools'));
    await eventually(async () => {
      fixture.surface.change({kind: 'tools'});
      assert.ok(heard.length > 0);
    });
    const cancel = new AbortController();
    const {signal} = cancel;
    const call = client.callTool({name: 'wait', arguments: {text: 'old'}}, undefined, {signal});
    await fixture.surface.arrived('old');
    cancel.abort('no longer wanted');
    await assert.rejects(call);
    await eventually(async () => assert.deepEqual(fixture.surface.cancelled, ['old']));
  });

  it('end in the modern era when the client hangs up', async () => {
    const request = rawRequest(fixture.mcpUrl, {
      headers: modernHeaders('tools/call', 'wait'),
      body: modernBody('tools/call', {name: 'wait', arguments: {text: 'gone'}}),
    });
    request.on('error', () => undefined);
    await fixture.surface.arrived('gone');
    request.destroy();
    await eventually(async () => assert.deepEqual(fixture.surface.cancelled, ['gone']));
    await eventually(async () => assert.equal(fixture.endpoint.counts.inWork, 0));
  });

  it('that name nothing known are refused, those that fail say so, and faults of the inside stay there', async () => {
    for (const client of await everyClient(fixture)) {
      await assert.rejects(client.callTool({name: 'nothing'}), /there is no tool "nothing" here/);
      await assert.rejects(client.getPrompt({name: 'nothing'}), /there is no prompt "nothing" here/);
      await assert.rejects(client.readResource({uri: 'test://none'}), /test:\/\/none/);
      assert.equal((await client.callTool({name: 'fail'})).isError, true);
      await assert.rejects(client.callTool({name: 'broken'}), (error: Error) => {
        assert.match(error.message, /internal error/);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    }
  });

  it("of fifty clients do not get in each other's way", async () => {
    const ways = ['modern', 'legacy'] as const;
    const clients = await Promise.all(
      Array.from({length: 50}, (_, index) => {
        const era = ways[index % 2] ?? 'modern';
        const token = index % 3 === 0 ? 'admin' : 'client';
        return index % 5 === 0 ? fixture.socket(era).then(({client}) => client) : fixture[era](token);
      }),
    );
    await Promise.all(
      clients.map(async (client, index) => {
        const seen: (string | undefined)[] = [];
        await Promise.all(
          Array.from({length: 5}, async (_, round) => {
            const text = `client ${index}, round ${round}`;
            assert.equal(textOf(await client.callTool({name: 'echo', arguments: {text}})), text);
            const onprogress = ({message}: {message?: string}): void => void seen.push(message);
            await client.callTool({name: 'count', arguments: {text}}, {onprogress});
          }),
        );
        assert.equal(seen.length, 15);
        assert.ok(seen.every(message => message?.startsWith(`client ${index},`)));
      }),
    );
    const keys = await Promise.all(
      clients.map(async client => JSON.parse(textOf(await client.callTool({name: 'who'})))),
    );
    const stateful = keys.filter(({era}) => era === 'legacy').map(({key}) => key);
    assert.equal(new Set(stateful).size, stateful.length, 'no two sessions are one client');
  });
});

describe('a call that takes long', () => {
  let fixture: McpFixture;
  afterEach(() => fixture.close());

  it('is answered by a stream that shows signs of life', async () => {
    fixture = await mcpFixture({settings: {streamAfterMs: 20, keepAliveMs: 20}});
    const request = rawRequest(fixture.mcpUrl, {
      headers: modernHeaders('tools/call', 'wait'),
      body: modernBody('tools/call', {name: 'wait', arguments: {text: 'long'}}, {progressToken: undefined}),
    });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    assert.equal(response.headers['content-type'], 'text/event-stream');
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      body += chunk;
      if ((body.match(/: keepalive/g) ?? []).length === 3) fixture.surface.waiting.get('long')?.resolve();
    });
    await once(response, 'end');
    const [event] = eventsOf(body);
    assert.equal(textOf(event?.['result']), 'waited for long');
    assert.equal(eventsOf(body).length, 1);
  });

  it('is cut when its client does not read', async () => {
    fixture = await mcpFixture({settings: {maxBufferedBytes: 1024 ** 2}});
    const request = rawRequest(fixture.mcpUrl, {
      headers: modernHeaders('tools/call', 'flood'),
      body: modernBody('tools/call', {name: 'flood'}, {progressToken: 1}),
    });
    request.on('error', () => undefined);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.on('error', () => undefined);
    await eventually(async () => assert.deepEqual(fixture.surface.cancelled, ['flood']));
    response.destroy();
    await eventually(async () => assert.equal(fixture.endpoint.counts.inWork, 0));
  });

  it('keeps alive the streams of a session', async () => {
    fixture = await mcpFixture({settings: {keepAliveMs: 20}});
    const headers = await openSession(fixture.mcpUrl);
    const body = call('tools/call', {name: 'wait', arguments: {text: 'x'}});
    const sent = [
      {headers, body},
      {method: 'GET', headers},
    ];
    for (const options of sent) {
      const request = rawRequest(fixture.mcpUrl, options);
      request.on('error', () => undefined);
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      response.on('error', () => undefined);
      let seen = '';
      for await (const chunk of response) {
        seen += String(chunk);
        if (seen.includes(': keepalive')) break;
      }
      assert.match(seen, /: keepalive/);
      request.destroy();
    }
    fixture.surface.waiting.get('x')?.resolve();
  });
});
