/** Access rules that change while a server is in use. */
import assert from 'node:assert/strict';
import type {AccessRule} from '../../coordinator/protocol/model/server.ts';
import {callOf, fixture, type GatewayFixture, gatewayOf, LEGACY, use} from './support.ts';

describe('access rules that change', function () {
  this.timeout(60_000);
  let hub: GatewayFixture;
  afterEach(() => hub.stop());

  const server = (access?: AccessRule[]) => fixture(LEGACY, 'one', [], access ? {access} : {});

  it('are told to clients, hold at once, and end no connection', async () => {
    hub = gatewayOf([server()]);
    const call = callOf('a');
    const names = async () => (await hub.surface.tools(call)).map(({name}) => name);
    const {pid} = (await use(hub, 'one__count', {}, call)) as {pid: number};
    const told: string[] = [];
    const listening = hub.surface.onChange(call, ({kind}) => told.push(kind));
    hub.gateway.apply([server([{deny: ['echo']}])]);
    assert.ok(told.includes('tools'), told.join());
    assert.ok(!(await names()).includes('one__echo'));
    await assert.rejects(use(hub, 'one__echo', {text: 'hello'}, call));
    hub.gateway.apply([server()]);
    assert.ok((await names()).includes('one__echo'));
    assert.deepEqual(await use(hub, 'one__count', {}, call), {pid, count: 2});
    listening.dispose();
  });

  it('come with a new connection where something else changed too', async () => {
    hub = gatewayOf([server()]);
    const call = callOf('a');
    const {pid} = (await use(hub, 'one__who', {}, call)) as {pid: number};
    hub.gateway.apply([{...server([{deny: ['echo']}]), title: 'Another'}]);
    assert.notEqual(((await use(hub, 'one__who', {}, call)) as {pid: number}).pid, pid);
  });
});
