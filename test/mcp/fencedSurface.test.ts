/** What attempts get of the servers behind the hub: nothing once their fence has fallen, and of a backup only what changes nothing. */
import assert from 'node:assert/strict';
import {ProtocolError as SdkError} from '@modelcontextprotocol/server';
import {FencedSurface} from '../../coordinator/mcp/fencedSurface.ts';
import type {SurfaceCall} from '../../coordinator/mcp/surface.ts';
import {ProtocolError} from '../../coordinator/protocol/errors.ts';
import type {AttemptGrant, Principal} from '../../coordinator/security/principal.ts';
import {TestSurface} from './testSurface.ts';

const FENCE = {store: 'x', attempt: 's-1.t.2', revision: 7};
const ATTEMPT: Principal = {
  id: 'attempt:s-1.t.2@7',
  tenant: 'default',
  role: 'agent',
  agentId: 'a-1',
  attempt: {fence: FENCE, agentId: 'a-1'},
};
const CLIENT: Principal = {id: 'client:1', tenant: 'default', role: 'client'};

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

describe('a surface behind the fences of attempts', () => {
  const ids = {attemptId: 's-1.t.2', sessionId: 's-1', taskId: 't', agentId: 'a-1'};
  let state: 'current' | 'backup' | 'stale';
  let fenced: FencedSurface;

  beforeEach(() => {
    state = 'current';
    const inner = new TestSurface();
    inner.extraTools = [
      {name: 'look', inputSchema: {type: 'object'}, annotations: {readOnlyHint: true}},
      {name: 'change', inputSchema: {type: 'object'}, annotations: {readOnlyHint: false}},
    ];
    fenced = new FencedSurface(inner, (): Promise<AttemptGrant> => {
      if (state === 'stale')
        return Promise.reject(new ProtocolError('staleFence', 'the fence of attempt s-1.t.2 has fallen'));
      return Promise.resolve({...ids, fence: FENCE, backup: state === 'backup'});
    });
  });

  const echo = (principal: Principal) =>
    fenced.callTool({name: 'echo', arguments: {text: 'hello'}}, call(principal));
  const isStale = (error: unknown): boolean => error instanceof SdkError && error.code === 4091;

  it('is as it is for an attempt that is current', async () => {
    assert.ok((await fenced.tools(call(ATTEMPT))).some(({name}) => name === 'echo'));
    assert.deepEqual(await echo(ATTEMPT), {content: [{type: 'text', text: 'hello'}]});
    assert.equal(await fenced.callTool({name: 'nobody'}, call(ATTEMPT)), undefined);
  });

  it('gives a backup what says that it changes nothing', async () => {
    state = 'backup';
    assert.deepEqual(
      (await fenced.tools(call(ATTEMPT))).map(({name}) => name),
      ['look'],
    );
    for (const name of ['echo', 'change']) {
      const answer = await fenced.callTool({name, arguments: {text: 'x'}}, call(ATTEMPT));
      assert.match(JSON.stringify(answer), /"isError":true.*runs beside another/);
    }
    assert.equal(await fenced.callTool({name: 'nobody'}, call(ATTEMPT)), undefined);
  });

  it('gives nothing to an attempt whose fence has fallen, and everything to others', async () => {
    state = 'stale';
    const stale = call(ATTEMPT);
    await assert.rejects(fenced.tools(stale), isStale);
    await assert.rejects(echo(ATTEMPT), isStale);
    await assert.rejects(fenced.resources(stale), isStale);
    await assert.rejects(fenced.readResource('test://static-text', stale), isStale);
    await assert.rejects(fenced.subscribe('test://static-text', stale), isStale);
    await assert.rejects(fenced.prompts(stale), isStale);
    assert.deepEqual(await echo(CLIENT), {content: [{type: 'text', text: 'hello'}]});
  });
});
