/** A person logs in and out at an MCP server by the command, for all clients of a coordinator; nothing that is secret leaves it. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {mkdirSync} from 'node:fs';
import {type AddressInfo, connect, createServer} from 'node:net';
import {Client, StreamableHTTPClientTransport} from '@modelcontextprotocol/client';
import {Command} from 'commander';
import {type LoginAtServer, logInAtServer} from '../../coordinator/client/logins/logInAtServer.ts';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import type {CommandIo} from '../../coordinator/commands/io.ts';
import {addServerCommands} from '../../coordinator/commands/servers.ts';
import {DEFAULT_SETTINGS} from '../../coordinator/config.ts';
import {startCoordinator} from '../../coordinator/coordinator.ts';
import type {Coordinator} from '../../coordinator/coordinatorOptions.ts';
import {createLogger} from '../../coordinator/observability/logger.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {GuardedServer} from '../gateway/oauth/guardedServer.ts';
import {Fleet} from '../support/fleet.ts';
import {found} from '../support/waiting.ts';

const LIMIT_MS = 60_000;

describe('logins at MCP servers', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  let coordinator: Coordinator;
  let client: McpxClient;
  let guarded: GuardedServer;
  const logged: string[] = [];
  /** Whatever anybody outside the coordinator was told. */
  const told: string[] = [];

  before(async () => {
    guarded = await GuardedServer.start();
    fleet = Fleet.create();
    mkdirSync(fleet.dataFolder);
    coordinator = await startCoordinator({
      directory: fleet.dataFolder,
      address: {host: '127.0.0.1', port: 0},
      tls: false,
      publicNames: [],
      settings: DEFAULT_SETTINGS,
      clock: systemClock,
      random: systemRandom,
      logger: createLogger({
        sink: {write: line => void logged.push(line)},
        level: 'debug',
        format: 'json',
        wallNow: () => systemClock.wallNow(),
      }),
    });
    fleet.use(coordinator);
    client = await fleet.connect();
  });
  after(async () => {
    await coordinator?.stop(0);
    await fleet?.close();
    await guarded?.stop();
  });

  /** `opened` is what a person does with the address that is printed. */
  async function verb(args: readonly string[], opened?: (url: string) => Promise<unknown>) {
    let stdout = '';
    let stderr = '';
    let exit: number | undefined;
    let opening: Promise<unknown> | undefined;
    const io: CommandIo = {
      stdout: text => {
        stdout += text;
      },
      stderr: text => {
        stderr += text;
        const url = /^http\S+$/m.exec(stderr)?.[0];
        if (url !== undefined) opening ??= opened?.(url);
      },
      env: {MCPX_CONNECT: fleet.endpoint.url, MCPX_TOKEN: fleet.endpoint.token},
      cwd: fleet.folder,
      interactive: false,
      columns: 80,
    };
    const program = new Command('mcpx').exitOverride().enablePositionalOptions();
    addServerCommands(program, io, code => {
      exit = code;
    });
    await program.parseAsync(['node', 'mcpx', 'servers', ...args]);
    await opening;
    told.push(stdout, stderr);
    return {stdout, stderr, exit};
  }
  const stateOf = async () => {
    const listed = await client.request('mcpx.server.list', {name: 'shop'});
    told.push(JSON.stringify(listed));
    return listed.servers[0]?.state;
  };
  const becomes = (state: string) =>
    found(async () => (await stateOf()) === state || undefined, LIMIT_MS, `a shop that is ${state}`);

  /** What the authorization server sends the browser back to. */
  const backOf = (url: string): URL => {
    const {searchParams: asked} = new URL(url);
    const back = new URL(asked.get('redirect_uri') ?? '');
    back.searchParams.set('state', asked.get('state') ?? '');
    return back;
  };
  const login = (more: Partial<LoginAtServer> & Pick<LoginAtServer, 'goTo'>) =>
    logInAtServer({client, name: 'shop', clock: systemClock, ...more});

  it('are what a server needs that is registered, and that is said', async () => {
    const {stdout} = await verb(['add', 'shop', '--url', guarded.url]);
    assert.match(stdout, /shop is behind the hub.\nSomebody has to log in: mcpx servers login shop/);
    await becomes('needsLogin');
    assert.match((await verb(['list'])).stdout, /shop {2}needs a login/);
  });

  it('are not for clients, who would log in for all others', async () => {
    const {token} = await client.request('mcpx.token.create', {role: 'client', ttlSeconds: 600});
    const other = await fleet.connect(token);
    const redirectUrl = 'http://127.0.0.1:7/callback';
    for (const refused of [
      other.request('mcpx.server.login', {step: 'begin', name: 'shop', redirectUrl}),
      other.request('mcpx.server.logout', {name: 'shop'}),
    ])
      await assert.rejects(refused, error => isProtocolError(error, 'forbidden'));
  });

  it('are begun and finished by the command, and serve every client', async () => {
    const pages: string[] = [];
    const {stdout, exit} = await verb(['login', 'shop', '--no-browser', '--json'], async url => {
      const redirect = new URL(url).searchParams.get('redirect_uri');
      const foreign = await fetch(`${redirect}?state=${'f'.repeat(64)}&code=x`);
      assert.equal(foreign.status, 400);
      const page = await fetch(url);
      pages.push(await page.text());
    });
    assert.equal(exit, 0);
    assert.match(pages.join(), /logged in at shop/);
    const {issuer, scope, renewable} = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual({issuer, scope, renewable}, {issuer: guarded.issuer, scope: 'read', renewable: true});
    await becomes('ready');
    const mcp = new Client({name: 'test', version: '1'});
    const url = new URL(`${fleet.endpoint.url.replace(/^ws/, 'http')}/mcp`);
    const requestInit = {headers: {authorization: `Bearer ${fleet.endpoint.token}`}};
    await mcp.connect(new StreamableHTTPClientTransport(url, {requestInit}));
    try {
      const call = (name: string) => mcp.callTool({name, arguments: {}});
      assert.deepEqual((await call('shop__look')).content, [{type: 'text', text: 'look: done'}]);
      guarded.expire();
      assert.deepEqual((await call('shop__look')).content, [{type: 'text', text: 'look: done'}]);
      await assert.rejects(call('shop__change'), /mcpx servers login shop --scope "write"/);
      await verb(['login', 'shop', '--no-browser', '--scope', 'write'], page => fetch(page));
      await becomes('ready');
      await found(
        async () => (await call('shop__change').catch(() => undefined)) && true,
        LIMIT_MS,
        'a call with the new scope',
      );
    } finally {
      await mcp.close();
    }
  });

  it('are finished by a browser that reaches this machine elsewhere', async () => {
    let own = '';
    let reached = '';
    const forwarder = createServer(socket => {
      const {port} = new URL(own);
      const onward = connect(Number(port), '127.0.0.1');
      socket.pipe(onward).pipe(socket);
      for (const end of [socket, onward]) end.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(forwarder, 'listening');
    try {
      let page: Promise<string> | undefined;
      const {issuer} = await login({
        reachedAt: async url => {
          own = url;
          reached = `http://localhost:${(forwarder.address() as AddressInfo).port}/callback`;
          return reached.replace('localhost', '127.0.0.1');
        },
        goTo: url => {
          page = fetch(url).then(response => response.text());
        },
      });
      assert.equal(issuer, guarded.issuer);
      assert.match((await page) ?? '', /logged in at shop/);
      assert.notEqual(new URL(own).port, new URL(reached).port);
    } finally {
      forwarder.close();
    }
  });

  it('end with the signal, and nobody listens any more', async () => {
    const controller = new AbortController();
    const reason = new Error('thought better of it');
    let back: URL | undefined;
    const goTo = (url: string): void => {
      back = backOf(url);
      controller.abort(reason);
    };
    await assert.rejects(login({goTo, signal: controller.signal}), error => error === reason);
    assert.ok(back);
    await assert.rejects(fetch(back), /fetch failed/);
    const late = {signal: AbortSignal.abort(reason), goTo: () => assert.fail('it goes nowhere')};
    await assert.rejects(login(late));
  });

  it('say what to do when they are refused there', async () => {
    const goTo = async (url: string): Promise<void> => {
      const back = backOf(url);
      back.searchParams.set('error', 'access_denied');
      await fetch(back);
    };
    await assert.rejects(login({goTo}), error => {
      assert.ok(isCoordinatorError(error, 'unauthorized'));
      assert.match(`${error.message}. ${error.hint}`, /refused the login: access_denied\. Begin it anew/);
      return true;
    });
    await becomes('ready');
  });

  it('end by the command', async () => {
    assert.match((await verb(['list'])).stdout, /shop {2}ready,.* logged in/);
    const {stdout, exit} = await verb(['logout', 'shop']);
    assert.equal(exit, 0);
    assert.equal(stdout, 'The hub is no longer logged in at shop. Its tokens are revoked.\n');
    await becomes('needsLogin');
    await assert.rejects(verb(['logout', 'shop']), error => isProtocolError(error, 'notFound'));
  });

  it('end with the server, and say what could not be revoked', async () => {
    await verb(['login', 'shop', '--no-browser'], page => fetch(page));
    await becomes('ready');
    guarded.revokeFault = 503;
    const {stdout, exit} = await verb(['remove', 'shop']);
    assert.equal(exit, 0);
    assert.match(stdout, /^shop is no longer behind the hub\. Nor is the hub logged in there\. /);
    assert.ok(stdout.includes(`could not be revoked at ${guarded.issuer}: it answers HTTP 503.`), stdout);
    const {servers} = await client.request('mcpx.server.list', {});
    assert.deepEqual(servers, []);
  });

  it('are told of in no list, log or answer with what is secret', () => {
    const said = [...told, ...logged].join('\n');
    assert.ok(logged.length > 0 && told.length > 0);
    // The code is in the browser's address, not in ours.
    for (const secret of guarded.secrets) assert.ok(!said.includes(secret), secret);
  });
});
