/** Our extension over MCP's own transport: told to clients that declared it, and to nobody else. */
import assert from 'node:assert/strict';
import type {Client, ClientCapabilities} from '@modelcontextprotocol/client';
import * as z from 'zod';
import {ERROR_CODES} from '../../coordinator/protocol/errors.ts';
import {EXTENSION_ID, PROTOCOL_VERSION} from '../../coordinator/protocol/version.ts';
import {type McpFixture, mcpFixture} from './support.ts';

const DECLARED: ClientCapabilities = {
  extensions: {[EXTENSION_ID]: {version: PROTOCOL_VERSION, features: ['sessions']}},
};

const ANYTHING = z.looseObject({});

describe('MCPX over MCP', () => {
  let fixture: McpFixture;
  beforeEach(async () => {
    fixture = await mcpFixture({
      prepare: hub => {
        hub.handle('mcpx.agent.remove', ({agentId}, {principal, context}) => {
          seen.push({agentId, principal: principal.id, session: context.orchestration?.sessionId});
          return Promise.resolve({});
        });
        hub.handle('mcpx.watch.open', (_params, {outbox}) => {
          outbox.send('never');
          return Promise.reject(new Error('not reached'));
        });
      },
    });
  });
  afterEach(() => fixture.close());
  const seen: unknown[] = [];

  const remove = (client: Client, params: Record<string, unknown>) =>
    client.request({method: 'mcpx.agent.remove', params}, ANYTHING);

  it('is told to clients that declared it, whose commands run as theirs', async () => {
    for (const era of ['legacy', 'modern'] as const) {
      const client = await fixture[era]('client', {capabilities: DECLARED});
      const told = client.getServerCapabilities()?.extensions?.[EXTENSION_ID];
      assert.equal((told as {version?: string} | undefined)?.version, PROTOCOL_VERSION, era);
      seen.length = 0;
      await remove(client, {agentId: 'a-1'});
      assert.deepEqual(seen, [{agentId: 'a-1', principal: 'client:one', session: undefined}]);
      await assert.rejects(remove(client, {}), {code: ERROR_CODES.invalidParams});
      const nothing = client.request({method: 'mcpx.no.such', params: {}}, ANYTHING);
      await assert.rejects(nothing, {code: ERROR_CODES.methodNotFound});
      const watch = client.request(
        {method: 'mcpx.watch.open', params: {watchId: 'w-1', selector: {view: 'agents'}}},
        ANYTHING,
      );
      await assert.rejects(watch, /needs a connection that stays/);
    }
  });

  it('is nothing to those that did not, or speak another major', async () => {
    const other = {extensions: {[EXTENSION_ID]: {version: '9.0', features: []}}};
    for (const era of ['legacy', 'modern'] as const)
      for (const capabilities of [{}, other]) {
        const client = await fixture[era]('client', {capabilities});
        assert.equal(client.getServerCapabilities()?.extensions, undefined);
        await assert.rejects(remove(client, {agentId: 'a-1'}), /-32601|Method not found/);
      }
  });
});
