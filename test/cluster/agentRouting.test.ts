/** What is known of an agent's whereabouts lags behind its connection: whichever comes first, the agent is reached. */
import assert from 'node:assert/strict';
import {Peer} from '../../coordinator/bridge/peer.ts';
import {AgentRouting} from '../../coordinator/cluster/agentRouting.ts';
import type {RecordChange} from '../../coordinator/effects/watchedRecords.ts';
import {type AgentLink, AgentLinks} from '../../coordinator/hub/agentLinks.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {AgentLive} from '../../coordinator/protocol/model/agent.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {toDisposable} from '../../coordinator/runtime/disposable.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';

const ADDRESS = {tenant: 'default', agentId: 'a-1'};

describe('the way to an agent', () => {
  it('is its connection here once the last word of another coordinator is known to be old', async () => {
    const hubLinks = new AgentLinks(
      {clock: systemClock, logger: silentLogger},
      {maxQueuedCommands: 10, maxQueuedBytes: 10_000},
    );
    const lives = new Emitter<RecordChange<AgentLive>>();
    const linked = new Emitter<string>();
    const elsewhere = new Peer({
      clock: systemClock,
      logger: silentLogger,
      implementation: {name: 'test', version: '0'},
    });
    let owner = 'c-old';
    let way: Peer | undefined;
    const routing = new AgentRouting({
      tenant: ADDRESS.tenant,
      coordinator: 'c-here',
      hub: {
        attachElsewhere: (address, link) => {
          hubLinks.attach(address, link);
          return toDisposable(() => hubLinks.detach(address, link));
        },
        serveHere: address => hubLinks.serveHere(address),
        onAgentDisconnected: hubLinks.onDisconnected,
      },
      agents: {
        lives: {onChange: lives.event},
        all: () => [{id: ADDRESS.agentId}],
        live: () => ({value: {coordinator: owner}}),
      },
      links: {peer: id => (id === 'c-old' ? way : undefined), onChanged: linked.event},
      clock: systemClock,
    });
    const {isConnected, send} = hubLinks.channel(ADDRESS.tenant);
    const own: AgentLink = {
      connectionId: 'own',
      peer: {request: () => Promise.resolve({killed: 1} as never)},
    };
    hubLinks.attach(ADDRESS, own);
    assert.equal(isConnected(ADDRESS.agentId), true);

    // The other coordinator comes back before its word is known to be old.
    way = elsewhere;
    linked.emit('c-old');
    assert.equal(isConnected(ADDRESS.agentId), false);
    owner = 'c-here';
    lives.emit({key: `agents/live/${ADDRESS.agentId}`, revision: 2});
    assert.equal(isConnected(ADDRESS.agentId), true);
    const told = send(ADDRESS.agentId, 'mcpx.agent.stopAll', {reason: 'test', graceMs: 0});
    assert.deepEqual(await told, {killed: 1});
    routing.dispose();
    hubLinks.dispose();
  });
});
