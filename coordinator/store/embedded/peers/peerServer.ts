/**
 * The door for the other members: a port of its own. The store has to be there before the coordinator's own door can be (which asks it about tokens),
 * heartbeats must not wait behind clients, and a firewall can tell the two apart.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import {Socket} from 'node:net';
import {type WebSocket, WebSocketServer} from 'ws';
import {CoordinatorError} from '../../../runtime/errors.ts';
import {closeServer, listenOn} from '../../../runtime/listen.ts';
import {PEER_PATH} from './dialPeer.ts';
import {
  Confirmation,
  confirmationProof,
  HANDSHAKE_VERSION,
  Hello,
  isSameProof,
  parseHandshake,
  type Welcome,
  welcomeProof,
} from './handshake.ts';
import type {PeerEnvironment, PeerIdentity} from './peerIdentity.ts';

const NONCE_BYTES = 32;
/** Of all members, with what they may leave behind. */
const MAX_SOCKETS = 256;
const WARN_MS = 60_000;
const NO_MEMBER = 'somebody came to the door for members who is none';

export interface PeerServerListener {
  isRemoved(id: string): boolean;
  /** A peer has proved itself; its frames are not read before this returns. */
  connected(hello: Hello, socket: WebSocket): void;
}

export class PeerServer {
  private readonly server: http.Server | https.Server;
  private readonly sockets: WebSocketServer;
  private readonly open = new Map<WebSocket, string>();
  /** By address. */
  private readonly warnedAt = new Map<string, number>();

  constructor(
    private readonly identity: PeerIdentity,
    private readonly environment: PeerEnvironment,
    private readonly listener: PeerServerListener,
  ) {
    const {tls} = identity;
    this.server = tls
      ? https.createServer({cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2'}, refuse)
      : http.createServer(refuse);
    this.server.maxConnections = MAX_SOCKETS;
    this.server.on('clientError', (error, socket) => {
      this.turnedAway(error, socket instanceof Socket ? socket.remoteAddress : undefined);
      socket.destroy();
    });
    this.server.on('tlsClientError', (error: Error, socket: Socket) =>
      this.turnedAway(error, socket.remoteAddress),
    );
    this.sockets = new WebSocketServer({
      server: this.server,
      path: PEER_PATH,
      perMessageDeflate: false,
      maxPayload: environment.settings.maxFrameBytes,
    });
    // The server's own; it has listeners where somebody waits for them.
    this.sockets.on('error', () => undefined);
    this.sockets.on('connection', (socket, {socket: {remoteAddress}}) => this.greet(socket, remoteAddress));
  }

  async listen(host: string, port: number): Promise<number> {
    let bound: number;
    try {
      bound = await listenOn(this.server, port, host);
    } catch (cause) {
      throw new CoordinatorError('config', `cannot listen for the other members on ${host}:${port}`, {
        cause,
        hint: 'Choose another address with --peer-listen, or stop whatever uses this one.',
      });
    }
    this.server.on('error', error => this.environment.logger.error('the door for members failed', {error}));
    return bound;
  }

  /** Hangs up on a member that belongs no longer; when it calls again it is told. */
  drop(id: string): void {
    for (const [socket, from] of this.open) if (from === id) socket.terminate();
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets.clients) socket.terminate();
    await closeServer(this.server);
  }

  /** Whoever is turned away comes again at once, for weeks maybe: each address is told of once in a while. */
  private turnedAway(error: unknown, from = 'unknown'): void {
    const {clock, logger} = this.environment;
    const now = clock.now();
    const last = this.warnedAt.get(from) ?? Number.NEGATIVE_INFINITY;
    if (now - last < WARN_MS) {
      logger.debug(NO_MEMBER, {from, error});
      return;
    }
    if (this.warnedAt.size >= MAX_SOCKETS) this.warnedAt.clear();
    this.warnedAt.set(from, now);
    logger.warn(NO_MEMBER, {from, error});
  }

  private greet(socket: WebSocket, from: string | undefined): void {
    const {clock, random, settings} = this.environment;
    const late = clock.schedule(settings.handshakeTimeoutMs, () => socket.terminate());
    socket.on('error', () => undefined);
    socket.once('close', () => {
      late.dispose();
      this.open.delete(socket);
    });
    const fail = (error: unknown): void => {
      this.turnedAway(error, from);
      socket.terminate();
    };
    socket.once('message', (data, isBinary) => {
      try {
        if (isBinary) throw new CoordinatorError('unauthorized', 'a peer did not greet');
        const hello = parseHandshake(Hello, String(data));
        const refused = this.whyNot(hello);
        const answer = {nonce: random.hex(NONCE_BYTES), ...(refused ? {refused} : {})};
        const welcome = {...answer, proof: welcomeProof(this.identity.secret, hello, answer)};
        socket.once('message', confirmation => {
          try {
            this.confirm(hello, welcome, String(confirmation));
            late.dispose();
            this.open.set(socket, hello.from);
            this.listener.connected(hello, socket);
          } catch (error) {
            fail(error);
          }
        });
        socket.send(JSON.stringify(welcome));
      } catch (error) {
        fail(error);
      }
    });
  }

  private whyNot(hello: Hello): Welcome['refused'] {
    if (hello.version !== HANDSHAKE_VERSION) return 'version';
    if (hello.cluster !== this.identity.cluster) return 'cluster';
    if (this.listener.isRemoved(hello.from)) return 'removed';
    return hello.to === this.identity.node && hello.from !== this.identity.node ? undefined : 'node';
  }

  private confirm(hello: Hello, welcome: Welcome, text: string): void {
    const {proof} = parseHandshake(Confirmation, text);
    if (welcome.refused || !isSameProof(proof, confirmationProof(this.identity.secret, hello, welcome)))
      throw new CoordinatorError('unauthorized', `${hello.from} does not know the secret of this cluster`);
  }
}

function refuse(_request: http.IncomingMessage, response: http.ServerResponse): void {
  response.writeHead(404).end();
}
