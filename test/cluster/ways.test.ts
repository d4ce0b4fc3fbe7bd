/** What is asked of one coordinator is done by whichever can: commands to agents at another, commands for the lead, transcripts as they grow. */
import assert from 'node:assert/strict';
import type {CallHandler} from '../../coordinator/bridge/peer.ts';
import type {Connection} from '../../coordinator/client/connection.ts';
import type {TaskAssign} from '../../coordinator/protocol/commands/attempt.ts';
import {ProtocolError} from '../../coordinator/protocol/errors.ts';
import {parsePlanBytes} from '../../coordinator/protocol/plan/parse.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {fetchAuthority} from '../../coordinator/security/authorityPin.ts';
import {registration} from '../hub/support.ts';
import {CoordinatorTrio, type Node} from '../support/coordinatorTrio.ts';
import {found, within} from '../support/waiting.ts';

const PATIENCE_MS = 15_000;
const TALK = parsePlanBytes(Buffer.from('name: talk\nworkspace: none\ntasks:\n  - {id: one, run: "true"}\n'));

describe('three coordinators of one store', function () {
  this.timeout(120_000);
  let trio: CoordinatorTrio;
  let lead: Node;
  let [near, far]: [Node, Node] = ['b', 'c'];

  before(async () => {
    trio = await CoordinatorTrio.start();
    lead = await trio.lead();
    [near = 'a', far = 'b'] = (['a', 'b', 'c'] as const).filter(node => node !== lead);
  });
  after(() => trio.close());

  /** An agent by its registration alone: what it is asked is the test's to answer. */
  async function agent(
    id: string,
    node: Node,
    handler: CallHandler,
    incarnation = 'run-00000001',
  ): Promise<Connection> {
    const connection = trio.connection(node, {
      handler,
      onConnected: async peer => {
        await peer.request('mcpx.agent.register', {...registration(id), incarnation});
      },
    });
    connection.start();
    await connection.whenConnected(PATIENCE_MS);
    return connection;
  }

  const check = (node: Node, agentId: string, timeoutMs = PATIENCE_MS) =>
    trio.at(node).protocol.sendOrchestrationCommand(agentId, 'mcpx.health.check', {}, timeoutMs);

  it('have the lead start a session, and show its transcript as it grows, to a client of a third', async () => {
    const assigned = deferred<TaskAssign>();
    const connection = await agent('a-4', far, call => {
      if (call.method !== 'mcpx.orchestrate.task.assign') return Promise.resolve({});
      assigned.resolve(call.params);
      return Promise.resolve({kind: 'accepted'});
    });
    const client = trio.client(near);
    assert.ok(TALK.kind === 'plan');
    // Neither the client's coordinator nor the agent's is the lead.
    await client.request('mcpx.orchestrate.session.start', {sessionId: 's-talk', plan: TALK.plan});
    const {attemptId, fence} = await within(assigned.promise, PATIENCE_MS, 'the assignment');
    const say = (firstSeq: number, ...texts: string[]) =>
      connection.request('mcpx.status.update', {
        attemptId,
        fence,
        firstSeq,
        events: texts.map(text => ({kind: 'text' as const, role: 'assistant' as const, at: 1, text})),
        final: false,
      });
    const heard: string[] = [];
    const watch = client.transcript(attemptId);
    watch.onEvents(({events}) => {
      for (const event of events) if (event.kind === 'text') heard.push(event.text);
    });
    await say(1, 'one');
    await found(() => heard.length === 1 || undefined, PATIENCE_MS, 'the first event');
    await say(2, 'two', 'three');
    await found(() => heard.length === 3 || undefined, PATIENCE_MS, 'the others');
    assert.deepEqual(heard, ['one', 'two', 'three']);
    const {session} = await client.request('mcpx.orchestrate.session.end', {
      sessionId: 's-talk',
      mode: 'cancel',
    });
    assert.equal(session.id, 's-talk');
    await assert.rejects(
      client.request('mcpx.session.control', {sessionId: 's-none', action: {kind: 'pause'}}),
      {kind: 'notFound'},
    );
    connection.dispose();
  });

  it('reach an agent from everywhere, and give back what it answers, its faults too', async () => {
    let fails = false;
    await agent('a-1', far, call => {
      assert.equal(call.method, 'mcpx.health.check');
      if (fails) throw new ProtocolError('conflict', 'not now', {why: 'busy'});
      return Promise.resolve({id: 'a-1', status: 'ok', at: 1});
    });
    for (const node of ['a', 'b', 'c'] as const) assert.equal((await check(node, 'a-1')).id, 'a-1');
    fails = true;
    await assert.rejects(check(near, 'a-1'), {kind: 'conflict', message: 'not now', data: {why: 'busy'}});
  });

  it('send a command again where the agent has gone to, once it is cut', async () => {
    const asked = deferred<void>();
    const first = await agent('a-2', far, () => {
      asked.resolve();
      return new Promise(() => undefined);
    });
    const answer = check(near, 'a-2');
    await asked.promise;
    first.dispose();
    await agent('a-2', lead, () => Promise.resolve({id: 'a-2', status: 'ok', at: 2}));
    assert.equal((await answer).at, 2);
  });

  it('say of an agent that is nowhere that it is disconnected, when the time is over', async () => {
    await assert.rejects(check(near, 'a-none', 300), {kind: 'agentDisconnected'});
    const gone = await agent('a-3', far, () => Promise.resolve({id: 'a-3', status: 'ok', at: 1}));
    await check(near, 'a-3');
    gone.dispose();
    // Until its coordinator has noticed that the socket is closed.
    const kind = () =>
      check(near, 'a-3', 300).then(
        () => 'answered',
        (error: ProtocolError) => error.kind,
      );
    await found(
      async () => ((await kind()) === 'agentDisconnected' ? true : undefined),
      PATIENCE_MS,
      'its absence to be noticed',
    );
  });

  it("accept each other's users and agents, and let nobody but coordinators speak for others", async () => {
    const foreign = trio.client(near, trio.at(far).clientToken);
    assert.equal((await foreign.request('mcpx.cluster.info', {})).coordinator, trio.at(near).id);
    const deliver = {agentId: 'a-1', method: 'mcpx.health.check', params: {}, timeoutMs: 1000};
    await assert.rejects(foreign.request('mcpx.cluster.deliver', deliver), {kind: 'forbidden'});
    const token = await foreign.request('mcpx.token.create', {role: 'client', ttlSeconds: 60});
    const guest = trio.client(far, token.token);
    assert.equal((await guest.request('mcpx.cluster.info', {})).coordinator, trio.at(far).id);
    const principal = {id: 'client:x', tenant: 'default', role: 'coordinator' as const};
    const command = {method: 'mcpx.session.control', params: {}, principal};
    await assert.rejects(guest.request('mcpx.cluster.command', command), {kind: 'forbidden'});
  });

  it('tell clients where the others are, and when one is gone', async () => {
    const told: string[][] = [];
    const connection = trio.connection(near, {
      token: () => trio.at(near).clientToken,
      roaming: {onTold: urls => void told.push([...urls])},
    });
    connection.start();
    const urls = (nodes: readonly Node[]) => nodes.map(node => trio.at(node).url).sort();
    const last = () => told.at(-1)?.toSorted().join();
    const all = () => last() === urls(['a', 'b', 'c']).join() || undefined;
    await found(all, PATIENCE_MS, 'all addresses');
    await trio.stop(far);
    await found(() => last() === urls([near, lead]).join() || undefined, PATIENCE_MS, 'two addresses');
    // And it goes to one of them when its own is gone too.
    await trio.stop(near);
    const elsewhere = () => (connection.peer && connection.url === trio.at(lead).url ? true : undefined);
    await found(elsewhere, PATIENCE_MS, 'the last one');
  });
});

describe('three coordinators with TLS', function () {
  this.timeout(120_000);
  let trio: CoordinatorTrio;
  before(async () => {
    trio = await CoordinatorTrio.start({tls: true});
  });
  after(() => trio.close());

  it('have one pin, are reached by it at each door, and reach each other', async () => {
    const lead = await trio.lead();
    const [other = 'a'] = (['a', 'b', 'c'] as const).filter(node => node !== lead);
    const pins = await Promise.all(
      (['a', 'b', 'c'] as const).map(async node => {
        const {caPin = ''} = await trio
          .client(node)
          .request('mcpx.token.create', {role: 'agent', ttlSeconds: 60});
        assert.equal(await fetchAuthority(trio.at(node).url, caPin), trio.at('a').authority);
        return caPin;
      }),
    );
    assert.equal(new Set(pins).size, 1);
    const missing = {sessionId: 's-none', action: {kind: 'pause'}} as const;
    await assert.rejects(trio.client(other).request('mcpx.session.control', missing), {kind: 'notFound'});
  });
});
