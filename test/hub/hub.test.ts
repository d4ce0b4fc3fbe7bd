import assert from 'node:assert/strict';
import {type HubFixture, hubFixture, REGISTERED, registration} from './support.ts';

describe('hub', () => {
  let fixture: HubFixture;
  afterEach(() => fixture.close());

  it('answers a client whose command it serves', async () => {
    fixture = await hubFixture({}, hub =>
      hub.handle('mcpx.memory.get', (params, caller) => {
        assert.equal(caller.principal.id, 'client:one');
        assert.equal(params.key, 'k');
        return Promise.resolve({version: 3, revision: 9});
      }),
    );
    const answer = await fixture.connection('client').request('mcpx.memory.get', {sessionId: 's', key: 'k'});
    assert.deepEqual(answer, {version: 3, revision: 9});
  });

  it('sends a command to an agent once it has registered, and the answer back', async () => {
    fixture = await hubFixture({}, hub =>
      hub.handle('mcpx.agent.register', () => Promise.resolve(REGISTERED)),
    );
    const channel = fixture.hub.agentChannel();
    const waiting = channel.send('a-1', 'mcpx.agent.stopAll', {reason: 'test', graceMs: 0});
    let registered = false;
    fixture.connection('agent', {
      handler: call => {
        assert.equal(registered, true, 'the registration is answered first');
        assert.equal(call.method, 'mcpx.agent.stopAll');
        return Promise.resolve({killed: 2});
      },
      onConnected: async peer => {
        await peer.request('mcpx.agent.register', registration('a-1'));
        registered = true;
      },
    });
    assert.deepEqual(await waiting, {killed: 2});
  });
});
