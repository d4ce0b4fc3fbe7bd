import assert from 'node:assert/strict';
import {mkdtemp, readFile, rm, stat, writeFile} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {connectClient} from '../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import {Hub} from '../../coordinator/hub/hub.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {ManualClock, systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {fetchAuthority} from '../../coordinator/security/authorityPin.ts';
import {
  type ClusterAuthority,
  createClusterAuthority,
  openClusterAuthority,
} from '../../coordinator/security/clusterAuthority.ts';
import {checkListenAddress} from '../../coordinator/security/listenPolicy.ts';
import {ServerTls} from '../../coordinator/security/serverTls.ts';
import {PRINCIPALS} from '../hub/support.ts';

describe('joining over TLS', () => {
  let authority: ClusterAuthority;
  let tls: ServerTls;
  let hub: Hub;
  let url: string;

  before(async () => {
    authority = await createClusterAuthority({clock: systemClock});
    tls = await ServerTls.open({authority, names: [], clock: systemClock, logger: silentLogger});
    hub = new Hub({
      coordinator: 'c-1',
      version: '0',
      authenticate: token => Promise.resolve(PRINCIPALS[token]),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      tls: tls.material,
      authority: () => authority.cert,
    });
    hub.handle('mcpx.memory.get', () => Promise.resolve({version: 0, revision: 1}));
    const {port} = await hub.listen({host: '0.0.0.0', port: 0});
    url = `wss://127.0.0.1:${port}`;
  });

  after(async () => {
    tls.dispose();
    await hub.stop({graceMs: 100});
  });

  async function ask(ca: string | undefined, address = url): Promise<unknown> {
    const client = connectClient({
      urls: [address],
      token: () => 'client',
      openSocket: nodeSocket({ca: () => ca}),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      implementation: {name: 'test', version: '0'},
      settings: {minBackoffMs: 10_000},
    });
    try {
      return await client.request('mcpx.memory.get', {sessionId: 's', key: 'k'}, {timeoutMs: 1000});
    } finally {
      client.dispose();
    }
  }

  it('connects with the authority that the pin names', async () => {
    const ca = await fetchAuthority(url, authority.pin);
    assert.deepEqual(await ask(ca), {version: 0, revision: 1});
  });

  it('refuses an authority that the pin does not name', async () => {
    const other = await createClusterAuthority({clock: systemClock});
    await assert.rejects(fetchAuthority(url, other.pin), error => isCoordinatorError(error, 'unauthorized'));
    await assert.rejects(ask(other.cert), error => isProtocolError(error, 'unauthorized'));
  });

  it('trusts nobody without an authority, and no other host name than the certificate has', async () => {
    await assert.rejects(ask(undefined), error => isProtocolError(error, 'unauthorized'));
    // Every address of 127.0.0.0/8 is this machine, but only 127.0.0.1 is in the certificate.
    await assert.rejects(ask(authority.cert, url.replace('127.0.0.1', '127.0.0.2')), /altnames/);
  });

  it('serves a renewed certificate to new connections', async () => {
    const renewed = await ServerTls.open({
      authority,
      names: ['127.0.0.2'],
      clock: systemClock,
      logger: silentLogger,
    });
    hub.renewTls(renewed.material);
    renewed.dispose();
    assert.deepEqual(await ask(authority.cert), {version: 0, revision: 1});
  });
});

describe('cluster authority', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), 'mcpx-authority-'));
  });
  afterEach(() => rm(directory, {recursive: true, force: true}));

  it('keeps its key for this user alone, and is the same at the next start', async () => {
    const first = await openClusterAuthority({directory, clock: systemClock});
    const file = path.join(directory, 'authority.pem');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const second = await openClusterAuthority({directory, clock: systemClock});
    assert.equal(second.pin, first.pin);
    const tls = await ServerTls.open({
      authority: second,
      names: ['host.example'],
      clock: systemClock,
      logger: silentLogger,
    });
    tls.dispose();
    assert.match(tls.material.cert, /BEGIN CERTIFICATE/);
  });

  it('is not replaced when its file is damaged', async () => {
    await openClusterAuthority({directory, clock: systemClock});
    const file = path.join(directory, 'authority.pem');
    await writeFile(file, (await readFile(file, 'utf8')).slice(0, 200));
    await assert.rejects(openClusterAuthority({directory, clock: systemClock}), error =>
      isCoordinatorError(error, 'corrupt'),
    );
  });

  it('renews a server certificate a month before it ends', async () => {
    const clock = new ManualClock();
    const authority = await createClusterAuthority({clock});
    const tls = await ServerTls.open({authority, names: [], clock, logger: silentLogger});
    const first = tls.material.cert;
    const renewed = new Promise(resolve => tls.onRenewed(resolve));
    const day = 86_400_000;
    clock.advance(59 * day);
    assert.equal(tls.material.cert, first);
    clock.advance(2 * day);
    await renewed;
    tls.dispose();
    assert.notEqual(tls.material.cert, first);
  });
});

describe('listening', () => {
  it('refuses any address but loopback without TLS, and says what to do', () => {
    for (const host of ['127.0.0.1', '127.3.2.1', '::1', '[::1]', 'localhost'])
      checkListenAddress(host, false);
    for (const host of ['0.0.0.0', '::', '192.168.1.5', 'example.org', '128.0.0.1', '']) {
      assert.throws(
        () => checkListenAddress(host, false),
        error => isCoordinatorError(error, 'config') && /TLS/.test(error.hint ?? ''),
        host,
      );
      checkListenAddress(host, true);
    }
  });
});
