/** Servers that declare a list and do not give it: the other lists stay usable, and what is missing is said and asked for again. */
import assert from 'node:assert/strict';
import {fileURLToPath} from 'node:url';
import type {GatewaySettings} from '../../coordinator/gateway/gatewaySettings.ts';
import {serverInfo} from '../../coordinator/gateway/serverInfo.ts';
import type {SurfaceChange} from '../../coordinator/mcp/surface.ts';
import type {MCPServerInfo} from '../../coordinator/protocol/commands/server.ts';
import {ServerDefinition} from '../../coordinator/protocol/model/server.ts';
import {eventually} from '../fixtures/eventually.ts';
import {callOf, type GatewayFixture, gatewayOf, use} from './support.ts';

const PARTIAL = fileURLToPath(new URL('servers/partialServer.mjs', import.meta.url));
const SECRET = 'a-secret-of-ours';

describe('a server that does not give a list that it declares', function () {
  this.timeout(60_000);
  let hub: GatewayFixture;
  let definition: ServerDefinition;
  afterEach(() => hub.stop());

  function start(flags: readonly string[], settings: Partial<GatewaySettings> = {}): void {
    definition = ServerDefinition.parse({
      name: 'one',
      shared: true,
      endpoint: {
        type: 'stdio',
        command: process.execPath,
        args: [PARTIAL, ...flags],
        env: {SECRET},
      },
    });
    hub = gatewayOf([definition], settings);
  }
  const info = (): MCPServerInfo =>
    serverInfo(
      {v: 1, principal: 'coordinator:c', definition, discoveredAt: 0},
      hub.gateway.get('one'),
      () => undefined,
    );
  const failed = (): string[] => (info().failedLists ?? []).map(({list}) => list);
  const caller = callOf('a');
  const tools = async (): Promise<string[]> => (await hub.surface.tools(caller)).map(({name}) => name);
  const prompts = async (): Promise<string[]> => (await hub.surface.prompts(caller)).map(({name}) => name);
  const mend = (list: string): Promise<unknown> => use(hub, 'one__mend', {list}, caller);

  const cases: [string, string[], {tools: number; resources: number; templates: number; prompts: number}][] =
    [
      ['prompts', ['prompts'], {tools: 3, resources: 1, templates: 1, prompts: 0}],
      ['resources', ['resources'], {tools: 3, resources: 0, templates: 1, prompts: 1}],
      ['resourceTemplates', ['resourceTemplates'], {tools: 3, resources: 1, templates: 0, prompts: 1}],
      ['tools,prompts', ['tools', 'prompts'], {tools: 0, resources: 1, templates: 1, prompts: 0}],
    ];
  for (const [broken, lists, counts] of cases)
    it(`gives the others: ${broken}`, async () => {
      start(['--broken', broken], {backoff: {minBackoffMs: 60_000, maxBackoffMs: 60_000}});
      const {surface} = hub;
      assert.deepEqual(
        {
          tools: (await surface.tools(caller)).length,
          resources: (await surface.resources(caller)).length,
          templates: (await surface.resourceTemplates(caller)).length,
          prompts: (await surface.prompts(caller)).length,
        },
        counts,
      );
      assert.equal(info().state, 'ready');
      assert.equal(info().lastError, undefined);
      assert.deepEqual(failed(), lists);
      for (const {list, reason} of info().failedLists ?? [])
        assert.match(reason, new RegExp(`the ${list} are lost`));
      assert.ok(!JSON.stringify(info()).includes(SECRET), 'what it was given it may repeat');
    });

  it('says why to whoever asks for what may be in it', async () => {
    start(['--broken', 'prompts'], {backoff: {minBackoffMs: 60_000, maxBackoffMs: 60_000}});
    await tools();
    await assert.rejects(
      hub.surface.getPrompt({name: 'one__greet'}, caller),
      /one__greet: the server one does not list its prompts: .*the prompts are lost/,
    );
    assert.equal(
      await hub.surface.callTool({name: 'one__nothing'}, caller),
      undefined,
      'its tools are known',
    );
  });

  it('is asked for it again, and it alone, until it gives it, which is announced', async () => {
    start(['--broken', 'prompts']);
    assert.deepEqual(await prompts(), []);
    const before = (await use(hub, 'one__asked', {}, caller)) as string[];
    await eventually(async () => {
      const asked = (await use(hub, 'one__asked', {}, caller)) as string[];
      const again = asked.slice(before.length);
      assert.ok(again.length >= 2, again.join());
      assert.deepEqual([...new Set(again)], ['prompts']);
    });
    const told: SurfaceChange[] = [];
    hub.surface.onChange(caller, change => told.push(change));
    await mend('prompts');
    await eventually(async () => assert.ok(told.some(({kind}) => kind === 'prompts')));
    assert.deepEqual(await prompts(), ['one__greet']);
    assert.deepEqual(failed(), []);
    assert.deepEqual([...new Set(told.map(({kind}) => kind))], ['prompts'], 'nothing else has changed');
  });

  it('keeps what was known of a list that fails once it has changed', async () => {
    start([]);
    assert.deepEqual(await prompts(), ['one__greet']);
    await use(hub, 'one__break', {list: 'prompts'}, caller);
    await eventually(async () => assert.deepEqual(failed(), ['prompts']));
    assert.deepEqual(await prompts(), ['one__greet']);
    await mend('prompts');
    await eventually(async () => assert.deepEqual(failed(), []));
  });

  it('gives the others when one is never answered', async () => {
    start(['--hanging', 'prompts'], {
      startTimeoutMs: 3000,
      backoff: {minBackoffMs: 60_000, maxBackoffMs: 60_000},
    });
    assert.ok((await tools()).includes('one__mend'));
    assert.match(info().failedLists?.[0]?.reason ?? '', /did not list what it offers in time/);
  });

  it('counts as one that cannot be reached when it gives none of them', async () => {
    start(['--broken', 'tools,resources,prompts']);
    assert.deepEqual(await tools(), []);
    assert.equal(info().state, 'unavailable');
    assert.match(info().lastError ?? '', /the tools are lost/);
    assert.equal(info().failedLists, undefined);
    assert.deepEqual(info().capabilities, []);
  });
});
