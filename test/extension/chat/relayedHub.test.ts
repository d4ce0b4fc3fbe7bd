/** The chat's way to a coordinator with an authority of its own, by a real MCP client: sessions, tools and events go through, the token does not. */
import assert from 'node:assert/strict';
import {mkdirSync} from 'node:fs';
import path from 'node:path';
import {Client, StreamableHTTPClientTransport} from '@modelcontextprotocol/client';
import {DEFAULT_SETTINGS} from '../../../coordinator/config.ts';
import {startCoordinator} from '../../../coordinator/coordinator.ts';
import type {Coordinator} from '../../../coordinator/coordinatorOptions.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {HubRelay} from '../../../extension/chat/hubRelay.ts';
import {testLogger} from '../../agent/agentFixture.ts';
import {Fleet} from '../../support/fleet.ts';
import {found} from '../../support/waiting.ts';

const SHOP = path.join(import.meta.dirname, '../../gateway/servers/legacyServer.mjs');
const LIMIT_MS = 30_000;

describe('a hub with its own authority, behind the relay', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  let coordinator: Coordinator;
  let relay: HubRelay;

  before(async () => {
    fleet = Fleet.create();
    mkdirSync(fleet.dataFolder);
    coordinator = await startCoordinator({
      directory: fleet.dataFolder,
      address: {host: '127.0.0.1', port: 0},
      tls: true,
      publicNames: ['127.0.0.1'],
      settings: DEFAULT_SETTINGS,
      clock: systemClock,
      random: systemRandom,
      logger: testLogger(),
    });
    fleet.use(coordinator);
    const target = {
      url: `${coordinator.url.replace(/^ws/, 'http')}/mcp`,
      token: coordinator.clientToken,
      ca: coordinator.authority,
    };
    relay = await HubRelay.open({target: () => target, random: systemRandom, logger: silentLogger});
  });
  after(async () => {
    relay?.dispose();
    await coordinator?.stop(0);
    await fleet?.close();
  });

  async function chat(secret: string): Promise<Client> {
    const client = new Client({name: 'chat', version: '0'});
    const headers = {Authorization: `Bearer ${secret}`};
    await client.connect(new StreamableHTTPClientTransport(new URL(relay.url), {requestInit: {headers}}));
    return client;
  }

  it('lets the chat in that knows the secret, and tells it what changes', async () => {
    const client = await chat(relay.secret);
    try {
      const names = async () => (await client.listTools()).tools.map(({name}) => name);
      assert.ok(!(await names()).includes('shop__echo'));
      let changes = 0;
      client.setNotificationHandler('notifications/tools/list_changed', () => {
        changes += 1;
      });
      const endpoint = {type: 'stdio' as const, command: process.execPath, args: [SHOP]};
      const operator = await fleet.connect();
      await operator.request('mcpx.server.register', {definition: {name: 'shop', endpoint}});
      await found(() => changes > 0 || undefined, LIMIT_MS, 'word of the change');
      await found(
        async () => (await names()).includes('shop__echo') || undefined,
        LIMIT_MS,
        'the tools of the shop',
      );
      const said = await client.callTool({name: 'shop__echo', arguments: {text: 'hello'}});
      assert.deepEqual(said.content, [{type: 'text', text: 'hello'}]);
    } finally {
      await client.close();
    }
  });

  it('lets nobody else in, whatever token of the coordinator they have', async () => {
    await assert.rejects(chat(coordinator.clientToken));
  });
});
