/** What the surface shows to whom, and what it keeps for how long; no tool comes as far as the hub here. */
import assert from 'node:assert/strict';
import {ProtocolError as SdkError} from '@modelcontextprotocol/server';
import type {SurfaceCall} from '../../../coordinator/mcp/surface.ts';
import {HubClients} from '../../../coordinator/mcp/tools/hubClients.ts';
import {HubSurface} from '../../../coordinator/mcp/tools/hubSurface.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {ProtocolError} from '../../../coordinator/protocol/errors.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import type {AttemptGrant, Principal} from '../../../coordinator/security/principal.ts';
import {found} from '../../support/waiting.ts';

const FENCE = {store: 'x', attempt: 's-1.t.2', revision: 7};
const GRANT: AttemptGrant = {
  fence: FENCE,
  attemptId: 's-1.t.2',
  sessionId: 's-1',
  taskId: 't',
  agentId: 'a-1',
  backup: false,
};
const ATTEMPT: Principal = {
  id: 'attempt:s-1.t.2@7',
  tenant: 'default',
  role: 'agent',
  agentId: 'a-1',
  attempt: {fence: FENCE, agentId: 'a-1'},
};
const PARTS = {clock: systemClock, random: systemRandom, logger: silentLogger};

function surface(admit: () => Promise<AttemptGrant>, asked: string[] = []): HubSurface {
  return new HubSurface({
    ...PARTS,
    hub: {
      dispatch: ({method}) => {
        asked.push(method);
        return Promise.reject(new ProtocolError('unavailable', 'there is no hub in this test'));
      },
    },
    admitAttempt: admit,
    readPlan: () => Promise.reject(new Error('no plan in this test')),
    idleMs: 0,
  });
}

function call(principal: Principal): SurfaceCall {
  return {
    principal,
    era: 'modern',
    clientKey: 'k-1',
    capabilities: {},
    signal: new AbortController().signal,
    progress: () => undefined,
    log: () => undefined,
  };
}

describe('the surface of the hub’s tools', () => {
  it('shows a backup what changes nothing, and refuses it the rest by name', async () => {
    const asked: string[] = [];
    const hub = surface(() => Promise.resolve({...GRANT, backup: true}), asked);
    const tools = await hub.tools(call(ATTEMPT));
    assert.ok(tools.length > 5);
    for (const {name, annotations} of tools) assert.equal(annotations?.readOnlyHint, true, name);
    for (const name of ['memory_put', 'task_delegate', 'task_split', 'mailbox_send', 'person_ask']) {
      const answer = await hub.callTool({name, arguments: {}}, call(ATTEMPT));
      assert.ok(answer?.isError, name);
      assert.match(JSON.stringify(answer.content), /forbidden: attempt s-1\.t\.2 runs beside another/);
    }
    assert.deepEqual(
      asked.filter(method => !method.startsWith('mcpx.cluster.')),
      [],
      'nothing was tried',
    );
    hub.dispose();
  });

  it('looks at an attempt’s fence for every call, whatever it was told before', async () => {
    let current = true;
    const hub = surface(() =>
      current
        ? Promise.resolve(GRANT)
        : Promise.reject(new ProtocolError('staleFence', 'the fence of attempt s-1.t.2 has fallen')),
    );
    assert.ok((await hub.tools(call(ATTEMPT))).some(({name}) => name === 'memory_put'));
    current = false;
    await assert.rejects(hub.tools(call(ATTEMPT)), error => error instanceof SdkError && error.code === 4091);
    const answer = await hub.callTool({name: 'agents_list', arguments: {}}, call(ATTEMPT));
    assert.match(JSON.stringify(answer?.content), /staleFence/);
    hub.dispose();
  });

  it('says what is wrong with arguments before anything is asked, and knows nothing of other names', async () => {
    const hub = surface(() => Promise.resolve(GRANT));
    const client: Principal = {id: 'client:1', tenant: 'default', role: 'client'};
    const answer = await hub.callTool(
      {name: 'task_wait', arguments: {taskIds: [], waitSeconds: -1}},
      call(client),
    );
    const text = JSON.stringify(answer?.content);
    assert.match(text, /taskIds/);
    assert.match(text, /waitSeconds/);
    assert.equal(await hub.callTool({name: 'of_another_server', arguments: {}}, call(client)), undefined);
    assert.equal(await hub.readResource('file:///etc/passwd', call(client)), undefined);
    assert.equal(await hub.getPrompt({name: 'of_another_server'}, call(client)), undefined);
    assert.equal(await hub.subscribe('mcpx://sessions/s-1/else', call(client)), undefined);
    hub.dispose();
  });

  it('keeps one connection for a principal, and lets it go when nobody uses it', async () => {
    const clients = new HubClients({
      ...PARTS,
      hub: {dispatch: () => Promise.resolve({})},
      idleMs: 1,
    });
    const one: Principal = {id: 'client:1', tenant: 'default', role: 'client'};
    const first = clients.hold(one);
    const second = clients.hold({...one});
    assert.equal(first.client, second.client);
    const other = clients.hold({...one, id: 'client:2'});
    assert.notEqual(other.client, first.client);
    assert.equal(clients.size, 2);
    first.dispose();
    first.dispose();
    other.dispose();
    await found(() => (clients.size === 1 ? true : undefined), 10_000, 'the idle connection to go');
    assert.equal(second.client.connection.state.kind === 'stopped', false, 'what is in use stays');
    second.dispose();
    await found(() => (clients.size === 0 ? true : undefined), 10_000, 'the last one to go');
    clients.dispose();
  });
});
