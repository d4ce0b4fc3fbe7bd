/**
 * For agents that a hub dials: waits for the hub's socket where others would open one. What is said over it is the same, and the agent
 * still speaks first.
 */
import {createHash, timingSafeEqual} from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import type {AddressInfo} from 'node:net';
import {type WebSocket, WebSocketServer} from 'ws';
import {CLOSE_CODES} from '../../bridge/closeCodes.ts';
import type {FrameSink} from '../../bridge/frameTransport.ts';
import type {OpenSocket, SocketEvents} from '../../client/clientSocket.ts';
import type {Logger} from '../../observability/logger.ts';
import {SUBPROTOCOLS} from '../../protocol/version.ts';
import {deferred} from '../../runtime/deferred.ts';
import {CoordinatorError} from '../../runtime/errors.ts';

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM. Any address but loopback demands it. */
  readonly tls?: {readonly cert: string; readonly key: string} | undefined;
  /** How the hub reaches it, where that is not the address listened on. */
  readonly publicUrl?: string | undefined;
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);
const MAX_FRAME_BYTES = 8 * 1024 ** 2;

interface Waiting {
  readonly events: SocketEvents;
  socket: WebSocket | undefined;
}

export class ListeningSocket {
  private waiting: Waiting | undefined;
  /** Came while nobody waited; the newest counts. */
  private unclaimed: WebSocket | undefined;

  private constructor(
    private readonly server: http.Server | https.Server,
    private readonly sockets: WebSocketServer,
    readonly url: string,
  ) {
    sockets.on('connection', socket => this.arrived(socket));
  }

  /** `token` is what the hub has to show. Throws `config` for an open address without TLS, `unavailable` when the port is taken. */
  static async open(
    options: ListenOptions,
    token: () => string | undefined,
    logger: Logger,
  ): Promise<ListeningSocket> {
    const {host, port, tls} = options;
    if (!tls && !LOOPBACK.has(host))
      throw new CoordinatorError('config', `listening on ${host} needs a certificate`, {
        hint: 'Give a certificate and key, or listen on 127.0.0.1.',
      });
    const server = tls ? https.createServer({...tls}, answerHealth) : http.createServer(answerHealth);
    const sockets = new WebSocketServer({
      server,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      handleProtocols: offered => SUBPROTOCOLS.find(protocol => offered.has(protocol)) ?? false,
      verifyClient: ({req}: {req: http.IncomingMessage}) => {
        const allowed = shows(req.headers.authorization, token());
        if (!allowed)
          logger.warn('refused a hub that did not show the token', {from: req.socket.remoteAddress});
        return allowed;
      },
    });
    const listening = deferred<void>();
    server.once('error', error =>
      listening.reject(
        new CoordinatorError('unavailable', `cannot listen on ${host}:${port}`, {cause: error}),
      ),
    );
    server.listen(port, host, () => listening.resolve());
    await listening.promise;
    const address = server.address() as AddressInfo;
    const own = `${tls ? 'wss' : 'ws'}://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
    return new ListeningSocket(server, sockets, options.publicUrl ?? own);
  }

  /** In place of a socket that dials. */
  readonly openSocket: OpenSocket = (_, events) => {
    const waiting: Waiting = {events, socket: undefined};
    this.waiting = waiting;
    const {unclaimed} = this;
    this.unclaimed = undefined;
    // Not before the caller has its sink.
    if (unclaimed) queueMicrotask(() => this.claim(waiting, unclaimed));
    return sinkOf(waiting);
  };

  async close(): Promise<void> {
    const closed = deferred<void>();
    for (const socket of this.sockets.clients) socket.terminate();
    this.sockets.close();
    this.server.close(() => closed.resolve());
    this.server.closeAllConnections();
    await closed.promise;
  }

  private arrived(socket: WebSocket): void {
    const {waiting} = this;
    // A hub that dials again has given the older socket up.
    this.unclaimed?.close(CLOSE_CODES.goingAway, 'a newer connection came');
    this.unclaimed = undefined;
    if (waiting && waiting.socket === undefined) this.claim(waiting, socket);
    else {
      this.unclaimed = socket;
      socket.on('error', () => undefined);
      socket.once('close', () => {
        if (this.unclaimed === socket) this.unclaimed = undefined;
      });
      waiting?.socket?.close(CLOSE_CODES.goingAway, 'a newer connection came');
    }
  }

  private claim(waiting: Waiting, socket: WebSocket): void {
    const {events} = waiting;
    waiting.socket = socket;
    let failure: Error | undefined;
    socket.on('message', (data, isBinary) => {
      if (isBinary) socket.close(CLOSE_CODES.unsupportedData, 'text frames only');
      else events.onFrame(data.toString());
    });
    socket.on('ping', () => events.onAlive());
    socket.on('error', error => {
      failure = error;
    });
    socket.once('close', (code, reason) => {
      if (this.waiting === waiting) this.waiting = undefined;
      events.onClose({code, reason: reason.toString()}, failure);
    });
    events.onOpen();
  }
}

/** For whoever found the address: that an agent is there, and nothing else. */
const answerHealth: http.RequestListener = (request, response) => {
  const isHealth = request.method === 'GET' && request.url === '/health';
  const headers = {'content-type': 'application/json', 'cache-control': 'no-store'};
  response.writeHead(isHealth ? 200 : 404, headers).end(JSON.stringify(isHealth ? {status: 'ok'} : {}));
};

function sinkOf(waiting: Waiting): FrameSink {
  return {
    send(text) {
      if (waiting.socket?.readyState !== 1) throw new CoordinatorError('closed', 'no hub has connected');
      waiting.socket.send(text);
    },
    close: (code, reason) => waiting.socket?.close(code, reason),
  };
}

/** In a time that does not tell how much of it was right. */
function shows(header: string | undefined, token: string | undefined): boolean {
  if (header === undefined || token === undefined) return false;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header), digest(`Bearer ${token}`));
}
