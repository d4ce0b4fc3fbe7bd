/** A window's servers: asked for while somebody looks, over a real connection, and never those of a coordinator that it has left. */
import assert from 'node:assert/strict';
import {connectClient, type McpxClient} from '../../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../../coordinator/client/nodeSocket.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import type {MCPServerInfo} from '../../../coordinator/protocol/commands/server.ts';
import {ServerDefinition} from '../../../coordinator/protocol/model/server.ts';
import {ManualClock, systemClock} from '../../../coordinator/runtime/clock.ts';
import {deferred} from '../../../coordinator/runtime/deferred.ts';
import {Emitter} from '../../../coordinator/runtime/emitter.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import type {FleetEvent} from '../../../extension/fleet/fleet.ts';
import {Servers} from '../../../extension/fleet/servers.ts';
import {type HubFixture, hubFixture} from '../../hub/support.ts';
import {found} from '../../support/waiting.ts';

const LIMIT_MS = 20_000;
/** Longer than between two questions. */
const LATER_MS = 5000;

describe("a window's MCP servers", () => {
  const clock = new ManualClock();
  let hub: HubFixture;
  let client: McpxClient | undefined;
  let servers: Servers;
  let answer: () => Promise<MCPServerInfo[]>;
  let asked: number;
  const fleet = new Emitter<FleetEvent>();

  beforeEach(async () => {
    asked = 0;
    answer = async () => [info('shop')];
    hub = await hubFixture({}, made =>
      made.handle('mcpx.server.list', async () => {
        asked += 1;
        return {servers: await answer()};
      }),
    );
    client = await connect();
    servers = new Servers({
      fleet: {onChange: fleet.event},
      link: {
        get client() {
          return client;
        },
      },
      clock,
      logger: silentLogger,
    });
  });
  afterEach(async () => {
    servers.dispose();
    client?.dispose();
    await hub.close();
  });

  async function connect(): Promise<McpxClient> {
    const made = connectClient({
      urls: [hub.url],
      token: () => 'client',
      openSocket: nodeSocket({}),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      implementation: {name: 'test', version: '0'},
    });
    await made.whenConnected(LIMIT_MS);
    return made;
  }

  function info(name: string): MCPServerInfo {
    return {
      name,
      definition: ServerDefinition.parse({name, endpoint: {type: 'stdio', command: 'x'}}),
      discoveredAt: 1,
      state: 'ready',
      places: [],
      connections: 0,
      processes: 0,
      capabilities: [],
    };
  }

  const names = (): string => servers.all.map(({name}) => name).join();
  const shows = (wanted: string) =>
    found(
      () => names() === wanted || undefined,
      LIMIT_MS,
      () => names(),
    );

  it('are asked for by the first who looks, then again and again until nobody does', async () => {
    assert.equal(asked, 0);
    await servers.whenWhole();
    assert.equal(names(), 'shop');
    assert.equal(servers.whenWhole(), undefined);
    servers.watched(true);
    answer = async () => [info('shop'), info('zoo')];
    await shows('shop,zoo');
    answer = async () => [info('zoo')];
    clock.advance(LATER_MS);
    await shows('zoo');
    servers.watched(false);
    const before = asked;
    clock.advance(10 * LATER_MS);
    await servers.refresh();
    assert.equal(asked, before + 1);
  });

  it('are asked for once more where something happened while the answer was on its way', async () => {
    const first = deferred<MCPServerInfo[]>();
    answer = () => first.promise;
    const refreshed = servers.refresh();
    await found(() => asked > 0 || undefined, LIMIT_MS, 'the question');
    answer = async () => [info('zoo')];
    const again = servers.refresh();
    first.resolve([info('shop')]);
    await Promise.all([refreshed, again]);
    assert.equal(names(), 'zoo');
    assert.equal(asked, 2);
  });

  it('are forgotten with their coordinator, and its late answer is none', async () => {
    await servers.refresh();
    const late = deferred<MCPServerInfo[]>();
    answer = () => late.promise;
    const waiting = servers.refresh();
    await found(() => asked > 1 || undefined, LIMIT_MS, 'the question');
    const left = client;
    client = await connect();
    fleet.emit({part: 'reset'});
    assert.equal(names(), '');
    answer = async () => [info('zoo')];
    await servers.refresh();
    late.resolve([info('shop')]);
    await waiting;
    assert.equal(names(), 'zoo');
    left?.dispose();
  });

  it('are none where nobody can tell', async () => {
    client?.dispose();
    client = undefined;
    fleet.emit({part: 'reset'});
    assert.equal(servers.whenWhole(), undefined);
    await servers.refresh();
    assert.equal(names(), '');
  });
});
