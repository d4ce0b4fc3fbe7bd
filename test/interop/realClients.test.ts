/** Programs that people connect to the hub: the MCP Inspector, of either era and under load, and Claude Code itself, over HTTP and WebSocket. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {existsSync} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {promisify} from 'node:util';
import {type HubInFront, hubInFront, unprefixed} from './hubInFront.ts';
import {TestServers} from './testServer.ts';
import {findTools, skipWithout, type Tools} from './tools.ts';

const run = promisify(execFile);
const LIMIT_MS = 60_000;
const LOAD = {lanes: 64, calls: 500};

describe('programs of others with the hub', function () {
  this.timeout(180_000);
  let servers: TestServers;
  let hub: HubInFront;
  let home: string;

  before(async () => {
    servers = await TestServers.build();
    home = await mkdtemp(path.join(tmpdir(), 'mcpx-home-'));
  });
  beforeEach(async () => {
    hub = await hubInFront([unprefixed('server', servers.stdio('both'))]);
  });
  afterEach(() => hub.close());
  after(async () => {
    await servers.dispose();
    await rm(home, {recursive: true, force: true});
  });

  /** Nothing of the person who runs the tests. */
  const environment = (): NodeJS.ProcessEnv => ({
    PATH: process.env['PATH'],
    HOME: home,
    DISABLE_AUTOUPDATER: '1',
  });

  describe('the MCP Inspector', () => {
    let tools: Tools;
    before(async function () {
      tools = skipWithout(await findTools(), this);
    });

    async function inspect(...args: string[]): Promise<Record<string, unknown>> {
      const program = path.join(tools.inspector, 'clients/launcher/build/index.js');
      const where = ['--server-url', hub.direct.url, '--transport', 'http'];
      const token = ['--header', `Authorization: Bearer ${hub.direct.token}`];
      const {stdout} = await run(
        tools.node,
        [program, '--cli', ...where, ...token, '--format', 'json', '-q', ...args],
        {env: environment(), timeout: LIMIT_MS, maxBuffer: 16 * 1024 ** 2},
      );
      return (JSON.parse(stdout) as {result: Record<string, unknown>}).result;
    }

    for (const era of ['legacy', 'modern'] as const) {
      it(`lists and calls tools, reads resources and gets prompts (${era})`, async () => {
        const own = ['--protocol-era', era];
        const {tools: listed} = await inspect(...own, '--method', 'tools/list');
        assert.ok((listed as {name: string}[]).some(({name}) => name === 'test_simple_text'));
        const called = await inspect(...own, '--method', 'tools/call', '--tool-name', 'test_simple_text');
        assert.match(JSON.stringify(called['content']), /simple text response/);
        // Who answers is the hub, whoever is behind it.
        assert.doesNotMatch(JSON.stringify(called), /conformance-server/);
        const read = await inspect(...own, '--method', 'resources/read', '--uri', 'test://static-text');
        assert.match(JSON.stringify(read['contents']), /static text resource/);
        const prompt = await inspect(
          ...own,
          '--method',
          'prompts/get',
          '--prompt-name',
          'test_simple_prompt',
        );
        assert.match(JSON.stringify(prompt['messages']), /simple prompt/);
      });

      it(`calls ${LOAD.calls} times, ${LOAD.lanes} at once, without an error (${era})`, async () => {
        const report = await inspect(
          ...['--protocol-era', era, '--method', 'tools/call', '--tool-name', 'test_simple_text', '--load'],
          ...['--load-concurrency', String(LOAD.lanes), '--load-requests', String(LOAD.calls)],
        );
        assert.deepEqual(
          {ok: report['ok'], toolErrors: report['toolErrors'], errors: report['errors']},
          {ok: LOAD.calls, toolErrors: 0, errors: 0},
        );
      });
    }
  });

  describe('Claude Code', () => {
    let claude: string;
    before(function () {
      const found = claudeProgram();
      if (found === undefined) {
        console.log('  missing: the Claude Code of the Agent SDK for this platform');
        this.skip();
      }
      claude = found;
    });

    async function ask(...args: string[]): Promise<string> {
      const {stdout} = await run(claude, args, {env: environment(), cwd: home, timeout: LIMIT_MS});
      return stdout;
    }

    async function connect(name: string, type: 'http' | 'ws', token = hub.direct.token): Promise<string> {
      const url = type === 'ws' ? hub.direct.url.replace(/^http/, 'ws') : hub.direct.url;
      const entry = JSON.stringify({type, url, headers: {Authorization: `Bearer ${token}`}});
      await ask('mcp', 'add-json', '-s', 'user', name, entry);
      const listed = await ask('mcp', 'list');
      await ask('mcp', 'remove', '-s', 'user', name);
      return listed.split('\n').find(line => line.startsWith(`${name}:`)) ?? '';
    }

    it('connects over HTTP, in the newer era', async () => {
      assert.match(await connect('hub', 'http'), /Connected/);
      assert.equal(hub.clients().modern, 1);
      assert.equal(hub.clients().sessions, 0);
    });

    it('connects over a WebSocket, in the older era', async () => {
      assert.match(await connect('hub', 'ws'), /Connected/);
      assert.deepEqual(hub.clients(), {modern: 0, sessions: 0});
    });

    it('is told when its token is refused', async () => {
      assert.doesNotMatch(await connect('hub', 'http', 'wrong'), /✔/);
    });
  });
});

/** As the Agent SDK finds it. */
function claudeProgram(): string | undefined {
  const name = `@anthropic-ai/claude-agent-sdk-${process.platform}-${process.arch}`;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const file = path.join(path.dirname(manifest), process.platform === 'win32' ? 'claude.exe' : 'claude');
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}
