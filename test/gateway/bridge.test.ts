/** What passes between clients and servers of different eras: questions, progress, cancellation, logs, changes, completion, subscriptions. */
import assert from 'node:assert/strict';
import type {CallToolResult, InputRequiredResult} from '@modelcontextprotocol/server';
import type {SurfaceChange} from '../../coordinator/mcp/surface.ts';
import {eventually} from '../fixtures/eventually.ts';
import {
  type CallerOptions,
  callOf,
  fixture,
  type GatewayFixture,
  gatewayOf,
  http,
  httpServer,
  LEGACY,
  MODERN,
  said,
  type TestCall,
  use,
} from './support.ts';

const CAPABILITIES = {elicitation: {form: {}}, sampling: {}, roots: {}};
const accept = {action: 'accept', content: {answer: 'forty-two'}};

describe('between the eras', function () {
  this.timeout(60_000);
  let hub: GatewayFixture;
  afterEach(() => hub.stop());

  const call = (key: string, options: CallerOptions = {}): TestCall =>
    callOf(key, {capabilities: CAPABILITIES, ...options});
  const modern = (key: string, options: CallerOptions = {}): TestCall =>
    call(key, {era: 'modern', ...options});

  async function required(name: string, args: object, caller: TestCall): Promise<InputRequiredResult> {
    const result = await hub.surface.callTool({name, arguments: {...args}}, caller);
    assert.equal((result as InputRequiredResult).resultType, 'input_required', JSON.stringify(result));
    return result as InputRequiredResult;
  }

  const answersTo = (asked: InputRequiredResult, answer: unknown = accept): Record<string, unknown> =>
    Object.fromEntries(Object.keys(asked.inputRequests ?? {}).map(key => [key, answer]));

  it('a legacy server asks a legacy client in mid-call', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const caller = call('a', {answer: () => accept});
    assert.deepEqual(await use(hub, 'one__ask', {question: 'what?'}, caller), accept);
    assert.deepEqual(
      caller.asked.map(({method}) => method),
      ['elicitation/create'],
    );
    assert.equal(caller.asked[0]?.params['message'], 'what?');
  });

  it('sampling and roots reach the client too', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const sampled = {role: 'assistant', model: 'm', content: {type: 'text', text: 'said'}};
    const roots = {roots: [{uri: 'file:///home'}]};
    const caller = call('a', {answer: method => (method === 'roots/list' ? roots : sampled)});
    assert.deepEqual(await use(hub, 'one__sample', {}, caller), sampled);
    assert.deepEqual(await use(hub, 'one__roots', {}, caller), roots);
  });

  it('a legacy server asks a modern client by input_required, and goes on with its answer', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const asked = await required('one__ask', {question: 'what?'}, modern('a'));
    const [question] = Object.values(asked.inputRequests ?? {});
    assert.equal(question?.method, 'elicitation/create');
    const retry = modern('a', {inputResponses: answersTo(asked), requestState: asked.requestState ?? ''});
    assert.deepEqual(await use(hub, 'one__ask', {question: 'what?'}, retry), accept);
    assert.equal(hub.gateway.pending.size, 0);
  });

  it('asks a modern client as often as the server asks', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const first = await required('one__askTwice', {}, modern('a'));
    const second = await required(
      'one__askTwice',
      {},
      modern('a', {inputResponses: answersTo(first), requestState: first.requestState ?? ''}),
    );
    const messages = [first, second].map(
      ({inputRequests}) => Object(Object.values(inputRequests ?? {})[0]?.params).message,
    );
    assert.deepEqual(messages, ['first', 'second']);
    const last = modern('a', {inputResponses: answersTo(second), requestState: second.requestState ?? ''});
    assert.deepEqual(await use(hub, 'one__askTwice', {}, last), [accept, accept]);
  });

  it('asks again for an answer that was left out', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const first = await required('one__ask', {question: 'what?'}, modern('a'));
    const again = await required(
      'one__ask',
      {question: 'what?'},
      modern('a', {inputResponses: {}, requestState: first.requestState ?? ''}),
    );
    assert.deepEqual(again.inputRequests, first.inputRequests);
  });

  it('a state that was changed, is for another request or another principal, or was used, is refused', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const asked = await required('one__ask', {question: 'what?'}, modern('a'));
    const state = asked.requestState ?? '';
    const inputResponses = answersTo(asked);
    const wrong: [string, TestCall][] = [
      ['one__ask', modern('a', {inputResponses, requestState: `${state.slice(0, -2)}xx`})],
      ['one__sample', modern('a', {inputResponses, requestState: state})],
      ['one__ask', modern('a', {inputResponses, requestState: state, principal: {id: 'client:other'}})],
    ];
    for (const [name, caller] of wrong)
      await assert.rejects(use(hub, name, {question: 'what?'}, caller), {code: -32602});
    const right = modern('a', {inputResponses, requestState: state});
    assert.deepEqual(await use(hub, 'one__ask', {question: 'what?'}, right), accept);
    await assert.rejects(use(hub, 'one__ask', {question: 'what?'}, right), {code: -32602});
  });

  it('what waits for a client expires, is bounded, and goes with the client', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')], {pendingExpiryMs: 200, maxPendingPerClient: 2});
    await required('one__ask', {question: '1'}, modern('a'));
    await required('one__ask', {question: '2'}, modern('a'));
    await assert.rejects(use(hub, 'one__ask', {question: '3'}, modern('a')), /too many calls wait/);
    await eventually(async () => assert.equal(hub.gateway.pending.size, 0));
    await required('one__ask', {question: '4'}, modern('a'));
    hub.surface.release('a');
    assert.equal(hub.gateway.pending.size, 0);
  });

  it('a client that cannot be asked is not: the server hears so', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    for (const caller of [callOf('a'), callOf('b', {era: 'modern'})]) {
      const result = await hub.surface.callTool({name: 'one__ask', arguments: {question: 'what?'}}, caller);
      assert.equal((result as CallToolResult).isError, true);
      assert.deepEqual(caller.asked, []);
    }
  });

  for (const transport of ['stdio', 'HTTP'] as const)
    it(`a modern server over ${transport} asks a modern client as it is, and a legacy client by requests`, async () => {
      const server = transport === 'HTTP' ? await httpServer(MODERN, ['--label', 'one']) : undefined;
      try {
        hub = gatewayOf([server ? http('one', server.url) : fixture(MODERN, 'one')]);
        const asked = await required('one__ask', {question: 'what?'}, modern('a'));
        assert.equal(asked.requestState, 'state of one');
        assert.deepEqual(Object.keys(asked.inputRequests ?? {}), ['one']);
        const retry = modern('a', {inputResponses: {one: accept}, requestState: asked.requestState});
        const expected = {answer: accept.content, state: 'state of one'};
        assert.deepEqual(await use(hub, 'one__ask', {question: 'what?'}, retry), expected);
        const legacy = call('b', {answer: () => accept});
        assert.deepEqual(await use(hub, 'one__ask', {question: 'what?'}, legacy), expected);
        assert.deepEqual(
          legacy.asked.map(({method}) => method),
          ['elicitation/create'],
        );
      } finally {
        await server?.stop();
      }
    });

  for (const file of [LEGACY, MODERN]) {
    const era = file === LEGACY ? 'legacy' : 'modern';
    it(`progress of a ${era} server is passed on, and cancelling reaches it`, async () => {
      hub = gatewayOf([fixture(file, 'one')]);
      const caller = call('a', {meta: {progressToken: 7}});
      const outcome = use(hub, 'one__slow', {}, caller);
      outcome.catch(() => undefined);
      await eventually(async () => assert.ok(caller.progressed.length > 2));
      caller.abort();
      await assert.rejects(outcome, /cancelled/);
      if (file === MODERN) return;
      await eventually(async () =>
        assert.deepEqual(await use(hub, 'one__seen', {}, call('a')), ['cancelled']),
      );
    });

    it(`logs of a ${era} server reach the client whose call it is`, async () => {
      hub = gatewayOf([fixture(file, 'one')]);
      const [a, b] = [call('a'), call('b')];
      await use(hub, 'one__log', {}, a);
      await eventually(async () =>
        assert.deepEqual(
          a.logged.map(entry => (entry as {data: string}).data),
          ['from one'],
        ),
      );
      assert.deepEqual(b.logged, []);
    });
  }

  it('a modern server is told which logs a modern client wants, if any', async () => {
    hub = gatewayOf([fixture(MODERN, 'one')]);
    const [none, info, errors] = [
      modern('a'),
      modern('b', {logLevel: 'info'}),
      modern('c', {logLevel: 'error'}),
    ];
    for (const caller of [none, info, errors]) await use(hub, 'one__log', {}, caller);
    await eventually(async () => assert.equal(info.logged.length, 1));
    assert.deepEqual([none.logged, errors.logged], [[], []]);
  });

  it('a call without a sign of life is cancelled, and the server told', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one', [], {callTimeoutMs: 300})]);
    const caller = call('a');
    await assert.rejects(use(hub, 'one__silent', {}, caller), /no sign of life for 300 ms/);
    await eventually(async () => assert.deepEqual(await use(hub, 'one__seen', {}, call('a')), ['cancelled']));
  });

  it("time that a person takes to answer is not the server's", async () => {
    hub = gatewayOf([fixture(LEGACY, 'one', [], {callTimeoutMs: 1000})]);
    const caller = call('a', {answer: () => new Promise(resolve => setTimeout(resolve, 1500, accept))});
    assert.deepEqual(await use(hub, 'one__ask', {question: 'what?'}, caller), accept);
  });

  it('trace context is passed on; progress tokens and what belongs to one connection are not', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const meta = {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      progressToken: 'of the client',
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': {name: 'x', version: '1'},
    };
    const {progressToken, ...rest} = (await use(hub, 'one__meta', {}, call('a', {meta}))) as Record<
      string,
      unknown
    >;
    assert.notEqual(progressToken, 'of the client');
    assert.deepEqual(rest, {traceparent: meta.traceparent});
  });

  it('a changed list is announced to the client whose it is, and read by it alone', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const [a, b] = [call('a'), call('b')];
    const names = async (caller: TestCall): Promise<string[]> =>
      (await hub.surface.tools(caller)).map(({name}) => name);
    await Promise.all([names(a), names(b)]);
    const told: Record<string, SurfaceChange[]> = {a: [], b: []};
    hub.surface.onChange(a, change => told['a']?.push(change));
    hub.surface.onChange(b, change => told['b']?.push(change));
    await use(hub, 'one__grow', {}, a);
    await eventually(async () => assert.deepEqual(told['a'], [{kind: 'tools'}]));
    assert.ok((await names(a)).includes('one__grown1'));
    assert.ok(!(await names(b)).includes('one__grown1'));
    assert.deepEqual(told['b'], []);
    assert.equal(await use(hub, 'one__grown1', {}, a), 'grown');
  });

  it('changes of resources are told to who is subscribed, until they are not', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const [a, b] = [call('a'), call('b')];
    const told: SurfaceChange[] = [];
    hub.surface.onChange(a, change => change.kind === 'resource' && told.push(change));
    hub.surface.onChange(b, change => change.kind === 'resource' && told.push(change));
    const subscription = await hub.surface.subscribe('note://shared/1', a);
    await use(hub, 'one__touch', {uri: 'note://shared/1'}, b);
    await use(hub, 'one__touch', {uri: 'note://shared/1'}, a);
    await eventually(async () => assert.deepEqual(told, [{kind: 'resource', uri: 'note://shared/1'}]));
    subscription?.dispose();
    await use(hub, 'one__touch', {uri: 'note://shared/1'}, a);
    await use(hub, 'one__echo', {text: 'and back'}, a);
    assert.equal(told.length, 1);
  });

  it('subscriptions of a modern server work the same', async () => {
    const server = await httpServer(MODERN, ['--label', 'one']);
    try {
      hub = gatewayOf([http('one', server.url)]);
      const a = call('a');
      const told: SurfaceChange[] = [];
      hub.surface.onChange(a, change => change.kind === 'resource' && told.push(change));
      await hub.surface.subscribe('kept://one/none', a);
      await use(hub, 'one__touch', {uri: 'kept://one/none'}, call('b'));
      await eventually(async () => assert.deepEqual(told, [{kind: 'resource', uri: 'kept://one/none'}]));
    } finally {
      await server.stop();
    }
  });

  it('arguments of prompts and of resource templates are completed', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one'), fixture(LEGACY, 'two')]);
    const caller = call('a');
    await hub.surface.prompts(caller);
    const prompt = await hub.surface.complete(
      {ref: {type: 'ref/prompt', name: 'two__greet'}, argument: {name: 'name', value: 'Ann'}},
      caller,
    );
    assert.deepEqual(prompt?.completion.values, ['Ann!']);
    const template = await hub.surface.complete(
      {ref: {type: 'ref/resource', uri: 'hidden://one/{id}'}, argument: {name: 'id', value: '4'}},
      caller,
    );
    assert.deepEqual(template?.completion.values, ['4-done']);
  });

  it('results with a lifetime are read again from memory, private ones by their principal alone', async () => {
    hub = gatewayOf([fixture(MODERN, 'one')]);
    const read = async (uri: string, key: string): Promise<string> => {
      const result = (await hub.surface.readResource(uri, call(key))) as {contents: {text: string}[]};
      return result.contents[0]?.text ?? '';
    };
    const [publicA, publicB] = [await read('kept://one/public', 'a'), await read('kept://one/public', 'b')];
    assert.equal(publicA, publicB);
    const privates = [
      await read('kept://one/private', 'a'),
      await read('kept://one/private', 'a'),
      await read('kept://one/private', 'b'),
    ];
    assert.equal(privates[0], privates[1]);
    assert.notEqual(privates[0], privates[2]);
    assert.notEqual(await read('kept://one/none', 'a'), await read('kept://one/none', 'a'));
  });

  it('what a tool failed with is its result, what a server refuses is its error', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const failed = await hub.surface.callTool({name: 'one__fail', arguments: {}}, call('a'));
    assert.equal((failed as CallToolResult).isError, true);
    assert.equal(said(failed), 'it did not work');
    await assert.rejects(
      Promise.resolve(hub.surface.getPrompt({name: 'one__greet', arguments: {}}, call('a'))),
      {code: -32602},
    );
  });
});
