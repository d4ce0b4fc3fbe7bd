/** Opens an authenticated connection to a peer. */
import {type ClientOptions, WebSocket} from 'ws';
import {type Deferred, deferred} from '../../../runtime/deferred.ts';
import {CoordinatorError, isCoordinatorError, systemErrorCode} from '../../../runtime/errors.ts';
import {noMask} from '../../../runtime/noMask.ts';
import {
  confirmationProof,
  HANDSHAKE_VERSION,
  type Hello,
  isSameProof,
  parseHandshake,
  Welcome,
  welcomeProof,
} from './handshake.ts';
import type {PeerEnvironment, PeerIdentity} from './peerIdentity.ts';

export const PEER_PATH = '/peer';
const NONCE_BYTES = 32;

/** `message` of the error that says that this node was removed from the cluster. */
export class RemovedFromCluster extends CoordinatorError {
  constructor(by: string) {
    super('conflict', `${by} says that this node was removed from the cluster`);
  }
}

export interface DialedPeer {
  readonly socket: WebSocket;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
}

/** Rejects with `unavailable`, `timeout`, `unauthorized`, or `RemovedFromCluster`. The socket has no message listener left. */
export async function dialPeer(
  identity: PeerIdentity,
  {clock, random, settings}: PeerEnvironment,
  to: string,
  address: string,
  channel: Hello['channel'],
): Promise<DialedPeer> {
  const {tls} = identity;
  const options: ClientOptions = {
    perMessageDeflate: false,
    maxPayload: settings.maxFrameBytes,
    generateMask: noMask,
    ...(tls ? {ca: tls.ca} : {}),
  };
  const socket = new WebSocket(new URL(PEER_PATH, address), options);
  const outcome = deferred<void>();
  const closed = deferred<void>();
  const hello: Hello = {
    version: HANDSHAKE_VERSION,
    cluster: identity.cluster,
    from: identity.node,
    to,
    address: identity.address,
    channel,
    nonce: random.hex(NONCE_BYTES),
  };
  const late = clock.schedule(settings.handshakeTimeoutMs, () =>
    outcome.reject(new CoordinatorError('timeout', `${address} did not answer the greeting in time`)),
  );
  let failure: Error | undefined;
  socket.on('error', error => {
    failure = error;
  });
  socket.once('close', () => {
    closed.resolve();
    outcome.reject(notReached(address, failure));
  });
  socket.once('open', () => socket.send(JSON.stringify(hello)));
  socket.once('message', data => greet(identity, hello, socket, String(data), outcome));
  try {
    await outcome.promise;
    return {socket, closed: closed.promise};
  } catch (error) {
    socket.terminate();
    throw isCoordinatorError(error) ? error : notReached(address, error);
  } finally {
    late.dispose();
  }
}

/** Codes of Node for an end that does not understand us. */
const HUNG_UP = /ECONNRESET|EPROTO|HPE_/;
/** Codes for a certificate that is not the one that it should be. */
const CERTIFICATE = /CERT|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|ALTNAME/;

function notReached(address: string, cause: unknown): CoordinatorError {
  const code = systemErrorCode(cause) ?? '';
  if (CERTIFICATE.test(code))
    return new CoordinatorError('unauthorized', `${address} has no certificate of this cluster's authority`, {
      cause,
      hint: 'Start every member with --tls and a copy of the same authority.pem in its data directory.',
    });
  const speaks = address.startsWith('wss:') ? ['may not speak TLS', 'does'] : ['may speak TLS', 'does not'];
  if (HUNG_UP.test(code))
    return new CoordinatorError(
      'unavailable',
      `${address} hangs up; it ${speaks[0]}, and this member ${speaks[1]}`,
      {
        cause,
      },
    );
  return new CoordinatorError('unavailable', `cannot reach ${address}`, {cause});
}

function greet(
  {secret}: PeerIdentity,
  hello: Hello,
  socket: WebSocket,
  text: string,
  outcome: Deferred<void>,
): void {
  try {
    const welcome = parseHandshake(Welcome, text);
    if (!isSameProof(welcome.proof, welcomeProof(secret, hello, welcome)))
      throw new CoordinatorError('unauthorized', `${hello.to} does not know the secret of this cluster`, {
        hint: 'Start every member with the same MCPX_CLUSTER_TOKEN, or with a copy of the same authority.pem.',
      });
    if (welcome.refused === 'removed') throw new RemovedFromCluster(hello.to);
    if (welcome.refused !== undefined) throw refusal(welcome.refused, hello);
    socket.send(JSON.stringify({proof: confirmationProof(secret, hello, welcome)}));
    outcome.resolve();
  } catch (error) {
    outcome.reject(error);
  }
}

function refusal(reason: 'version' | 'cluster' | 'node', hello: Hello): CoordinatorError {
  const what = {
    version: 'speaks another version of the protocol between members',
    cluster: `does not belong to the cluster "${hello.cluster}"`,
    node: 'is another node than the list of peers says',
  };
  return new CoordinatorError('unauthorized', `the peer at the address of ${hello.to} ${what[reason]}`);
}
