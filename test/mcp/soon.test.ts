/** Calls that are answered around the SDK: as the SDK would, and never otherwise than once. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import type {IncomingMessage} from 'node:http';
import {eventually} from '../fixtures/eventually.ts';
import {
  call,
  eventsOf,
  type McpFixture,
  mcpFixture,
  modernBody,
  modernHeaders,
  openSession,
  type RawAnswer,
  raw,
  rawRequest,
} from './support.ts';

const REVISION = {'mcp-protocol-version': '2025-11-25'};

/** Results of every kind that a tool may give, and may not. */
const RESULTS: Readonly<Record<string, unknown>> = {
  'a text': {content: [{type: 'text', text: 'ä "quoted" \u2028 text'}]},
  'no content': {content: []},
  'content left out': {},
  'two texts': {
    content: [
      {type: 'text', text: 'one'},
      {type: 'text', text: ''},
    ],
  },
  'a failure': {isError: true, content: [{type: 'text', text: 'it failed'}]},
  'no failure': {isError: false, content: [{type: 'text', text: 'well'}]},
  'a failure that is none': {isError: 'yes', content: []},
  'a text with annotations': {content: [{type: 'text', text: 'x', annotations: {priority: 1}}]},
  'a text with more': {content: [{type: 'text', text: 'x', colour: 'red'}]},
  'a text without': {content: [{type: 'text'}]},
  'an image': {content: [{type: 'image', data: 'aGk=', mimeType: 'image/png'}]},
  'an unknown kind': {content: [{type: 'smell', text: 'x'}]},
  'content that is no list': {content: 'x'},
  structured: {content: [{type: 'text', text: '{}'}], structuredContent: {deep: {er: 1}}},
  'structured alone': {structuredContent: {a: 1}},
  'structured list': {structuredContent: [1, 2]},
  'meta data': {content: [], _meta: {'example.com/a': 1}},
  complete: {resultType: 'complete', content: [{type: 'text', text: 'x'}]},
  'another type': {resultType: 'other', content: []},
  'a question to nobody': {resultType: 'input_required'},
  'more keys': {content: [], extra: 1},
  'no result': null,
  'a list': [],
};

/** Params of every kind that a client may send, and may not. */
const PARAMS: Readonly<Record<string, object>> = {
  plain: {name: 'echo', arguments: {text: 'hello'}},
  'no arguments': {name: 'echo'},
  'arguments that are a list': {name: 'echo', arguments: ['x']},
  'arguments that are null': {name: 'echo', arguments: null},
  'no name': {arguments: {}},
  'a name that is no text': {name: 7, arguments: {}},
  'no such tool': {name: 'nothing', arguments: {}},
  'a tool that breaks': {name: 'broken', arguments: {}},
  'more params': {name: 'echo', arguments: {text: 'x'}, task: {ttl: 1}, extra: true},
  'answers to no question': {name: 'ask', arguments: {}, inputResponses: {}, requestState: 's'},
};

const META: Readonly<Record<string, object>> = {
  'a token': {progressToken: 'p'},
  'a token that is none': {progressToken: {}},
  'meta data of its own': {'example.com/trace': 'x'},
  'a task': {'io.modelcontextprotocol/related-task': {taskId: 7}},
};

interface Way {
  ask(fixture: McpFixture, params: object, meta?: object): Promise<unknown>;
}

const message = ({status, headers, body}: RawAnswer): unknown => {
  const isStream = headers['content-type']?.startsWith('text/event-stream');
  return {status, messages: isStream ? eventsOf(body) : [body === '' ? undefined : JSON.parse(body)]};
};

const legacy: Way = {
  async ask({mcpUrl}, params, meta) {
    const headers = {...(await openSession(mcpUrl)), ...REVISION};
    const body = call('tools/call', {...params, ...(meta && {_meta: meta})});
    return message(await raw(mcpUrl, {headers, body}));
  },
};

const modern: Way = {
  async ask({mcpUrl}, params, meta) {
    const {name} = params as {name?: unknown};
    const headers = modernHeaders('tools/call', name === undefined ? undefined : String(name));
    return message(await raw(mcpUrl, {headers, body: modernBody('tools/call', params, meta)}));
  },
};

const echo = (text: string): object => ({name: 'echo', arguments: {text}});

describe('calls that end soon', () => {
  let fixture: McpFixture;
  /** Never around the SDK. */
  let sdk: McpFixture;
  before(async () => {
    fixture = await mcpFixture({settings: {soonMs: 60_000}});
    sdk = await mcpFixture({settings: {soonMs: 0}});
    // Envelopes are known once the SDK has seen them.
    await modern.ask(fixture, echo('first'));
  });
  after(() => Promise.all([fixture.close(), sdk.close()]));

  for (const [name, way] of Object.entries({legacy, modern})) {
    it(`are answered in one piece: ${name}`, async () => {
      const headers = name === 'legacy' ? {...(await openSession(fixture.mcpUrl)), ...REVISION} : {};
      const answer =
        name === 'legacy'
          ? await raw(fixture.mcpUrl, {headers, body: call('tools/call', echo('x'))})
          : await raw(fixture.mcpUrl, {
              headers: modernHeaders('tools/call', 'echo'),
              body: modernBody('tools/call', echo('x')),
            });
      assert.equal(answer.headers['content-type'], 'application/json');
      assert.equal(JSON.parse(answer.body).result.content[0].text, 'x');
    });

    for (const [what, result] of Object.entries(RESULTS))
      it(`are answered as by the SDK: ${name}, ${what}`, async () => {
        const params = {name: 'give', arguments: {text: JSON.stringify(result)}};
        fixture.surface.calls.length = 0;
        assert.deepEqual(await way.ask(fixture, params), await way.ask(sdk, params));
        assert.deepEqual(fixture.surface.calls, ['give']);
      });

    for (const [what, params] of Object.entries(PARAMS))
      it(`are refused as by the SDK, or not: ${name}, ${what}`, async () => {
        fixture.surface.calls.length = 0;
        sdk.surface.calls.length = 0;
        assert.deepEqual(await way.ask(fixture, params), await way.ask(sdk, params));
        assert.deepEqual(fixture.surface.calls, sdk.surface.calls);
      });

    for (const [what, meta] of Object.entries(META))
      it(`are answered as by the SDK with ${what}: ${name}`, async () => {
        for (const params of [echo('x'), {name: 'count', arguments: {text: 'x'}}])
          assert.deepEqual(await way.ask(fixture, params, meta), await way.ask(sdk, params, meta));
      });
  }

  const wrong: Readonly<Record<string, Record<string, string>>> = {
    'another method': {...modernHeaders('tools/list', 'echo')},
    'another name': {...modernHeaders('tools/call', 'ask')},
    'no name': {...modernHeaders('tools/call')},
    'an encoded name': {...modernHeaders('tools/call', `=?base64?${btoa('echo')}?=`)},
    'another revision': {...modernHeaders('tools/call', 'echo'), 'mcp-protocol-version': '2025-11-25'},
    'one kind of answer': {...modernHeaders('tools/call', 'echo'), accept: 'application/json'},
  };
  for (const [what, headers] of Object.entries(wrong))
    it(`are refused as by the SDK where headers say ${what}`, async () => {
      const body = modernBody('tools/call', echo('x'));
      const [ours, theirs] = await Promise.all(
        [fixture, sdk].map(async ({mcpUrl}) => message(await raw(mcpUrl, {headers, body}))),
      );
      assert.deepEqual(ours, theirs);
    });

  it('are refused as by the SDK where an envelope is malformed, however often', async () => {
    const meta = {'io.modelcontextprotocol/clientCapabilities': 'all'};
    for (let times = 0; times < 3; times++)
      assert.deepEqual(await modern.ask(fixture, echo('x'), meta), await modern.ask(sdk, echo('x'), meta));
  });

  it('know which logs their client wants, as by the SDK', async () => {
    const meta = {'io.modelcontextprotocol/logLevel': 'warning'};
    const [learnt, soon] = [
      await modern.ask(fixture, {name: 'who'}, meta),
      await modern.ask(fixture, {name: 'who'}, meta),
    ];
    assert.match(JSON.stringify(soon), /warning/);
    assert.deepEqual(soon, learnt);
    assert.deepEqual(soon, await modern.ask(sdk, {name: 'who'}, meta));
  });

  it('check headers of parameters where a tool has them', async () => {
    const inputSchema = {
      type: 'object' as const,
      properties: {text: {type: 'string', 'x-mcp-header': 'Text'}},
    };
    fixture.surface.extraTools = [{name: 'echo2', inputSchema}];
    const body = modernBody('tools/call', {name: 'echo2', arguments: {text: 'x'}});
    const headers = modernHeaders('tools/call', 'echo2');
    assert.equal((await raw(fixture.mcpUrl, {headers, body})).status, 400);
    const right = {...headers, 'mcp-param-text': 'x'};
    assert.equal((await raw(fixture.mcpUrl, {headers: right, body})).status, 200);
  });
});

describe('calls that do not end soon', () => {
  let fixture: McpFixture;
  const start = async (settings: object): Promise<void> => {
    fixture = await mcpFixture({settings});
    await modern.ask(fixture, echo('first'));
    fixture.surface.calls.length = 0;
  };
  afterEach(() => fixture.close());

  const wait = {name: 'wait', arguments: {text: 'long'}};

  it('are gone on with by the SDK, not begun anew', async () => {
    await start({soonMs: 20});
    for (const way of [legacy, modern]) {
      const asked = way.ask(fixture, wait);
      await fixture.surface.arrived('long');
      // By then it has been handed over.
      await way.ask(fixture, {name: 'count', arguments: {}}, {progressToken: 1});
      fixture.surface.waiting.get('long')?.resolve();
      assert.match(JSON.stringify(await asked), /waited for long/);
    }
    assert.deepEqual(fixture.surface.calls, ['wait', 'count', 'wait', 'count']);
    assert.equal(fixture.endpoint.counts.inWork, 0);
  });

  it('say what they say meanwhile at once, and in order', async () => {
    await start({soonMs: 60_000});
    for (const way of [legacy, modern]) {
      const params = {name: 'count', arguments: {text: 'x'}};
      const {messages} = (await way.ask(fixture, params, {progressToken: 9})) as {messages: object[]};
      assert.deepEqual(
        messages.map(each => ('params' in each ? (each.params as {progress: number}).progress : 'result')),
        [1, 2, 3, 'result'],
      );
    }
    assert.deepEqual(fixture.surface.calls, ['count', 'count']);
  });

  it('stop when a session cancels them, and have no answer', async () => {
    await start({soonMs: 60_000});
    const {mcpUrl, surface} = fixture;
    const headers = {...(await openSession(mcpUrl)), ...REVISION};
    const asked = raw(mcpUrl, {headers, body: call('tools/call', wait, 5)});
    await surface.arrived('long');
    await raw(mcpUrl, {headers, body: call('notifications/cancelled', {requestId: 5}, null)});
    assert.deepEqual(eventsOf((await asked).body), []);
    assert.deepEqual(surface.cancelled, ['long']);
    await eventually(async () => assert.equal(fixture.endpoint.counts.inWork, 0));
  });

  it('stop when their session ends', async () => {
    await start({soonMs: 60_000});
    const {mcpUrl, surface} = fixture;
    const headers = {...(await openSession(mcpUrl)), ...REVISION};
    const asked = raw(mcpUrl, {headers, body: call('tools/call', wait)});
    await surface.arrived('long');
    await raw(mcpUrl, {method: 'DELETE', headers});
    await asked;
    assert.deepEqual(surface.cancelled, ['long']);
  });

  it('stop when a client without a session has gone', async () => {
    await start({soonMs: 60_000});
    const headers = modernHeaders('tools/call', 'wait');
    const request = rawRequest(fixture.mcpUrl, {headers, body: modernBody('tools/call', wait)});
    request.on('error', () => undefined);
    await fixture.surface.arrived('long');
    request.destroy();
    await eventually(async () => assert.deepEqual(fixture.surface.cancelled, ['long']));
  });

  it('go on when a client with a session has gone', async () => {
    await start({soonMs: 60_000});
    const {mcpUrl, surface} = fixture;
    const headers = {...(await openSession(mcpUrl)), ...REVISION};
    const request = rawRequest(mcpUrl, {headers, body: call('tools/call', wait)});
    const failed = once(request, 'error');
    await surface.arrived('long');
    request.destroy(new Error('gone'));
    await failed;
    await legacy.ask(fixture, echo('another'));
    assert.deepEqual(surface.cancelled, []);
    surface.waiting.get('long')?.resolve();
    await eventually(async () => assert.equal(fixture.endpoint.counts.inWork, 0));
  });

  it('count as in work, and are refused beyond that as by the SDK', async () => {
    await start({soonMs: 60_000, maxInFlight: 1});
    const {mcpUrl, surface} = fixture;
    const headers = {...(await openSession(mcpUrl)), ...REVISION};
    const asked = raw(mcpUrl, {headers, body: call('tools/call', wait, 5)});
    await surface.arrived('long');
    assert.equal(fixture.endpoint.counts.inWork, 1);
    const refused = await raw(mcpUrl, {headers, body: call('tools/call', echo('x'), 6)});
    assert.match(refused.body, /may have no more/);
    surface.waiting.get('long')?.resolve();
    assert.match((await asked).body, /waited for long/);
    const admitted = await raw(mcpUrl, {headers, body: call('tools/call', echo('x'), 7)});
    assert.match(admitted.body, /"x"/);
  });

  it('ask their client in mid-call', async () => {
    await start({soonMs: 60_000});
    const {mcpUrl, surface} = fixture;
    const headers = {...(await openSession(mcpUrl)), ...REVISION};
    const body = call('tools/call', {name: 'askNow', arguments: {}}, 5);
    const request = rawRequest(mcpUrl, {headers, body});
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let said = '';
    const question = new Promise<{id: number}>(resolve => {
      response.setEncoding('utf8').on('data', (part: string) => {
        said += part;
        const asked = eventsOf(said).find(each => each['method'] === 'elicitation/create');
        if (asked) resolve(asked as {id: number});
      });
    });
    const ended = once(response, 'end');
    const {id} = await question;
    const result = {action: 'decline'};
    await raw(mcpUrl, {headers, body: JSON.stringify({jsonrpc: '2.0', id, result})});
    await ended;
    assert.match(JSON.stringify(eventsOf(said).at(-1)), /decline/);
    assert.deepEqual(surface.calls, ['askNow']);
  });
});
