/** The door for members and who knocks at it, over real sockets: another authority, another secret, no TLS, a certificate that has run out. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {WebSocket} from 'ws';
import {createLogger} from '../../../../coordinator/observability/logger.ts';
import {delay, systemClock} from '../../../../coordinator/runtime/clock.ts';
import {describeError, isCoordinatorError} from '../../../../coordinator/runtime/errors.ts';
import {systemRandom} from '../../../../coordinator/runtime/random.ts';
import {createServerCertificate} from '../../../../coordinator/security/certificates.ts';
import {
  type ClusterAuthority,
  createClusterAuthority,
} from '../../../../coordinator/security/clusterAuthority.ts';
import {realDisk} from '../../../../coordinator/store/embedded/disk.ts';
import {type DialedPeer, dialPeer} from '../../../../coordinator/store/embedded/peers/dialPeer.ts';
import type {
  PeerEnvironment,
  PeerIdentity,
} from '../../../../coordinator/store/embedded/peers/peerIdentity.ts';
import {PeerServer} from '../../../../coordinator/store/embedded/peers/peerServer.ts';
import {DEFAULT_PEER_SETTINGS} from '../../../../coordinator/store/embedded/peers/peerSettings.ts';
import {found} from '../../../support/waiting.ts';

const DAY_MS = 86_400_000;
const NO_MEMBER = /somebody came to the door for members who is none/;

describe('the door for members', function () {
  this.timeout(30_000);
  let authority: ClusterAuthority;
  let lines: string[];
  let servers: PeerServer[];
  let dialed: DialedPeer[];
  let environment: PeerEnvironment;

  before(async () => {
    authority = await createClusterAuthority({clock: systemClock});
  });
  beforeEach(() => {
    [lines, servers, dialed] = [[], [], []];
    environment = {
      clock: systemClock,
      random: systemRandom,
      logger: createLogger({
        sink: {write: line => void lines.push(line)},
        level: 'debug',
        format: 'text',
        wallNow: systemClock.wallNow,
      }),
      disk: realDisk,
      folder: tmpdir(),
      settings: DEFAULT_PEER_SETTINGS,
    };
  });
  afterEach(async () => {
    for (const {socket} of dialed) socket.terminate();
    for (const server of servers) await server.stop();
  });

  async function identity(
    node: string,
    by: ClusterAuthority | undefined,
    validDays = 1,
  ): Promise<PeerIdentity> {
    const names = ['127.0.0.1'];
    const made = by && (await createServerCertificate(by, names, {wallNow: Date.now(), validDays}));
    return {
      cluster: 'fleet',
      node,
      secret: 'a secret of the tests',
      address: '',
      tls: made && by && {...made, ca: by.cert},
    };
  }

  async function open(who: PeerIdentity): Promise<string> {
    const server = new PeerServer(who, environment, {isRemoved: () => false, connected: () => undefined});
    servers.push(server);
    const port = await server.listen('127.0.0.1', 0);
    return `${who.tls ? 'wss' : 'ws'}://127.0.0.1:${port}`;
  }

  async function dial(who: PeerIdentity, address: string): Promise<DialedPeer> {
    const peer = await dialPeer(who, environment, 'a', address, 'messages');
    dialed.push(peer);
    return peer;
  }

  const refuses = (promise: Promise<unknown>, code: 'unauthorized' | 'unavailable', why: RegExp) =>
    assert.rejects(promise, error => {
      assert.ok(isCoordinatorError(error, code), describeError(error));
      assert.match(describeError(error), why);
      return true;
    });
  const saidAtTheDoor = (why: RegExp) =>
    found(
      () => lines.find(line => NO_MEMBER.test(line) && why.test(line)),
      5000,
      () => `a word about it:\n${lines.join('\n')}`,
    );

  it('opens to members with certificates of one authority', async () => {
    const address = await open(await identity('a', authority));
    await dial(await identity('b', authority), address);
  });

  it('is not believed with a certificate of another authority, and says that somebody left', async () => {
    const other = await createClusterAuthority({clock: systemClock});
    const address = await open(await identity('a', authority));
    await refuses(
      dial(await identity('b', other), address),
      'unauthorized',
      /127\.0\.0\.1:\d+ has no certificate of this cluster's authority: .*(certificate|signature)/,
    );
    await saidAtTheDoor(/./);
  });

  it('stays shut to who does not know the secret, authority or not', async () => {
    const address = await open(await identity('a', authority));
    const stranger = {...(await identity('b', authority)), secret: 'another secret'};
    await refuses(dial(stranger, address), 'unauthorized', /a does not know the secret of this cluster/);
  });

  it('tells who speaks in the clear from a member, and that one what may be wrong', async () => {
    const address = await open(await identity('a', authority));
    const plain = address.replace('wss:', 'ws:');
    await refuses(dial(await identity('b', undefined), plain), 'unavailable', /hangs up; it may speak TLS/);
    await saidAtTheDoor(/http request/i);
    const socket = new WebSocket(`${plain}/peer`);
    const [error] = await once(socket, 'error');
    assert.ok(error);
  });

  it('does not get a word out of a member that wants TLS when it has none', async () => {
    const address = await open(await identity('a', undefined));
    await refuses(
      dial(await identity('b', authority), address.replace('ws:', 'wss:')),
      'unavailable',
      /hangs up; it may not speak TLS, and this member does/,
    );
  });

  it('says once in a while who comes again and again', async () => {
    const address = await open(await identity('a', authority));
    const plain = address.replace('wss:', 'ws:');
    for (let n = 0; n < 3; n++) await assert.rejects(dial(await identity('b', undefined), plain));
    await saidAtTheDoor(/./);
    assert.equal(
      lines.filter(line => line.includes('warn') && NO_MEMBER.test(line)).length,
      1,
      lines.join('\n'),
    );
  });

  it('keeps the connections that it has when its certificate runs out, and gets no new ones', async () => {
    const days = 2500 / DAY_MS;
    const made = Date.now();
    const address = await open(await identity('a', authority, days));
    const member = await identity('b', authority);
    const {socket} = await dial(member, address);
    await delay(systemClock, made + 4000 - Date.now());
    const answered = once(socket, 'pong');
    socket.ping();
    await answered;
    await refuses(dial(member, address), 'unauthorized', /certificate has expired/);
  });

  it('says which address it cannot have', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    assert.ok(typeof address === 'object' && address);
    const who = await identity('a', undefined);
    const server = new PeerServer(who, environment, {isRemoved: () => false, connected: () => undefined});
    await assert.rejects(server.listen('127.0.0.1', address.port), error => {
      assert.ok(isCoordinatorError(error, 'config'));
      assert.match(error.hint ?? '', /--peer-listen/);
      return true;
    });
    taken.close();
  });
});
