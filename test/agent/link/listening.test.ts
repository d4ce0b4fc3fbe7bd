/** An agent that the hub dials, with the hub's own dialling. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {WebSocket} from 'ws';
import type {Agent} from '../../../coordinator/agent/agent.ts';
import {SUBPROTOCOLS} from '../../../coordinator/protocol/version.ts';
import {assignment, run, startAgent} from '../agentFixture.ts';
import {FakeHub} from '../fakeHub.ts';
import {temporaryFolder} from '../supervisor/support.ts';

describe('agent that listens', function () {
  this.timeout(30_000);
  let folder: ReturnType<typeof temporaryFolder>;
  let hub: FakeHub;
  let agent: Agent | undefined;
  beforeEach(async () => {
    folder = temporaryFolder();
    hub = await FakeHub.listen();
  });
  afterEach(async () => {
    await agent?.stop('test over', {now: true});
    agent = undefined;
    await hub.close();
    folder.remove();
  });

  async function start(): Promise<string> {
    agent = await startAgent(folder.path, hub.url, {listen: {host: '127.0.0.1', port: 0}});
    return agent.endpoint;
  }
  const dial = (url: string, token: string): WebSocket =>
    new WebSocket(url, [...SUBPROTOCOLS], {headers: {authorization: `Bearer ${token}`}});

  it('registers with the hub that dials it, works for it, and again after a cut', async () => {
    const url = await start();
    hub.adopt(dial(url, 'token'));
    await hub.registered(1);
    assert.equal(hub.of('mcpx.agent.register')[0]?.instance.endpoint, url);
    const assign = assignment('dialled', run('sleep 0.5; echo done'));
    await hub.send('mcpx.orchestrate.task.assign', assign);
    hub.cut();
    hub.adopt(dial(url, 'token'));
    await hub.registered(2);
    assert.equal((await hub.completion(assign.attemptId)).report.outcome, 'succeeded');
  });

  it('refuses who does not show the token', async () => {
    const socket = dial(await start(), 'guess');
    const [error] = await once(socket, 'error');
    assert.match(String(error), /401/);
  });

  it('does not listen to the world without a certificate', async () => {
    await assert.rejects(startAgent(folder.path, hub.url, {listen: {host: '0.0.0.0', port: 0}}), {
      code: 'config',
    });
    // Whatever was acquired before is free again.
    await start();
  });
});
