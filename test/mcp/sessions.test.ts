/** Sessions of the 2025-11-25 era: whose they are, how they end, how many there may be, and that nothing is left of them. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import type * as http from 'node:http';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
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
  raw,
  rawRequest,
} from './support.ts';

const ECHO = call('tools/call', {name: 'echo', arguments: {text: 'hello'}});

describe('sessions of MCP clients', () => {
  let fixture: McpFixture;
  afterEach(() => fixture.close());

  const status = async (headers: Record<string, string>, token = 'client'): Promise<number> =>
    (await raw(fixture.mcpUrl, {headers, body: ECHO, token})).status;

  it('belong to their principal', async () => {
    fixture = await mcpFixture();
    const session = await openSession(fixture.mcpUrl);
    assert.equal(await status(session), 200);
    for (const method of ['POST', 'GET', 'DELETE']) {
      const body = method === 'POST' ? {body: ECHO} : {};
      const answer = await raw(fixture.mcpUrl, {method, headers: session, token: 'admin', ...body});
      assert.equal(answer.status, 404, method);
      assert.match(answer.body, /there is no such session/);
    }
    assert.equal(await status(session), 200);
    assert.equal(await status({'mcp-session-id': 'unknown'}), 404);
  });

  it('end when their client says so', async () => {
    fixture = await mcpFixture();
    const session = await openSession(fixture.mcpUrl);
    assert.equal(fixture.surface.listening, 1);
    assert.equal((await raw(fixture.mcpUrl, {method: 'DELETE', headers: session})).status, 200);
    assert.equal(await status(session), 404);
    assert.deepEqual(fixture.surface.released, [session['mcp-session-id']]);
    assert.equal(fixture.surface.listening, 0);
    assert.equal(fixture.endpoint.counts.sessions, 0);
  });

  it('end when nobody used them for long, and not while a stream is open or a request in work', async () => {
    const clock = new ManualClock();
    fixture = await mcpFixture({clock, settings: {sessionIdleMs: 1000}});
    const {surface, endpoint, mcpUrl} = fixture;
    const idle = await openSession(mcpUrl);
    const streaming = await openSession(mcpUrl);
    const working = await openSession(mcpUrl);
    const stream = rawRequest(mcpUrl, {method: 'GET', headers: streaming});
    stream.on('error', () => undefined);
    const [opened] = (await once(stream, 'response')) as [http.IncomingMessage];
    opened.on('error', () => undefined);
    const body = call('tools/call', {name: 'wait', arguments: {text: 'work'}});
    const work = raw(mcpUrl, {headers: working, body});
    await surface.arrived('work');
    clock.advance(2000);
    assert.deepEqual(surface.released, [idle['mcp-session-id']]);
    assert.equal(await status(idle), 404);
    stream.destroy();
    surface.waiting.get('work')?.resolve();
    assert.match((await work).body, /waited for work/);
    await eventually(async () => {
      clock.advance(1000);
      assert.deepEqual(endpoint.counts, {
        ...{sessions: 0, modernClients: 0, listens: 0},
        ...{inWork: 0, keptEventBytes: 0},
      });
    });
    assert.equal(surface.listening, 0);
  });

  it('make way for new ones, those that were idle longest first, and never those in use', async () => {
    const clock = new ManualClock();
    fixture = await mcpFixture({clock, settings: {maxSessionsPerPrincipal: 2}});
    const {surface, mcpUrl} = fixture;
    const first = await openSession(mcpUrl);
    clock.advance(10);
    const second = await openSession(mcpUrl);
    clock.advance(10);
    assert.equal(await status(first), 200);
    const foreign = await openSession(mcpUrl, 'admin');
    clock.advance(10);
    const third = await openSession(mcpUrl);
    assert.deepEqual(surface.released, [second['mcp-session-id']]);
    const bodies = ['a', 'b'].map(text => call('tools/call', {name: 'wait', arguments: {text}}));
    const works = [first, third].map((headers, at) => raw(mcpUrl, {headers, body: bodies[at] ?? ''}));
    await Promise.all([surface.arrived('a'), surface.arrived('b')]);
    const refused = await raw(mcpUrl, {body: INITIALIZE});
    assert.equal(refused.status, 429);
    assert.match(refused.body, /too many sessions/);
    assert.equal(await status(foreign, 'admin'), 200);
    for (const waiting of surface.waiting.values()) waiting.resolve();
    assert.deepEqual(
      (await Promise.all(works)).map(work => work.status),
      [200, 200],
    );
  });

  it('are bounded in all', async () => {
    fixture = await mcpFixture({settings: {maxSessions: 2}});
    const first = await openSession(fixture.mcpUrl);
    await openSession(fixture.mcpUrl, 'admin');
    await openSession(fixture.mcpUrl, 'agent');
    assert.equal(fixture.endpoint.counts.sessions, 2);
    assert.equal(await status(first), 404);
  });

  it('end when their token is revoked', async () => {
    fixture = await mcpFixture();
    const mine = await openSession(fixture.mcpUrl);
    const other = await openSession(fixture.mcpUrl, 'admin');
    fixture.endpoint.disconnect(({id}) => id === 'client:one');
    assert.equal(await status(mine), 404);
    assert.equal(await status(other, 'admin'), 200);
  });

  it('that could not be initialized leave nothing', async () => {
    fixture = await mcpFixture();
    const refused = await raw(fixture.mcpUrl, {body: INITIALIZE, headers: {accept: 'text/plain'}});
    assert.equal(refused.status, 406);
    assert.equal(fixture.endpoint.counts.sessions, 0);
  });

  it('may have so many requests in work, and no more', async () => {
    fixture = await mcpFixture({settings: {maxInFlight: 2, maxInFlightPerPrincipal: 3}});
    const {surface, mcpUrl} = fixture;
    const sessions = [await openSession(mcpUrl), await openSession(mcpUrl)];
    const start = (at: number, text: string) =>
      raw(mcpUrl, {
        headers: sessions[at] ?? {},
        body: call('tools/call', {name: 'wait', arguments: {text}}, text.charCodeAt(0)),
      });
    const works = [start(0, 'a'), start(0, 'b'), start(1, 'c')];
    await Promise.all(['a', 'b', 'c'].map(text => surface.arrived(text)));
    const beyond = await Promise.all([start(0, 'd'), start(1, 'e')]);
    const errors = beyond.map(({body}) => JSON.stringify(eventsOf(body)[0]?.['error']));
    assert.match(errors[0] ?? '', /"code":4291.*this client has 2 requests in work/);
    assert.match(errors[1] ?? '', /"code":4291.*the clients of this token have 3 requests in work/);
    for (const waiting of surface.waiting.values()) waiting.resolve();
    await Promise.all(works);
    await eventually(async () => assert.equal(fixture.endpoint.counts.inWork, 0));
    assert.equal(await status(sessions[0] ?? {}), 200);
  });
});

describe('MCP clients without sessions', () => {
  let fixture: McpFixture;
  afterEach(() => fixture.close());

  it('are let go when they asked nothing for long, and have nothing in work', async () => {
    const clock = new ManualClock();
    fixture = await mcpFixture({clock, settings: {sessionIdleMs: 1000}});
    const {surface, endpoint, mcpUrl} = fixture;
    const ask = (name: string, token: string) =>
      raw(mcpUrl, {
        token,
        headers: modernHeaders('tools/call', name),
        body: modernBody('tools/call', {name, arguments: {text: 'work'}}),
      });
    await ask('echo', 'client');
    const work = ask('wait', 'admin');
    await surface.arrived('work');
    clock.advance(2000);
    assert.deepEqual(surface.released, ['modern:default/client:one']);
    assert.equal(endpoint.counts.modernClients, 1);
    surface.waiting.get('work')?.resolve();
    await work;
    await eventually(async () => {
      clock.advance(1000);
      assert.equal(endpoint.counts.modernClients, 0);
    });
    assert.deepEqual(surface.released, ['modern:default/client:one', 'modern:default/coordinator:admin']);
  });
});

describe('a stream of an MCP session that is cut', () => {
  let fixture: McpFixture;
  afterEach(() => fixture.close());

  /** A call whose stream is cut once it has given the event to resume behind. */
  async function cutCall(session: Record<string, string>, text: string): Promise<string> {
    const params = {name: 'wait', arguments: {text}, _meta: {progressToken: 1}};
    const headers = {...session, 'mcp-protocol-version': '2025-11-25'};
    const request = rawRequest(fixture.mcpUrl, {headers, body: call('tools/call', params)});
    request.on('error', () => undefined);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.on('error', () => undefined);
    let seen = '';
    for await (const chunk of response) {
      seen += String(chunk);
      if (seen.includes('notifications/progress')) break;
    }
    request.destroy();
    const id = /id: (\S+)/.exec(seen)?.[1];
    assert.ok(id !== undefined, seen);
    return id;
  }

  const resume = (session: Record<string, string>, id: string) =>
    raw(fixture.mcpUrl, {
      method: 'GET',
      headers: {
        ...session,
        accept: 'text/event-stream',
        'mcp-protocol-version': '2025-11-25',
        'last-event-id': id,
      },
    });

  it('goes on behind the last event that its client saw', async () => {
    fixture = await mcpFixture();
    const session = await openSession(fixture.mcpUrl);
    const id = await cutCall(session, 'cut');
    fixture.surface.waiting.get('cut')?.resolve();
    await eventually(async () => {
      const {status, body} = await resume(session, id);
      assert.equal(status, 200, body);
      const messages = eventsOf(body);
      assert.deepEqual(
        messages.map(({method}) => method),
        ['notifications/progress', undefined],
      );
      assert.match(JSON.stringify(messages[1]), /waited for cut/);
    });
    assert.deepEqual(fixture.surface.cancelled, []);
  });

  it('is not resumed with a gap', async () => {
    fixture = await mcpFixture({settings: {maxKeptEvents: 2}});
    const session = await openSession(fixture.mcpUrl);
    const id = await cutCall(session, 'cut');
    fixture.surface.waiting.get('cut')?.resolve();
    for (let count = 0; count < 3; count++) await raw(fixture.mcpUrl, {headers: session, body: ECHO});
    assert.equal((await resume(session, id)).status, 400);
    assert.equal((await resume(session, 'nonsense')).status, 400);
  });

  it('is taken over by whoever resumes it, though the old connection seems open', async () => {
    fixture = await mcpFixture();
    const session = await openSession(fixture.mcpUrl);
    const open = async (headers: Record<string, string>) => {
      const request = rawRequest(fixture.mcpUrl, {method: 'GET', headers: {...session, ...headers}});
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      return response;
    };
    const old = await open({});
    fixture.surface.change({kind: 'tools'});
    const [chunk] = (await once(old, 'data')) as [Buffer];
    const id = /id: (\S+)/.exec(chunk.toString())?.[1] ?? '';
    assert.equal((await open({})).statusCode, 409, 'who does not resume has the one that is open');
    fixture.surface.change({kind: 'prompts'});
    const ended = once(old, 'end');
    const resumed = await open({'last-event-id': id});
    assert.equal(resumed.statusCode, 200);
    await ended;
    assert.match(String((await once(resumed, 'data'))[0]), /prompts\/list_changed/);
    resumed.destroy();
  });

  it('is none of another principal', async () => {
    fixture = await mcpFixture();
    const session = await openSession(fixture.mcpUrl);
    const id = await cutCall(session, 'cut');
    const headers = {...session, accept: 'text/event-stream', 'last-event-id': id};
    assert.equal((await raw(fixture.mcpUrl, {method: 'GET', headers, token: 'admin'})).status, 404);
    fixture.surface.waiting.get('cut')?.resolve();
  });
});
