/** MCP servers over the wire: that one is registered is told without its secrets, who may use it is changed, and what a file says is left to the file. */
import assert from 'node:assert/strict';
import {mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {DEFAULT_SETTINGS} from '../../coordinator/config.ts';
import {startCoordinator} from '../../coordinator/coordinator.ts';
import type {Coordinator} from '../../coordinator/coordinatorOptions.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {testLogger} from '../agent/agentFixture.ts';
import {Fleet} from '../support/fleet.ts';
import {found} from '../support/waiting.ts';

const LIMIT_MS = 30_000;
const SHOP = path.join(import.meta.dirname, '../gateway/servers/legacyServer.mjs');

describe('MCP servers over the wire', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  let coordinator: Coordinator;
  let client: McpxClient;

  before(async () => {
    fleet = Fleet.create();
    mkdirSync(fleet.dataFolder);
    const file = path.join(fleet.folder, '.mcp.json');
    writeFileSync(file, JSON.stringify({mcpServers: {filed: {command: process.execPath, args: [SHOP]}}}));
    coordinator = await startCoordinator({
      directory: fleet.dataFolder,
      address: {host: '127.0.0.1', port: 0},
      tls: false,
      publicNames: [],
      serverFiles: [file],
      settings: DEFAULT_SETTINGS,
      clock: systemClock,
      random: systemRandom,
      logger: testLogger(),
    });
    fleet.use(coordinator);
    client = await fleet.connect();
  });
  after(async () => {
    await coordinator?.stop(0);
    await fleet?.close();
  });

  const register = (env: Record<string, string>, replace = false) => {
    const endpoint = {type: 'stdio' as const, command: process.execPath, args: [SHOP], env};
    return client.request('mcpx.server.register', {definition: {name: 'shop', endpoint}, replace});
  };

  it('are watched: registered, registered anew and removed, and nothing of how', async () => {
    const view = client.watch({view: 'servers'});
    const rows = (): string[] => [...view.rows.values()].map(row => JSON.stringify(row)).sort();
    const shows = (...wanted: string[]) =>
      found(
        () => (view.cursor && rows().join() === wanted.join()) || undefined,
        LIMIT_MS,
        () => rows().join(),
      );
    try {
      const filed = '{"kind":"server","id":"filed","version":1}';
      await shows(filed);
      await register({API_KEY: 'secret-1'});
      await shows(filed, '{"kind":"server","id":"shop","version":1}');
      await register({API_KEY: 'secret-2'}, true);
      await shows(filed, '{"kind":"server","id":"shop","version":2}');
      await client.request('mcpx.server.remove', {name: 'shop'});
      await shows(filed);
    } finally {
      view.dispose();
    }
  });

  it('keep whatever else is registered when their access changes', async () => {
    await register({API_KEY: 'secret-1'});
    const access = [{deny: ['env']}];
    await client.request('mcpx.server.access', {name: 'shop', access});
    const shop = await found(
      async () => {
        const [server] = (await client.request('mcpx.server.list', {name: 'shop'})).servers;
        return server?.state === 'ready' && server.definition.access ? server : undefined;
      },
      LIMIT_MS,
      'the shop with its rules',
    );
    assert.deepEqual(shop.definition.access, access);
    assert.deepEqual(shop.definition.endpoint, {
      type: 'stdio',
      command: process.execPath,
      args: [SHOP],
      env: {API_KEY: '***'},
    });
    assert.deepEqual(shop.places, [{state: 'connected'}]);
    await client.request('mcpx.server.access', {name: 'shop', access: []});
    await found(
      async () =>
        (await client.request('mcpx.server.list', {name: 'shop'})).servers[0]?.definition.access ===
          undefined || undefined,
      LIMIT_MS,
      'the shop without rules',
    );
  });

  it('leave the access of those that a file names to the file', async () => {
    await assert.rejects(client.request('mcpx.server.access', {name: 'filed', access: []}), error => {
      assert.ok(isProtocolError(error, 'conflict'), String(error));
      return /\.mcp\.json .* below "mcpx"$/.test(error.message);
    });
  });

  it('are none of which nobody knows', async () => {
    await assert.rejects(client.request('mcpx.server.access', {name: 'nobody', access: []}), error =>
      isProtocolError(error, 'notFound'),
    );
  });
});
