/** The HTTP(S) server of a hub: limits, the door, health, the authority's certificate and added routes. WebSocket upgrades go to the hub. */
import * as http from 'node:http';
import * as https from 'node:https';
import type {Duplex} from 'node:stream';
import type {Logger} from '../observability/logger.ts';
import {deferred} from '../runtime/deferred.ts';
import {Emitter} from '../runtime/emitter.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {listenOn} from '../runtime/listen.ts';
import {checkListenAddress} from '../security/listenPolicy.ts';
import type {Principal} from '../security/principal.ts';
import type {Doorkeeper, Refusal} from './doorkeeper.ts';
import type {HubSettings} from './hubSettings.ts';

export interface TlsMaterial {
  /** PEM, the leaf first. */
  readonly cert: string;
  readonly key: string;
}

export interface Health {
  readonly status: 'ok' | 'degraded' | 'draining';
  readonly coordinator: string;
  readonly version: string;
  readonly protocol: string;
  /** Seconds. */
  readonly uptime: number;
  readonly detail?: string;
}

/** Answers whether the request was its own; if so, it has been answered. */
export type Route = (
  request: http.IncomingMessage,
  response: http.ServerResponse,
  principal: Principal,
) => Promise<boolean>;

/** As a route, for whoever has found the door. */
export type PublicRoute = (request: http.IncomingMessage, response: http.ServerResponse) => Promise<boolean>;

export interface FrontOptions {
  readonly settings: HubSettings;
  readonly logger: Logger;
  readonly doorkeeper: Doorkeeper;
  readonly tls?: TlsMaterial | undefined;
  /** PEM of the cluster's authority, for agents that join with a pin. */
  readonly authority?: (() => string) | undefined;
  readonly health: () => Health;
  /** The web pages' own files, which hold no data: no token is asked for them. */
  readonly pages?: PublicRoute | undefined;
  readonly onUpgrade: (request: http.IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export const SHUTTING_DOWN: Refusal = {status: 503, message: 'this coordinator is shutting down'};

/** A peer that opens sockets beyond the WebSocket limit and says nothing is bounded too. */
const SPARE_SOCKETS = 1024;

export class HttpFront {
  private readonly server: http.Server | https.Server;
  private readonly routes: Route[] = [];
  private readonly quieted = new Emitter<void>();
  private inWork = 0;

  constructor(private readonly options: FrontOptions) {
    const {settings, tls} = options;
    const limits = {
      headersTimeout: settings.headersTimeoutMs,
      // A long upload is legitimate as long as it moves: the idle timeout below watches that.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.max(100, settings.headersTimeoutMs / 4),
      maxHeaderSize: 16 * 1024,
    };
    const listener: http.RequestListener = (request, response) => void this.serve(request, response);
    this.server = tls
      ? https.createServer({...limits, ...tls, minVersion: 'TLSv1.2'}, listener)
      : http.createServer(limits, listener);
    this.server.timeout = settings.idleTimeoutMs;
    this.server.maxConnections = settings.maxConnections + SPARE_SOCKETS;
    this.server.on('upgrade', options.onUpgrade);
    this.server.on('clientError', (_error, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      else socket.destroy();
    });
  }

  addRoute(route: Route): void {
    this.routes.push(route);
  }

  /** `port` 0 takes a free one. Throws `config` where TLS is needed, and when the address cannot be had. */
  async listen(host: string, port: number): Promise<{host: string; port: number}> {
    checkListenAddress(host, this.options.tls !== undefined);
    let bound: number;
    try {
      bound = await listenOn(this.server, port, host);
    } catch (error) {
      throw new CoordinatorError('config', `cannot listen on ${host}:${port}`, {
        cause: error,
        hint: 'choose another port with --port, or stop whatever uses this one',
      });
    }
    this.server.on('error', error => this.options.logger.error('the server failed', {error}));
    return {host, port: bound};
  }

  /** New connections get the new certificate; those that are open keep theirs. */
  renewTls(tls: TlsMaterial): void {
    if (this.server instanceof https.Server) this.server.setSecureContext({...tls, minVersion: 'TLSv1.2'});
  }

  /** Resolves when no route is at work. */
  async quiet(): Promise<void> {
    if (this.inWork === 0) return;
    const quiet = deferred<void>();
    const listening = this.quieted.event(quiet.resolve);
    await quiet.promise;
    listening.dispose();
  }

  /** Takes no more connections, and resolves when the last request has been answered. */
  close(): Promise<void> {
    if (!this.server.listening) return Promise.resolve();
    const closed = deferred<void>();
    this.server.close(() => closed.resolve());
    this.server.closeIdleConnections();
    return closed.promise;
  }

  /** Cuts whatever is left. */
  destroy(): void {
    this.server.closeAllConnections();
  }

  private async serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    try {
      await this.answer(request, response);
    } catch (error) {
      this.options.logger.error('an HTTP request failed', {path: pathOf(request), error});
      if (response.headersSent) response.destroy();
      else refuse(request, response, {status: 503, message: 'the request failed'});
    }
  }

  private async answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const {doorkeeper, authority, health, pages} = this.options;
    const fault = doorkeeper.nameFault(request);
    if (fault) return refuse(request, response, fault);
    const path = pathOf(request);
    const reading = request.method === 'GET' || request.method === 'HEAD';
    if (path === '/health' && reading) return this.answerHealth(response);
    if (path === '/ca' && reading && authority) {
      response.writeHead(200, {'content-type': 'application/x-pem-file'}).end(authority());
      return;
    }
    if (health().status === 'draining') return refuse(request, response, SHUTTING_DOWN);
    if (await pages?.(request, response)) return;
    const admission = await doorkeeper.admit(request);
    if (admission.kind === 'refused') return refuse(request, response, admission);
    this.inWork += 1;
    try {
      for (const route of this.routes) if (await route(request, response, admission.principal)) return;
      refuse(request, response, {status: 404, message: 'nothing here'});
    } finally {
      this.inWork -= 1;
      if (this.inWork === 0) this.quieted.emit();
    }
  }

  private answerHealth(response: http.ServerResponse): void {
    const health = this.options.health();
    const headers = {'content-type': 'application/json', 'cache-control': 'no-store'};
    response.writeHead(health.status === 'ok' ? 200 : 503, headers).end(JSON.stringify(health));
  }
}

/** Answers and hangs up: a refused sender's body is not read. */
function refuse(request: http.IncomingMessage, response: http.ServerResponse, refusal: Refusal): void {
  const headers: http.OutgoingHttpHeaders = {'content-type': 'application/json'};
  if (refusal.status === 401) headers['www-authenticate'] = 'Bearer';
  if (!request.complete) headers['connection'] = 'close';
  response.writeHead(refusal.status, headers).end(JSON.stringify({error: {message: refusal.message}}));
}

/** The same refusal for a request that asked for an upgrade. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const body = JSON.stringify({error: {message: refusal.message}});
  socket.end(
    [
      `HTTP/1.1 ${refusal.status} ${http.STATUS_CODES[refusal.status]}`,
      'Connection: close',
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...(refusal.status === 401 ? ['WWW-Authenticate: Bearer'] : []),
      '',
      body,
    ].join('\r\n'),
  );
}

export function pathOf(request: http.IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}
