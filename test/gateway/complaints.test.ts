/**
 * What users of other gateways complain of, each with the report that it is from: one dead server takes all along, expired sessions half alive,
 * duplicate names, leaked processes, state of one client seen by another, sessions that nobody ends, changes that nobody tells.
 */
import assert from 'node:assert/strict';
import type {SurfaceChange} from '../../coordinator/mcp/surface.ts';
import {eventually} from '../fixtures/eventually.ts';
import {
  callOf,
  fixture,
  type GatewayFixture,
  gatewayOf,
  http,
  httpServer,
  LEGACY,
  lives,
  MODERN,
  use,
} from './support.ts';

describe('complaints of users of other gateways', function () {
  this.timeout(120_000);
  let hub: GatewayFixture;
  afterEach(() => hub.stop());

  const pids = (): number[] =>
    hub.gateway.all.flatMap(({legs}) =>
      legs.open.flatMap(({leg}) => (leg.pid === undefined ? [] : [leg.pid])),
    );

  it('one server that is down, hangs or cannot start takes nothing from the others (agentgateway#962, #1266)', async () => {
    hub = gatewayOf(
      [
        fixture(LEGACY, 'good'),
        fixture(LEGACY, 'dead', ['--die']),
        fixture(LEGACY, 'hanging', ['--hang'], {startTimeoutMs: 60_000}),
        http('nobody', 'http://127.0.0.1:1/mcp'),
        fixture(MODERN, 'fine'),
      ],
      {listWaitMs: 1000, maxStarting: 2},
    );
    const caller = callOf('a');
    await eventually(async () => {
      const names = (await hub.surface.tools(caller)).map(({name}) => name);
      assert.ok(names.includes('good__echo') && names.includes('fine__echo'), names.join());
      assert.ok(!names.some(name => /^(?:dead|hanging|nobody)__/.test(name)));
    });
    assert.equal(await use(hub, 'good__echo', {text: 'on'}, caller), 'on');
    // Whoever asks for what is down hears why.
    await assert.rejects(use(hub, 'dead__echo', {text: 'on'}, caller), /dead.*it cannot begin/);
  });

  it('a server that dies in the midst of a call fails that call, and is there for the next', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one'), fixture(LEGACY, 'two')]);
    const caller = callOf('a');
    await use(hub, 'two__count', {}, caller);
    await assert.rejects(
      use(hub, 'one__crash', {}, caller),
      /exit code 7.*whether it had an effect is not known/,
    );
    await eventually(async () => assert.equal(await use(hub, 'one__echo', {text: 'again'}, caller), 'again'));
    assert.equal(((await use(hub, 'two__count', {}, caller)) as {count: number}).count, 2);
  });

  it('a session that the server has forgotten is opened anew, and the call made in it (agentgateway#3622)', async () => {
    const server = await httpServer(LEGACY, ['--label', 'far']);
    try {
      hub = gatewayOf([http('far', server.url)]);
      const caller = callOf('a');
      await use(hub, 'far__count', {}, caller);
      await fetch(`http://127.0.0.1:${server.port}/sessions`, {method: 'DELETE'});
      assert.equal(((await use(hub, 'far__count', {}, caller)) as {count: number}).count, 1);
      assert.equal(((await use(hub, 'far__count', {}, caller)) as {count: number}).count, 2);
    } finally {
      await server.stop();
    }
  });

  it('two servers with the same names do not stop anything: each is found under its own (docker/mcp-gateway#567)', async () => {
    hub = gatewayOf([
      fixture(LEGACY, 'one', [], {prefix: false}),
      fixture(LEGACY, 'two', [], {prefix: false}),
      fixture(LEGACY, 'three'),
    ]);
    const caller = callOf('a');
    const names = (await hub.surface.tools(caller))
      .map(({name}) => name)
      .filter(name => name.includes('who'));
    assert.equal(names.length, 3, names.join());
    const labels = [];
    for (const name of names) labels.push(((await use(hub, name, {}, caller)) as {label: string}).label);
    assert.deepEqual(labels.sort(), ['one', 'three', 'two']);
    const again = (await hub.surface.tools(callOf('b')))
      .map(({name}) => name)
      .filter(name => name.includes('who'));
    assert.deepEqual(again.sort(), names.sort());
    const uris = (await hub.surface.resources(caller))
      .map(({uri}) => uri)
      .filter(uri => uri.includes('note:'));
    assert.equal(uris.length, 3);
    for (const uri of uris) {
      const read = (await hub.surface.readResource(uri, caller)) as {contents: {uri: string; text: string}[]};
      assert.equal(read.contents[0]?.uri, uri);
    }
  });

  it('ten clients at once leave no process when they have gone, stubborn ones and their children included (docker/mcp-gateway#483)', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one', ['--stubborn', '--child']), fixture(LEGACY, 'two')], {
      graceMs: 200,
    });
    const keys = Array.from({length: 10}, (_, at) => `client-${at}`);
    const processes = (await Promise.all(
      keys.flatMap(key => ['one', 'two'].map(name => use(hub, `${name}__who`, {}, callOf(key)))),
    )) as {pid: number}[];
    assert.equal(new Set(processes.map(({pid}) => pid)).size, 20);
    const all = pids();
    for (const key of keys) hub.surface.release(key);
    await eventually(async () =>
      assert.deepEqual(
        processes.filter(({pid}) => lives(pid)),
        [],
      ),
    );
    await hub.stop();
    assert.deepEqual(all.filter(lives), []);
    assert.deepEqual(groupsOf(all), [], 'nor what they had started');
    assert.equal(hub.gateway.budget.processes, 0);
  });

  it('what one client does to a server no other client sees (mcp-context-forge#4205)', async () => {
    const server = await httpServer(LEGACY, ['--label', 'far']);
    try {
      hub = gatewayOf([fixture(LEGACY, 'near'), http('far', server.url)]);
      const keys = Array.from({length: 6}, (_, at) => `client-${at}`);
      for (const name of ['near', 'far']) {
        const counts = await Promise.all(
          keys.map(async (key, at) => {
            let last = 0;
            for (let n = 0; n <= at; n++)
              last = ((await use(hub, `${name}__count`, {}, callOf(key))) as {count: number}).count;
            return last;
          }),
        );
        assert.deepEqual(counts, [1, 2, 3, 4, 5, 6]);
      }
    } finally {
      await server.stop();
    }
  });

  it('sessions and processes that nobody uses are ended, at the server too (mcp-proxy#79)', async () => {
    const server = await httpServer(LEGACY, ['--label', 'far']);
    try {
      const idle = {idleMs: 300};
      hub = gatewayOf([fixture(LEGACY, 'near', [], idle), http('far', server.url, idle)]);
      for (const key of ['a', 'b'])
        for (const name of ['near', 'far']) await use(hub, `${name}__count`, {}, callOf(key));
      const sessions = async (): Promise<string> =>
        (await fetch(`http://127.0.0.1:${server.port}/sessions`)).text();
      await eventually(async () => {
        assert.deepEqual(pids(), []);
        assert.equal(await sessions(), '0');
      });
      assert.equal(((await use(hub, 'near__count', {}, callOf('a'))) as {count: number}).count, 1);
    } finally {
      await server.stop();
    }
  });

  it('a client that goes takes its session at the server along (mcp-proxy#79)', async () => {
    const server = await httpServer(LEGACY, ['--label', 'far']);
    try {
      hub = gatewayOf([http('far', server.url)]);
      await use(hub, 'far__count', {}, callOf('a'));
      const sessions = async (): Promise<string> =>
        (await fetch(`http://127.0.0.1:${server.port}/sessions`)).text();
      const before = Number(await sessions());
      hub.surface.release('a');
      await eventually(async () => assert.equal(Number(await sessions()), before - 1));
    } finally {
      await server.stop();
    }
  });

  it('a list that changes at the server is announced to those who see it (metamcp#314)', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one', [], {shared: true})]);
    const [a, b] = [callOf('a'), callOf('b')];
    await Promise.all([hub.surface.tools(a), hub.surface.tools(b)]);
    const told: SurfaceChange[] = [];
    hub.surface.onChange(b, change => told.push(change));
    await use(hub, 'one__grow', {}, a);
    await eventually(async () => assert.ok(told.some(({kind}) => kind === 'tools')));
    assert.ok((await hub.surface.tools(b)).some(({name}) => name === 'one__grown1'));
  });

  it('a server that comes up late is announced when it does (metamcp#314)', async () => {
    const server = await httpServer(LEGACY, ['--label', 'far']);
    hub = gatewayOf([http('far', 'http://127.0.0.1:1/mcp')]);
    const caller = callOf('a');
    const told: SurfaceChange[] = [];
    hub.surface.onChange(caller, change => told.push(change));
    try {
      assert.deepEqual(await hub.surface.tools(caller), []);
      hub.gateway.apply([http('far', server.url)]);
      await eventually(async () => {
        assert.ok((await hub.surface.tools(caller)).length > 0);
        assert.ok(told.some(({kind}) => kind === 'tools'));
      });
    } finally {
      await server.stop();
    }
  });
});

/** Processes that are still in the groups of these. */
function groupsOf(leaders: readonly number[]): number[] {
  return leaders.filter(pid => {
    try {
      return process.kill(-pid, 0);
    } catch {
      return false;
    }
  });
}
