/** Servers that change, fail and multiply: hot reload, replicas, limits, and what answers meanwhile. */
import assert from 'node:assert/strict';
import type {CallToolResult} from '@modelcontextprotocol/server';
import {ServerDefinition} from '../../coordinator/protocol/model/server.ts';
import {eventually} from '../fixtures/eventually.ts';
import {
  callOf,
  fixture,
  type GatewayFixture,
  gatewayOf,
  type HttpServerFixture,
  http,
  httpServer,
  LEGACY,
  lives,
  MODERN,
  use,
} from './support.ts';

interface Who {
  readonly pid: number;
  readonly label: string;
}

describe('servers behind the hub', function () {
  this.timeout(120_000);
  let hub: GatewayFixture;
  const started: HttpServerFixture[] = [];
  afterEach(async () => {
    await hub.stop();
    for (const server of started.splice(0)) await server.stop();
  });

  const who = async (name: string, key: string): Promise<Who> =>
    (await use(hub, `${name}__who`, {}, callOf(key))) as Who;
  const far = async (file: string, label: string, ...flags: string[]): Promise<HttpServerFixture> => {
    const server = await httpServer(file, ['--label', label, ...flags]);
    started.push(server);
    return server;
  };

  it('that do not change go on undisturbed when others are added, changed and removed', async () => {
    hub = gatewayOf([fixture(LEGACY, 'kept'), fixture(LEGACY, 'gone'), fixture(LEGACY, 'changed')]);
    const caller = callOf('a', {meta: {progressToken: 1}});
    await use(hub, 'kept__count', {}, caller);
    const running = use(hub, 'kept__slow', {}, caller);
    running.catch(() => undefined);
    const before = await who('changed', 'a');
    const removed = await who('gone', 'a');
    hub.gateway.apply([
      fixture(LEGACY, 'kept'),
      fixture(LEGACY, 'changed', [], {callTimeoutMs: 1234}),
      fixture(MODERN, 'new'),
    ]);
    const names = (await hub.surface.tools(callOf('a'))).map(({name}) => name.split('__')[0]);
    assert.deepEqual([...new Set(names)].sort(), ['changed', 'kept', 'new']);
    assert.notEqual((await who('changed', 'a')).pid, before.pid);
    await eventually(async () => assert.equal(lives(removed.pid), false));
    const {length} = caller.progressed;
    await eventually(async () => assert.ok(caller.progressed.length > length, 'the call goes on'));
    assert.equal(((await use(hub, 'kept__count', {}, callOf('a'))) as {count: number}).count, 2);
    caller.abort();
  });

  it('finish the calls that are in work when they are changed', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    let release: (answer: unknown) => void = () => undefined;
    const answer = new Promise(resolve => {
      release = resolve;
    });
    const caller = callOf('a', {capabilities: {elicitation: {form: {}}}, answer: () => answer});
    const call = use(hub, 'one__ask', {question: 'what?'}, caller);
    await eventually(async () => assert.equal(caller.asked.length, 1));
    hub.gateway.apply([fixture(LEGACY, 'one', [], {callTimeoutMs: 1234})]);
    const accept = {action: 'accept', content: {answer: 'yes'}};
    release(accept);
    assert.deepEqual(await call, accept);
  });

  it('spread calls over their replicas, and go on when one is lost', async () => {
    const [a, b] = [await far(MODERN, 'a'), await far(MODERN, 'b')];
    hub = gatewayOf([http('many', a.url, {replicas: [{type: 'http', url: b.url}]})]);
    const labels = async (): Promise<Set<string>> =>
      new Set(
        (await Promise.all(Array.from({length: 12}, (_, at) => who('many', `c${at}`)))).map(
          ({label}) => label,
        ),
      );
    await eventually(async () => assert.deepEqual(await labels(), new Set(['a', 'b'])));
    await b.stop();
    for (let round = 0; round < 5; round++) assert.deepEqual(await labels(), new Set(['a']));
  });

  it('are used again when they are back', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one', ['--probe-ends'])]);
    const first = await who('one', 'a');
    process.kill(first.pid, 'SIGKILL');
    await eventually(async () => assert.notEqual((await who('one', 'a')).pid, first.pid));
  });

  it('of the older protocol are recognised though they end at a question of the newer, or print what is no message', async () => {
    hub = gatewayOf([fixture(LEGACY, 'ends', ['--probe-ends']), fixture(LEGACY, 'noisy', ['--noise'])]);
    for (const name of ['ends', 'noisy']) {
      assert.equal((await who(name, 'a')).label, name);
      assert.equal(hub.gateway.get(name)?.legs.open[0]?.leg.era, 'legacy');
    }
  });

  it('get what is to be in their environment, and nothing of ours', async () => {
    process.env['GATEWAY_TEST_VALUE'] = 'from the environment';
    try {
      const definition = fixture(LEGACY, 'one');
      if (definition.endpoint.type !== 'stdio') assert.fail();
      const env = {GIVEN: '${GATEWAY_TEST_VALUE}', OTHER: '${NOT_THERE:-fallback}'};
      hub = gatewayOf([ServerDefinition.parse({...definition, endpoint: {...definition.endpoint, env}})]);
      const value = (name: string): Promise<unknown> => use(hub, 'one__env', {name}, callOf('a'));
      assert.equal(await value('GIVEN'), 'from the environment');
      assert.equal(await value('OTHER'), 'fallback');
      assert.equal(await value('GATEWAY_TEST_VALUE'), 'absent');
    } finally {
      delete process.env['GATEWAY_TEST_VALUE'];
    }
  });

  it('have at most so many processes: idle ones make room, and where none is idle the caller is told', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')], {maxProcesses: 2});
    const caller = callOf('a', {meta: {progressToken: 1}});
    const running = use(hub, 'one__slow', {}, caller);
    running.catch(() => undefined);
    await eventually(async () => assert.ok(caller.progressed.length > 0));
    const [first, second] = [await who('one', 'b'), await who('one', 'c')];
    await eventually(async () => assert.equal(lives(first.pid), false, 'the one that was idle longest'));
    assert.equal(lives(second.pid), true);
    const other = callOf('d', {meta: {progressToken: 1}});
    const alsoRunning = use(hub, 'one__slow', {}, other);
    alsoRunning.catch(() => undefined);
    await eventually(async () => assert.ok(other.progressed.length > 0));
    await assert.rejects(who('one', 'e'), /gatewayProcesses/);
    caller.abort();
    other.abort();
  });

  it('show to each caller what its rules allow, in lists and in calls', async () => {
    const access = [
      {roles: ['agent'], allow: ['who', 'echo']},
      {roles: ['agent'], tasks: ['secret'], deny: ['echo']},
    ];
    hub = gatewayOf([fixture(LEGACY, 'one', [], {access})], {}, agentId =>
      agentId === 'a-2' ? [{sessionId: 's', taskId: 'secret'}] : [],
    );
    const agent = (agentId: string) => callOf(agentId, {principal: {role: 'agent', agentId}});
    const names = async (caller: ReturnType<typeof callOf>): Promise<string[]> =>
      (await hub.surface.tools(caller)).map(({name}) => name).sort();
    assert.deepEqual(await names(agent('a-1')), ['one__echo', 'one__who']);
    assert.deepEqual(await names(agent('a-2')), ['one__who']);
    assert.ok((await names(callOf('c'))).length > 5);
    assert.equal(await hub.surface.callTool({name: 'one__count', arguments: {}}, agent('a-1')), undefined);
    assert.equal(await hub.surface.readResource('note://shared/1', agent('a-1')), undefined);
    assert.equal(await use(hub, 'one__echo', {text: 'x'}, agent('a-1')), 'x');
  });

  it('answer for resources: listed, of templates, and of links that only a result told', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one'), fixture(LEGACY, 'two')]);
    const caller = callOf('a');
    const read = async (uri: string): Promise<string | undefined> => {
      const result = (await hub.surface.readResource(uri, caller)) as
        | {contents: {text: string}[]}
        | undefined;
      return result?.contents[0]?.text;
    };
    assert.equal(await read('own://two/1'), 'own of two');
    assert.equal(await read('hidden://one/7'), 'hidden of one');
    assert.equal(await read('mcpx://servers/two/note://shared/1'), 'note of two');
    assert.equal(await read('note://shared/1'), undefined, 'two servers have it');
    const result = (await hub.surface.callTool({name: 'two__link', arguments: {}}, caller)) as CallToolResult;
    const [link] = result.content;
    assert.equal(link?.type === 'resource_link' && (await read(link.uri)), 'hidden of two');
  });

  it('that are shared have their calls in parallel', async () => {
    hub = gatewayOf([fixture(MODERN, 'one'), fixture(LEGACY, 'two', [], {shared: true, pool: 3})]);
    const all = await Promise.all(
      Array.from({length: 60}, (_, at) =>
        use(hub, `${at % 2 ? 'one' : 'two'}__echo`, {text: `t${at}`}, callOf(`c${at}`)),
      ),
    );
    assert.deepEqual(
      all,
      all.map((_, at) => `t${at}`),
    );
    assert.ok(hub.gateway.budget.processes <= 8, `${hub.gateway.budget.processes} processes`);
  });
});
