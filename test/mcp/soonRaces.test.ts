/** Calls around the SDK at awkward moments: what is handed over just when it ends, is cancelled, or nobody is left who wants it. */
import assert from 'node:assert/strict';
import type {CallToolRequest, Tool} from '@modelcontextprotocol/server';
import type {SurfaceCall} from '../../coordinator/mcp/surface.ts';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {type Deferred, deferred} from '../../coordinator/runtime/deferred.ts';
import {eventually} from '../fixtures/eventually.ts';
import {
  call,
  eventsOf,
  INITIALIZE,
  type McpFixture,
  mcpFixture,
  modernBody,
  modernHeaders,
  openSession,
  type RawAnswer,
  raw,
  rawRequest,
} from './support.ts';
import {TestSurface} from './testSurface.ts';

const REVISION = {'mcp-protocol-version': '2025-11-25'};
const SOON = {soonMs: 60_000};
const WAIT = {name: 'wait', arguments: {text: 'long'}};
const ECHO = {name: 'echo', arguments: {text: 'x'}};

type Send = (params: object, id?: number) => Promise<RawAnswer>;

/** As a client of either era, whose envelope is known by then. */
async function senderOf({mcpUrl}: McpFixture, era: string): Promise<Send> {
  if (era === 'legacy') {
    const headers = {...(await openSession(mcpUrl)), ...REVISION};
    return (params, id) => raw(mcpUrl, {headers, body: call('tools/call', params, id)});
  }
  const send: Send = params => {
    const headers = modernHeaders('tools/call', (params as {name: string}).name);
    return raw(mcpUrl, {headers, body: modernBody('tools/call', params)});
  };
  await send(ECHO);
  return send;
}

const messagesOf = ({headers, body}: RawAnswer): object[] =>
  headers['content-type'] === 'application/json' ? [JSON.parse(body)] : eventsOf(body);

describe('calls that are handed over', () => {
  let fixture: McpFixture;
  afterEach(() => fixture.close());

  /** What may happen in the very turn of the event loop in which the time is over. */
  const events: Readonly<Record<string, (fixture: McpFixture) => void>> = {
    'their result comes': ({surface}) => surface.waiting.get('long')?.resolve(),
    'they fail': ({surface}) => surface.waiting.get('long')?.reject(new Error('it broke')),
    'their client is let go': ({endpoint}) => endpoint.disconnect(() => true),
    'the endpoint ends': ({endpoint}) => endpoint.dispose(),
    'the endpoint drains': ({endpoint}) => endpoint.drain(),
  };
  for (const era of ['legacy', 'modern'])
    for (const [what, happen] of Object.entries(events))
      for (const isBefore of [true, false])
        it(`are done once just ${isBefore ? 'after' : 'before'} ${what}: ${era}`, async () => {
          const clock = new ManualClock();
          fixture = await mcpFixture({clock, settings: {soonMs: 100}});
          const {surface, endpoint} = fixture;
          const send = await senderOf(fixture, era);
          surface.calls.length = 0;
          const answered = send(WAIT).catch((error: unknown) => error);
          await surface.arrived('long');
          if (isBefore) happen(fixture);
          clock.advance(100);
          if (!isBefore) happen(fixture);
          // What goes on until then ends now; what has ended is not there any more.
          await eventually(async () => {
            surface.waiting.get('long')?.resolve();
            assert.equal(endpoint.counts.inWork, 0);
          });
          const answer = await answered;
          assert.deepEqual(surface.calls, ['wait']);
          const said = answer instanceof Error ? [] : messagesOf(answer as RawAnswer);
          assert.ok(said.length <= 1, JSON.stringify(said));
          if (what === 'their result comes') assert.match(JSON.stringify(said), /waited for long/);
          if (what === 'they fail') assert.match(JSON.stringify(said), /"error"/);
        });

  it('are not refused for lists that have changed since they were begun', async () => {
    const surface = new (class extends TestSurface {
      override async callTool(params: CallToolRequest['params'], asked: SurfaceCall) {
        const properties = {text: {type: 'string', 'x-mcp-header': 'Text'}};
        if (params.name !== 'late') return super.callTool(params, asked);
        this.extraTools = [{name: 'late', inputSchema: {type: 'object', properties}}];
        // Not plain, and so for the SDK.
        return super.callTool({name: 'give', arguments: {text: '{"content": [], "_meta": {}}'}}, asked);
      }
    })();
    surface.extraTools = [{name: 'late', inputSchema: {type: 'object'}}];
    fixture = await mcpFixture({settings: SOON, before: [surface]});
    const send = await senderOf(fixture, 'modern');
    surface.calls.length = 0;
    const {status, body} = await send({name: 'late', arguments: {text: 'x'}});
    assert.deepEqual([status, surface.calls], [200, ['give']], body);
  });
});

describe('calls that were begun', () => {
  let fixture: McpFixture;
  afterEach(() => fixture.close());

  it('stop when a batch cancels them, in the revision that has batches', async () => {
    fixture = await mcpFixture({settings: SOON});
    const {mcpUrl, surface} = fixture;
    const revision = '2025-03-26';
    const opened = await raw(mcpUrl, {body: INITIALIZE.replace('2025-11-25', revision)});
    const headers = {
      'mcp-session-id': String(opened.headers['mcp-session-id']),
      'mcp-protocol-version': revision,
    };
    const asked = raw(mcpUrl, {headers, body: call('tools/call', WAIT, 5)});
    await surface.arrived('long');
    await raw(mcpUrl, {headers, body: `[${call('notifications/cancelled', {requestId: 5}, null)}]`});
    assert.deepEqual(eventsOf((await asked).body), []);
    assert.deepEqual(surface.cancelled, ['long']);
  });

  it('go on where what would cancel them is refused, or is of another call', async () => {
    fixture = await mcpFixture({settings: SOON});
    const {mcpUrl, surface} = fixture;
    const headers = {...(await openSession(mcpUrl)), ...REVISION};
    const asked = raw(mcpUrl, {headers, body: call('tools/call', WAIT, 5)});
    await surface.arrived('long');
    const cancels = call('notifications/cancelled', {requestId: 5}, null);
    const refused = {...headers, accept: 'application/json'};
    assert.equal((await raw(mcpUrl, {headers: refused, body: cancels})).status, 406);
    await raw(mcpUrl, {headers, body: call('notifications/cancelled', {requestId: 5}, 6)});
    await raw(mcpUrl, {headers, body: call('notifications/cancelled', {requestId: '5'}, null)});
    await raw(mcpUrl, {headers: {...(await openSession(mcpUrl)), ...REVISION}, body: cancels});
    assert.deepEqual(surface.cancelled, []);
    surface.waiting.get('long')?.resolve();
    assert.match((await asked).body, /waited for long/);
  });

  it('have their own answers, also where a client uses a number twice', async () => {
    fixture = await mcpFixture({settings: SOON});
    const {mcpUrl, surface} = fixture;
    const headers = {...(await openSession(mcpUrl)), ...REVISION};
    const asked = raw(mcpUrl, {headers, body: call('tools/call', WAIT, 5)});
    await surface.arrived('long');
    const second = await raw(mcpUrl, {headers, body: call('tools/call', ECHO, 5)});
    assert.match(second.body, /"text":"x"/);
    surface.waiting.get('long')?.resolve();
    assert.match((await asked).body, /waited for long/);
    assert.deepEqual(surface.calls, ['wait', 'echo']);
  });

  it('may ask their client what no client can be asked, and hear so', async () => {
    const surface = new (class extends TestSurface {
      override async callTool(params: CallToolRequest['params'], asked: SurfaceCall) {
        if (params.name !== 'odd') return super.callTool(params, asked);
        const said = await asked.request?.('tools/list', {}).catch(String);
        return {content: [{type: 'text' as const, text: String(said)}]};
      }
    })();
    fixture = await mcpFixture({settings: SOON, before: [surface]});
    const send = await senderOf(fixture, 'legacy');
    const [said] = messagesOf(await send({name: 'odd', arguments: {}}));
    assert.match(JSON.stringify(said), /"text":"Error: a client cannot be asked tools\/list"/);
  });

  it('are none where nobody waits any more by the time that lists are there', async () => {
    const lists = deferred<void>();
    const asked = deferred<void>();
    let isHeld = false;
    const slow = new (class extends TestSurface {
      override async tools(): Promise<readonly Tool[]> {
        if (isHeld) asked.resolve();
        if (isHeld) await lists.promise;
        return [];
      }
      override async callTool(): Promise<undefined> {
        return undefined;
      }
    })();
    const gone: Deferred<void> = deferred();
    fixture = await mcpFixture({
      settings: SOON,
      before: [slow],
      prepare: hub =>
        hub.addRoute(async (request, response) => {
          if (isHeld) response.once('close', () => gone.resolve());
          return request.url === undefined;
        }),
    });
    const {surface, endpoint} = fixture;
    await senderOf(fixture, 'modern');
    surface.calls.length = 0;
    isHeld = true;
    const body = modernBody('tools/call', WAIT);
    const request = rawRequest(fixture.mcpUrl, {headers: modernHeaders('tools/call', 'wait'), body});
    request.on('error', () => undefined);
    await asked.promise;
    request.destroy();
    await gone.promise;
    isHeld = false;
    lists.resolve();
    // Whatever is still to be done for it has been done when this is answered.
    await raw(fixture.mcpUrl, {
      headers: modernHeaders('tools/call', 'echo'),
      body: modernBody('tools/call', ECHO),
    });
    assert.deepEqual(surface.calls, ['echo']);
    assert.equal(endpoint.counts.inWork, 0);
  });
});
