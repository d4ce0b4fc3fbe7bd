import assert from 'node:assert/strict';
import * as esbuild from 'esbuild';
import {WebSocket} from 'ws';
import {type BrowserWebSocketConstructor, browserSocket} from '../../coordinator/client/browserSocket.ts';
import type {ConnectionState} from '../../coordinator/client/connection.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {type HubFixture, hubFixture} from '../hub/support.ts';
import {CuttingProxy} from './cuttingProxy.ts';

const GET = {sessionId: 's', key: 'k'};
const FOUND = {version: 1, revision: 2};

describe('a connection of a client', () => {
  let fixture: HubFixture;
  let proxy: CuttingProxy;
  let calls: number;
  let release = deferred<void>();
  let arrived = deferred<void>();

  beforeEach(async () => {
    calls = 0;
    release = deferred<void>();
    arrived = deferred<void>();
    fixture = await hubFixture({}, hub =>
      hub.handle('mcpx.memory.get', async params => {
        calls += 1;
        if (params.key === 'slow' && calls === 1) {
          arrived.resolve();
          await release.promise;
        }
        return FOUND;
      }),
    );
    proxy = await CuttingProxy.open(fixture.port);
  });
  afterEach(async () => {
    release.resolve();
    await proxy.close();
    await fixture.close();
  });

  const viaProxy = () => ({urls: [`ws://127.0.0.1:${proxy.port}`]});

  it('comes back after every cut', async () => {
    const connection = fixture.connection('client', viaProxy());
    const states: ConnectionState['kind'][] = [];
    connection.onState(({kind}) => states.push(kind));
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(await connection.request('mcpx.memory.get', GET), FOUND);
      const cut = new Promise<void>(resolve => {
        const listening = connection.onState(({kind}) => {
          if (kind !== 'waiting') return;
          listening.dispose();
          resolve();
        });
      });
      proxy.cut();
      await cut;
    }
    await connection.whenConnected(5000);
    assert.deepEqual(states.slice(-3), ['waiting', 'connecting', 'connected']);
  });

  it('pauses no longer between two tries than it is told', async () => {
    const settings = {minBackoffMs: 10, maxBackoffMs: 10_000};
    const connection = fixture.connection('client', {...viaProxy(), settings});
    await connection.whenConnected(5000);
    connection.limitBackoff(20);
    connection.limitBackoff(40);
    const pauses: number[] = [];
    const tried = new Promise<void>(resolve => {
      connection.onState(state => {
        if (state.kind === 'waiting') pauses.push(state.retryInMs);
        if (pauses.length === 8) resolve();
      });
    });
    proxy.refuse(true);
    proxy.cut();
    await tried;
    assert.ok(Math.max(...pauses) <= 20, `${pauses}`);
    assert.ok(Math.max(...pauses) > 10, 'they grow up to it');
  });

  it('sends again what was cut only where the caller says so', async () => {
    const connection = fixture.connection('client', viaProxy());
    const slow = {sessionId: 's', key: 'slow'};
    const retried = connection.request('mcpx.memory.get', slow, {retry: true});
    await arrived.promise;
    const once = assert.rejects(
      connection.request('mcpx.cluster.info', {}),
      error => isProtocolError(error, 'notAvailable') || isProtocolError(error, 'unavailable'),
    );
    proxy.cut();
    assert.deepEqual(await retried, FOUND);
    await once;
    assert.equal(calls, 2);
  });

  it('tries every address in turn', async () => {
    const connection = fixture.connection('client', {
      urls: ['ws://127.0.0.1:9', 'ws://127.0.0.1:11', fixture.url],
      settings: {minBackoffMs: 60_000, maxBackoffMs: 60_000},
    });
    assert.deepEqual(await connection.request('mcpx.memory.get', GET), FOUND);
  });

  it('waits no longer than asked, and says why there is no connection', async () => {
    const connection = fixture.connection('client', {urls: ['ws://127.0.0.1:9']});
    // However busy the machine is: the first try has failed, the next one is a while away.
    await new Promise<void>(resolve => {
      connection.onState(state => state.kind === 'waiting' && resolve());
    });
    await assert.rejects(
      connection.request('mcpx.memory.get', GET, {timeoutMs: 50}),
      error => isProtocolError(error, 'unavailable') && /ECONNREFUSED/.test(error.message),
    );
    const abort = new AbortController();
    const waiting = connection.request('mcpx.memory.get', GET, {signal: abort.signal});
    abort.abort();
    await assert.rejects(waiting, error => isProtocolError(error, 'cancelled'));
    connection.dispose();
    await assert.rejects(connection.request('mcpx.memory.get', GET), error =>
      isProtocolError(error, 'unavailable'),
    );
  });

  it('says at once that its token is refused', async () => {
    const connection = fixture.connection('unknown');
    await assert.rejects(connection.request('mcpx.memory.get', GET), error =>
      isProtocolError(error, 'unauthorized'),
    );
  });

  it('goes elsewhere when a coordinator drains', async () => {
    const second = await hubFixture({}, hub =>
      hub.handle('mcpx.memory.get', () => Promise.resolve({...FOUND, version: 9})),
    );
    const connection = fixture.connection('client', {urls: [fixture.url, second.url]});
    const slow = connection.request('mcpx.memory.get', {sessionId: 's', key: 'slow'});
    await arrived.promise;
    const stopped = fixture.hub.stop({graceMs: 5000});
    const moved = connection.request('mcpx.memory.get', GET);
    // Over the same connection, so that the one before it was turned away too before the hub closes.
    const {peer} = connection;
    assert.ok(peer);
    await assert.rejects(peer.request('mcpx.memory.get', GET), error => isProtocolError(error, 'draining'));
    release.resolve();
    assert.deepEqual(await slow, FOUND);
    assert.deepEqual(await moved, {...FOUND, version: 9});
    connection.dispose();
    await stopped;
    await second.close();
  });

  it('notices a coordinator that has gone silent', async () => {
    const connection = fixture.connection('client', {
      ...viaProxy(),
      settings: {minBackoffMs: 5, maxBackoffMs: 50, silenceMs: 60},
    });
    await connection.request('mcpx.memory.get', GET);
    const lost = new Promise<Error>(resolve =>
      connection.onState(state => state.kind === 'waiting' && resolve(state.error)),
    );
    proxy.stall(true);
    assert.match((await lost).message, /silent/);
    proxy.stall(false);
    assert.deepEqual(await connection.request('mcpx.memory.get', GET), FOUND);
  });

  it('goes from a silent coordinator to another one, though the silent one still accepts', async () => {
    const second = await hubFixture({}, hub =>
      hub.handle('mcpx.memory.get', () => Promise.resolve({...FOUND, version: 9})),
    );
    const connection = fixture.connection('client', {
      urls: [...viaProxy().urls, second.url],
      // A second connection to the silent one would take the rest of the test.
      settings: {minBackoffMs: 5, maxBackoffMs: 50, silenceMs: 60, connectTimeoutMs: 600_000},
    });
    await connection.request('mcpx.memory.get', GET);
    proxy.stall(true);
    assert.deepEqual(await connection.request('mcpx.memory.get', GET, {retry: true}), {...FOUND, version: 9});
    connection.dispose();
    await second.close();
  });

  it('works over the WebSocket of a browser', async () => {
    const openSocket = browserSocket(WebSocket as unknown as BrowserWebSocketConstructor);
    const connection = fixture.connection('client', {openSocket});
    assert.deepEqual(await connection.request('mcpx.memory.get', GET), FOUND);
  });

  it('needs nothing of Node', async () => {
    const built = await esbuild.build({
      stdin: {
        contents: "export * from './mcpxClient.ts'; export * from './browserSocket.ts';",
        resolveDir: 'coordinator/client',
      },
      bundle: true,
      platform: 'browser',
      format: 'esm',
      write: false,
      logLevel: 'silent',
    });
    assert.equal(built.errors.length, 0);
  });
});
