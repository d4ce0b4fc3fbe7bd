/** The hub's tools through the door on loopback, to coordinators behind TLS of their own authority: what a Claude Code beside an agent, or a lead, has. */
import assert from 'node:assert/strict';
import {McpDoor} from '../../../coordinator/agent/delegation/mcpDoor.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {CoordinatorTrio, type Node} from '../../support/coordinatorTrio.ts';
import {type Answer, ToolClient} from './toolClient.ts';

describe('the hub’s tools through the door, over TLS', function () {
  this.timeout(120_000);
  let trio: CoordinatorTrio;
  let door: McpDoor;
  const clients: ToolClient[] = [];

  before(async () => {
    trio = await CoordinatorTrio.start({tls: true});
    await trio.lead();
  });
  after(async () => {
    await Promise.all(clients.map(client => client.close()));
    await door?.close();
    await trio?.close();
  });

  it('reach whichever coordinator there is, which the door trusts by its authority alone', async () => {
    let node: Node = 'a';
    let trusted = true;
    const hub = () => ({url: trio.at(node).url, ca: trusted ? trio.at(node).authority : undefined});
    door = new McpDoor({hub, clock: systemClock, random: systemRandom, logger: silentLogger});
    const {url, headers} = await door.admit('lead', () => Promise.resolve(trio.at('a').clientToken));
    const token = headers['authorization']?.replace('Bearer ', '') ?? '';
    const open = async (): Promise<ToolClient> => {
      const client = await ToolClient.open({url, token});
      clients.push(client);
      return client;
    };
    const first = await open();
    const {session}: Answer = await first.call('session_start', {key: 'tls', name: 'tls'});
    await first.call('memory_put', {sessionId: session.sessionId, key: 'a', value: 1});
    // A token of a coordinator's own user is good at every other one.
    node = 'b';
    const second = await open();
    const read: Answer = await second.call('memory_get', {sessionId: session.sessionId, key: 'a'});
    assert.equal(read.value, 1);
    const again: Answer = await second.call('session_start', {key: 'tls', name: 'tls'});
    assert.deepEqual([again.created, again.session.sessionId], [false, session.sessionId]);
    trusted = false;
    await assert.rejects(open(), /not reached.*certificate/);
  });
});
