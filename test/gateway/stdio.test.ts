/** Servers over stdio behind the hub: names, calls, state of each client, and what is left when clients or servers go. */
import assert from 'node:assert/strict';
import {callOf, fixture, type GatewayFixture, gatewayOf, LEGACY, lives, MODERN, use} from './support.ts';

describe('a stdio server behind the hub', function () {
  this.timeout(60_000);
  let hub: GatewayFixture;
  afterEach(() => hub.stop());

  for (const [era, file] of [
    ['legacy', LEGACY],
    ['modern', MODERN],
  ] as const)
    it(`of the ${era} era shows its tools under its name and answers calls`, async () => {
      hub = gatewayOf([fixture(file, 'one')]);
      const call = callOf('a');
      const names = (await hub.surface.tools(call)).map(({name}) => name);
      assert.ok(names.includes('one__echo'), names.join());
      assert.equal(await use(hub, 'one__echo', {text: 'hello'}, call), 'hello');
      assert.equal(hub.gateway.get('one')?.legs.open[0]?.leg.era, era);
    });

  it('that keeps state has a process for each client', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const [a, b] = [callOf('a'), callOf('b')];
    const first = await use(hub, 'one__count', {}, a);
    const second = await use(hub, 'one__count', {}, a);
    const other = await use(hub, 'one__count', {}, b);
    assert.deepEqual(
      [first, second, other].map(value => (value as {count: number}).count),
      [1, 2, 1],
    );
    assert.notEqual((first as {pid: number}).pid, (other as {pid: number}).pid);
  });

  it('that is shared has one process for all', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one', [], {shared: true})]);
    const counts = [];
    for (const key of ['a', 'b', 'c'])
      counts.push(((await use(hub, 'one__count', {}, callOf(key))) as {count: number}).count);
    assert.deepEqual(counts, [1, 2, 3]);
    assert.equal(hub.gateway.budget.processes, 1);
  });

  it('ends a process when its client goes', async () => {
    hub = gatewayOf([fixture(LEGACY, 'one')]);
    const {pid} = (await use(hub, 'one__who', {}, callOf('a'))) as {pid: number};
    const leg = hub.gateway.get('one')?.legs.open.find(opened => opened.leg.pid === pid)?.leg;
    hub.surface.release('a');
    await leg?.gone;
    assert.equal(lives(pid), false);
  });
});
