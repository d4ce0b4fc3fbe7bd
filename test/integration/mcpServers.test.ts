/** MCP servers behind a real coordinator: a `.mcp.json` of a dozen, the verbs, clients at /mcp, changes of the file, and the end by `kill -9`. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {Client, StreamableHTTPClientTransport} from '@modelcontextprotocol/client';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {Fleet, fleetEnvironment} from '../support/fleet.ts';
import {FLEET_VARIABLE, processesWith} from '../support/machine.ts';
import {BUNDLE} from '../support/verbProcess.ts';
import {found} from '../support/waiting.ts';

const LEGACY = fileURLToPath(new URL('../gateway/servers/legacyServer.mjs', import.meta.url));
const PARTIAL = fileURLToPath(new URL('../gateway/servers/partialServer.mjs', import.meta.url));
const MODERN = fileURLToPath(new URL('../gateway/servers/modernServer.mjs', import.meta.url));
const PATIENCE_MS = 60_000;

describe('MCP servers behind a coordinator', function () {
  this.timeout(240_000);
  let fleet: Fleet;
  let folder: string;
  let file: string;
  const clients: Client[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close().catch(() => undefined);
    await fleet.close();
    rmSync(folder, {recursive: true, force: true});
  });

  /** As others write it: nothing in it is about the hub. */
  const dozen = (count = 12): object => ({
    mcpServers: Object.fromEntries(
      Array.from({length: count}, (_, at) => [
        `snow ${at}`,
        {
          command: 'node',
          args: [at % 3 === 2 ? MODERN : LEGACY, '--label', `s${at}`],
          env: {WHO: '${SERVER_OWNER:-nobody}', TOKEN: 'hidden-value'},
        },
      ]),
    ),
  });

  const startWith = async (servers: object): Promise<void> => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-servers-'));
    file = path.join(folder, '.mcp.json');
    writeFileSync(file, JSON.stringify(servers));
    fleet = await Fleet.start({env: {SERVER_OWNER: 'tester'}, coordinatorArgs: ['--servers', file]});
  };

  const mcp = async (mode: 'legacy' | {pin: string}, token = fleet.endpoint.token): Promise<Client> => {
    const client = new Client({name: 'test', version: '1'}, {versionNegotiation: {mode}});
    const url = new URL(`${fleet.endpoint.url.replace(/^ws/, 'http')}/mcp`);
    const requestInit = {headers: {authorization: `Bearer ${token}`}};
    await client.connect(new StreamableHTTPClientTransport(url, {requestInit}));
    clients.push(client);
    return client;
  };

  const states = async (client: McpxClient): Promise<Record<string, string>> => {
    const {servers} = await client.request('mcpx.server.list', {});
    return Object.fromEntries(servers.map(({name, state}) => [name, state]));
  };

  const ready = (client: McpxClient, count: number): Promise<true> =>
    found(
      async () => {
        const all = Object.values(await states(client));
        return all.length === count && all.every(state => state === 'ready') ? true : undefined;
      },
      PATIENCE_MS,
      `${count} servers to be ready`,
    );

  const verb = (...args: string[]): Promise<{code: number; stdout: string; stderr: string}> =>
    new Promise(resolve => {
      const env = fleetEnvironment(fleet.folder, {MCPX_TOKEN: fleet.endpoint.token});
      const at = args.indexOf('--');
      const connect = ['--connect', fleet.endpoint.url];
      const all = at < 0 ? [...args, ...connect] : [...args.slice(0, at), ...connect, ...args.slice(at)];
      execFile(process.execPath, [BUNDLE, 'servers', ...all], {env}, (error, stdout, stderr) =>
        resolve({code: error ? Number(error.code ?? 1) : 0, stdout, stderr}),
      );
    });

  it('a dozen servers of one .mcp.json work unchanged, for clients of both eras, and end with kill -9', async () => {
    await startWith(dozen());
    const client = await fleet.connect();
    await ready(client, 12);
    for (const mode of ['legacy', {pin: '2026-07-28'}] as const) {
      const hub = await mcp(mode);
      const {tools} = await hub.listTools();
      // The hub has tools of its own beside them.
      const servers = tools.map(({name}) => name.split('__')[0]).filter(name => name?.startsWith('snow-'));
      assert.equal(new Set(servers).size, 12);
      for (let at = 0; at < 12; at++) {
        const result = await hub.callTool({name: `snow-${at}__echo`, arguments: {text: `t${at}`}});
        assert.deepEqual(result.content, [{type: 'text', text: `t${at}`}]);
      }
      const owner = await hub.callTool({name: 'snow-0__env', arguments: {name: 'WHO'}});
      assert.deepEqual(owner.content, [{type: 'text', text: 'tester'}]);
      const ours = await hub.callTool({name: 'snow-0__env', arguments: {name: 'MCPX_HOME'}});
      assert.deepEqual(ours.content, [{type: 'text', text: 'absent'}]);
    }
    const {servers} = await client.request('mcpx.server.list', {});
    assert.ok(!JSON.stringify(servers).includes('hidden-value'));
    assert.equal(servers.find(({name}) => name === 'snow-2')?.era, 'modern');
    assert.ok(servers.reduce((sum, {processes}) => sum + processes, 0) >= 12);
    await fleet.coordinator.kill();
    // Every process of the fleet has its mark in the environment.
    const left = (): number => processesWith(FLEET_VARIABLE, fleet.folder).length;
    await found(() => (left() === 0 ? true : undefined), PATIENCE_MS, 'all servers to end');
  });

  it('a changed file is taken while calls go on; a wrong one changes nothing', async () => {
    await startWith(dozen(2));
    const client = await fleet.connect();
    await ready(client, 2);
    const hub = await mcp('legacy');
    const count = async (): Promise<unknown> =>
      (await hub.callTool({name: 'snow-0__count', arguments: {}})).content;
    const first = JSON.stringify(await count());
    writeFileSync(file, '{"mcpServers": ');
    writeFileSync(file, JSON.stringify(dozen(3)));
    await ready(client, 3);
    const second = JSON.stringify(await count());
    assert.equal(second, first.replace('\\"count\\":1', '\\"count\\":2'), 'the same process');
    writeFileSync(file, JSON.stringify(dozen(1)));
    await found(
      async () => (Object.keys(await states(client)).length === 1 ? true : undefined),
      PATIENCE_MS,
      'servers that are no longer in the file to go',
    );
  });

  it('the verbs add, list, refresh and remove servers, and say why one is refused', async () => {
    await startWith({mcpServers: {}});
    assert.match((await verb('list')).stdout, /no MCP servers/);
    const added = await verb('add', 'one', '--', process.execPath, LEGACY, '--label', 'one');
    assert.equal(added.code, 0, added.stderr);
    assert.match(added.stdout, /one is behind the hub, with \d+ tools/);
    const again = await verb('add', 'one', '--', process.execPath, LEGACY);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /there is an MCP server one already/);
    const dead = await verb('add', 'dead', '--', process.execPath, LEGACY, '--die');
    assert.equal(dead.code, 1);
    assert.match(dead.stderr, /dead is refused.*exit code 3.*it cannot begin/);
    assert.match((await verb('tools', 'one')).stdout, /tool +one__echo/);
    assert.match((await verb('list')).stdout, /^one {2}(?:ready|starting)/);
    const part = await verb('add', 'part', '--', process.execPath, PARTIAL, '--broken', 'prompts');
    const isSaid = / {6}it does not list its prompts: .*the prompts are lost/;
    assert.match(part.stdout, /^part is behind the hub, with 3 tools\.\n/);
    assert.match(part.stdout, isSaid);
    await found(
      async () => isSaid.test((await verb('list')).stdout) || undefined,
      PATIENCE_MS,
      'the list to say it too',
    );
    assert.equal((await verb('remove', 'part')).code, 0);
    assert.equal((await verb('refresh', 'one')).code, 0);
    const other = path.join(folder, 'mcp.json');
    writeFileSync(
      other,
      JSON.stringify({servers: {two: {type: 'stdio', command: 'node', args: [MODERN]}, bad: {type: 'ftp'}}}),
    );
    const imported = await verb('import', other, '--json');
    assert.equal(imported.code, 1);
    const {registered, refused} = JSON.parse(imported.stdout.trimEnd().split('\n').at(-1) ?? '');
    assert.deepEqual(
      registered.map(({name}: {name: string}) => name),
      ['two'],
    );
    assert.match(refused[0].reason, /stdio, http or sse/);
    assert.equal((await verb('remove', 'one')).code, 0);
    assert.match((await verb('remove', 'one')).stderr, /no MCP server one/);
  });

  it('only who has full rights adds servers, since they run commands on its machine', async () => {
    await startWith({mcpServers: {}});
    const admin = await fleet.connect();
    const {token} = await admin.request('mcpx.token.create', {
      role: 'client',
      label: 'guest',
      ttlSeconds: 600,
    });
    const guest = await fleet.connect(token);
    const definition = {name: 'x', endpoint: {type: 'stdio' as const, command: 'true'}};
    await assert.rejects(guest.request('mcpx.server.register', {definition}), /may not send/);
    await assert.rejects(guest.request('mcpx.server.remove', {name: 'x'}), /may not send/);
    assert.deepEqual((await guest.request('mcpx.server.list', {})).servers, []);
  });
});
