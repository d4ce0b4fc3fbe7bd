/** Servers that others wrote behind one hub, used by many clients at once. */
import assert from 'node:assert/strict';
import {mkdtempSync, realpathSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {CallToolResult} from '@modelcontextprotocol/server';
import {ServerDefinition} from '../../coordinator/protocol/model/server.ts';
import {eventually} from '../fixtures/eventually.ts';
import {missingServers, type OfflineServer, offlineServer} from './offlineServers.ts';
import {callOf, type GatewayFixture, gatewayOf, lives, said, type TestCall} from './support.ts';

const CLIENTS = 50;
const missing = missingServers();

describe('four reference servers behind one hub', function () {
  this.timeout(300_000);
  let hub: GatewayFixture;
  let folder: string;
  before(function () {
    if (missing === undefined) return;
    console.log(`  skipped: ${missing}`);
    this.skip();
  });
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'mcpx-servers-')));
    const server = (name: OfflineServer, args: string[] = [], more: object = {}, env = {}) =>
      ServerDefinition.parse({
        name,
        endpoint: {type: 'stdio', command: process.execPath, args: [offlineServer(name), ...args], env},
        ...more,
      });
    const shared = {shared: true};
    hub = gatewayOf([
      server('everything'),
      server('filesystem', [folder], shared),
      // Two changes at once of its file, and one of them is lost.
      server(
        'memory',
        [],
        {shared: true, callsAtOnce: 1},
        {MEMORY_FILE_PATH: path.join(folder, 'memory.json')},
      ),
      server('sequential-thinking'),
    ]);
  });
  afterEach(async () => {
    await hub?.stop();
    if (folder) rmSync(folder, {recursive: true, force: true});
  });

  const use = async (
    name: string,
    args: Record<string, unknown>,
    caller: TestCall,
  ): Promise<CallToolResult> => {
    const result = (await hub.surface.callTool({name, arguments: args}, caller)) as
      | CallToolResult
      | undefined;
    assert.ok(result && result.isError !== true, `${name}: ${JSON.stringify(result)}`);
    return result;
  };

  it('shows what each of them offers', async () => {
    const caller = callOf('a', {capabilities: {sampling: {}, elicitation: {form: {}}, roots: {}}});
    const counts = new Map<string, number>();
    for (const {name} of await hub.surface.tools(caller)) {
      const [server = ''] = name.split('__');
      counts.set(server, (counts.get(server) ?? 0) + 1);
    }
    assert.deepEqual([...counts.keys()].sort(), [
      'everything',
      'filesystem',
      'memory',
      'sequential-thinking',
    ]);
    assert.ok((counts.get('everything') ?? 0) >= 16 && (counts.get('filesystem') ?? 0) >= 14);
    assert.ok((await hub.surface.resources(caller)).length >= 7);
    assert.ok((await hub.surface.prompts(caller)).some(({name}) => name === 'everything__simple-prompt'));
  });

  it(`is used by ${CLIENTS} clients at once, of whom none sees anything of another`, async () => {
    const pids = new Set<number>();
    const work = async (at: number): Promise<void> => {
      const key = `client-${at}`;
      const caller = callOf(key, {era: at % 2 === 0 ? 'legacy' : 'modern'});
      const echoed = said(await use('everything__echo', {message: `mine ${at}`}, caller));
      assert.equal(echoed, `Echo: mine ${at}`);
      const sum = said(await use('everything__get-sum', {a: at, b: 1}, caller));
      assert.match(String(sum), new RegExp(`\\b${at + 1}\\b`));
      // Its thoughts are counted for itself alone.
      for (let thought = 1; thought <= 2; thought++) {
        const result = await use(
          'sequential-thinking__sequentialthinking',
          {
            thought: `thought of ${at}`,
            thoughtNumber: thought,
            totalThoughts: 2,
            nextThoughtNeeded: thought < 2,
          },
          caller,
        );
        assert.equal((said(result) as {thoughtHistoryLength: number}).thoughtHistoryLength, thought);
      }
      const file = path.join(folder, `${key}.txt`);
      writeFileSync(file, `text of ${at}`);
      assert.match(
        String(said(await use('filesystem__read_text_file', {path: file}, caller))),
        new RegExp(`^text of ${at}$`),
      );
      await use(
        'memory__create_entities',
        {entities: [{name: key, entityType: 'client', observations: [`number ${at}`]}]},
        caller,
      );
      for (const {legs} of hub.gateway.all) for (const {leg} of legs.open) if (leg.pid) pids.add(leg.pid);
    };
    await Promise.all(Array.from({length: CLIENTS}, (_, at) => work(at)));
    const graph = said(await use('memory__read_graph', {}, callOf('reader'))) as {entities: {name: string}[]};
    assert.deepEqual(
      graph.entities.map(({name}) => name).sort(),
      Array.from({length: CLIENTS}, (_, at) => `client-${at}`).sort(),
      'what they share they share whole',
    );
    for (let at = 0; at < CLIENTS; at++) hub.surface.release(`client-${at}`);
    await eventually(async () =>
      assert.ok(hub.gateway.budget.processes <= 8, `${hub.gateway.budget.processes}`),
    );
    await hub.stop();
    assert.deepEqual([...pids].filter(lives), []);
  });
});
