/**
 * The hub: every connection of agents and clients, authorised and routed to the handlers that the composition root gives it. What a command
 * means is its handler's.
 */
import type {IncomingMessage} from 'node:http';
import type {Duplex} from 'node:stream';
import {type WebSocket, WebSocketServer} from 'ws';
import {CLOSE_CODES} from '../bridge/closeCodes.ts';
import type {CallHandler, IncomingCall} from '../bridge/peer.ts';
import type {Logger} from '../observability/logger.ts';
import type {Method} from '../protocol/commands/table.ts';
import {DEFAULT_TENANT} from '../protocol/ids.ts';
import {PROTOCOL_VERSION} from '../protocol/version.ts';
import {type Clock, delay, every} from '../runtime/clock.ts';
import {deferred} from '../runtime/deferred.ts';
import {type Disposable, DisposableStore, toDisposable} from '../runtime/disposable.ts';
import {Emitter, type Event} from '../runtime/emitter.ts';
import {newId, type Random} from '../runtime/random.ts';
import type {Principal} from '../security/principal.ts';
import {type AgentAddress, type AgentLink, AgentLinks, type HubAgentChannel} from './agentLinks.ts';
import {type Caller, connectionCaller} from './caller.ts';
import {type CommandHandler, Commands} from './commands.ts';
import {HubConnection} from './connection.ts';
import {Dialer, type DialTarget} from './dialer.ts';
import {
  type Authenticate,
  chooseSubprotocol,
  Doorkeeper,
  offeredSubprotocols,
  type Refusal,
} from './doorkeeper.ts';
import {
  type Health,
  HttpFront,
  type PublicRoute,
  pathOf,
  type Route,
  refuseUpgrade,
  SHUTTING_DOWN,
  type TlsMaterial,
} from './httpFront.ts';
import {type HubSettings, hubSettings} from './hubSettings.ts';
import type {ServePlain} from './plainMcp.ts';

export interface HubOptions {
  /** The coordinator's id. */
  readonly coordinator: string;
  /** The build's version. */
  readonly version: string;
  readonly authenticate: Authenticate;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings?: Partial<HubSettings>;
  /** Host names and addresses by which it is reached beside loopback. */
  readonly publicNames?: readonly string[];
  readonly tls?: TlsMaterial;
  /** PEM of the cluster's authority, served at /ca. */
  readonly authority?: () => string;
  /** Files of the web pages, served without a token. */
  readonly pages?: PublicRoute;
  /** A reason for a person while the coordinator cannot do all its work. */
  readonly degraded?: () => string | undefined;
}

const SOCKET_PATHS: ReadonlySet<string> = new Set(['/', '/mcpx', '/mcp']);

export class Hub {
  private readonly settings: HubSettings;
  private readonly front: HttpFront;
  private readonly sockets: WebSocketServer;
  private readonly doorkeeper: Doorkeeper;
  private readonly commands = new Commands();
  private readonly links: AgentLinks;
  private readonly connections = new Map<string, HubConnection>();
  private readonly perPrincipal = new Map<string, number>();
  private readonly lifetime = new DisposableStore();
  private readonly startedAt: number;
  private readonly drainBegins = new Emitter<void>();
  private plain: ServePlain | undefined;
  private admitting = 0;
  private draining = false;
  private stopped: Promise<void> | undefined;

  constructor(private readonly options: HubOptions) {
    const {clock, logger} = options;
    this.settings = hubSettings(options.settings);
    this.startedAt = clock.now();
    this.doorkeeper = new Doorkeeper(options.publicNames ?? [], options.authenticate);
    this.links = this.lifetime.add(new AgentLinks({clock, logger}, this.settings));
    this.sockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: this.settings.maxFrameBytes,
      clientTracking: false,
      handleProtocols: offered => chooseSubprotocol(offered) ?? false,
    });
    this.front = new HttpFront({
      settings: this.settings,
      logger,
      doorkeeper: this.doorkeeper,
      tls: options.tls,
      authority: options.authority,
      health: () => this.health(),
      pages: options.pages,
      onUpgrade: (request, socket, head) => void this.onUpgrade(request, socket, head),
    });
    const period = Math.min(this.settings.pingIntervalMs, this.settings.pongTimeoutMs) / 2;
    this.lifetime.add(every(clock, period, () => this.checkConnections()));
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** Connections of people and their programs, not of agents and other coordinators. */
  get clientCount(): number {
    let clients = 0;
    for (const {granted} of this.connections.values())
      if (granted.role !== 'agent' && granted.role !== 'peer') clients += 1;
    return clients;
  }

  /** An agent's newest connection has registered. */
  get onAgentConnected(): AgentLinks['onConnected'] {
    return this.links.onConnected;
  }

  /** An agent's connection has closed and no other took its place. */
  get onAgentDisconnected(): AgentLinks['onDisconnected'] {
    return this.links.onDisconnected;
  }

  /** It takes nothing new from now on: what stays open by itself has to end. */
  get onDrain(): Event<void> {
    return this.drainBegins.event;
  }

  /** Serves a method. Give every handler before `listen`. */
  handle<M extends Method>(method: M, handler: CommandHandler<M>): void {
    this.commands.handle(method, handler);
  }

  /** An HTTP route behind the same door: the bearer token has been checked. */
  addRoute(route: Route): void {
    this.front.addRoute(route);
  }

  /** Serves WebSocket connections whose peer speaks MCP and not our extension. Give it before `listen`. */
  servePlain(serve: ServePlain): void {
    this.plain = serve;
  }

  agentChannel(tenant: string = DEFAULT_TENANT): HubAgentChannel {
    return this.links.channel(tenant);
  }

  /** Another hub has the agent's socket: its commands go over `link`, until disposed or until the agent registers here. */
  attachElsewhere(address: AgentAddress, link: AgentLink): Disposable {
    this.links.attach(address, link);
    return toDisposable(() => this.links.detach(address, link));
  }

  /** What was said about another hub is over: the connection that the agent has here serves again. */
  serveHere(address: AgentAddress): void {
    this.links.serveHere(address);
  }

  /** Runs a command as `caller`, as if it had come over a connection. */
  async dispatch(call: Pick<IncomingCall, 'method' | 'params'>, caller: Caller): Promise<object> {
    return this.commands.dispatch(call, caller);
  }

  listen(address: {host: string; port: number}): Promise<{host: string; port: number}> {
    return this.front.listen(address.host, address.port);
  }

  /** Connects to an agent that listens, and keeps connecting until disposed. The agent registers as it does on a connection of its own. */
  dial(target: DialTarget): Disposable {
    const {clock, random, logger} = this.options;
    const {minRedialBackoffMs, maxRedialBackoffMs, maxFrameBytes} = this.settings;
    const settings = {minBackoffMs: minRedialBackoffMs, maxBackoffMs: maxRedialBackoffMs, maxFrameBytes};
    const accept = (socket: WebSocket, raw: Duplex, principal: Principal): void =>
      void this.accept(socket, raw, principal);
    return this.lifetime.add(new Dialer(target, {clock, random, logger, settings, accept}));
  }

  renewTls(tls: TlsMaterial): void {
    this.front.renewTls(tls);
  }

  health(): Health {
    const {coordinator, version, clock, degraded} = this.options;
    const detail = degraded?.();
    return {
      status: this.draining ? 'draining' : detail === undefined ? 'ok' : 'degraded',
      coordinator,
      version,
      protocol: PROTOCOL_VERSION,
      uptime: Math.floor((clock.now() - this.startedAt) / 1000),
      ...(detail === undefined ? {} : {detail}),
    };
  }

  /** Closes the connections that were admitted as such a principal: its token was revoked. */
  disconnect(matches: (granted: Principal) => boolean): void {
    for (const connection of this.connections.values())
      if (matches(connection.granted)) connection.close(CLOSE_CODES.unauthorized, 'the token was revoked');
  }

  /** Closes an agent's connections for good: it does not come back by itself. */
  dismissAgent(agentId: string, tenant: string = DEFAULT_TENANT): void {
    for (const connection of this.connections.values()) {
      const {principal} = connection;
      if (principal.agentId === agentId && principal.tenant === tenant)
        connection.close(CLOSE_CODES.replaced, 'the agent was removed');
    }
  }

  /** Takes nothing new, lets requests in work end for at most `graceMs`, and closes every connection with 1001. */
  stop(options: {graceMs: number}): Promise<void> {
    this.stopped ??= this.drain(options.graceMs);
    return this.stopped;
  }

  private async drain(graceMs: number): Promise<void> {
    this.draining = true;
    this.drainBegins.emit();
    const {clock, logger} = this.options;
    const left = [...this.connections.values()].map(connection => this.letGo(connection));
    const grace = new AbortController();
    const over = delay(clock, graceMs, grace.signal).then(
      () => logger.warn('requests were cut off', {connections: this.connections.size}),
      () => undefined,
    );
    // Health is served to the last, so that whoever watches it sees the drain.
    await Promise.race([Promise.all([...left, this.front.quiet()]), over]);
    grace.abort();
    for (const connection of this.connections.values())
      connection.close(CLOSE_CODES.goingAway, SHUTTING_DOWN.message);
    this.lifetime.dispose();
    const answered = this.front.close();
    const cut = clock.schedule(this.settings.closeGraceMs, () => this.front.destroy());
    await answered;
    cut.dispose();
  }

  /** Closes a connection when its requests in work have been answered; resolves when it has closed. */
  private letGo(connection: HubConnection): Promise<void> {
    const closed = deferred<void>();
    connection.onClose(() => closed.resolve());
    const leave = (): void => connection.close(CLOSE_CODES.goingAway, SHUTTING_DOWN.message);
    if (connection.requestsInFlight === 0) leave();
    // The answer itself is sent a moment after the request stops counting.
    else connection.onIdle(() => this.options.clock.schedule(0, leave));
    return closed.promise;
  }

  private async onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const onError = (error: Error): void => {
      this.options.logger.debug('a socket failed before its upgrade', {error});
      socket.destroy();
    };
    socket.on('error', onError);
    const {clock, logger} = this.options;
    const late = clock.schedule(this.settings.authenticationTimeoutMs, () => socket.destroy());
    this.admitting += 1;
    try {
      const refusal = this.upgradeFault(request) ?? (await this.admitUpgrade(request, socket, head, onError));
      if (refusal) refuseUpgrade(socket, refusal);
    } catch (error) {
      logger.error('an upgrade failed', {error});
      refuseUpgrade(socket, {status: 503, message: 'the token could not be checked'});
    } finally {
      this.admitting -= 1;
      late.dispose();
    }
  }

  private upgradeFault(request: IncomingMessage): Refusal | undefined {
    if (this.draining) return SHUTTING_DOWN;
    if (!SOCKET_PATHS.has(pathOf(request))) return {status: 404, message: 'nothing here'};
    if (this.connections.size + this.admitting > this.settings.maxConnections)
      return {status: 503, message: 'too many connections'};
    if (chooseSubprotocol(offeredSubprotocols(request)) === undefined)
      return {status: 426, message: 'offer the subprotocol mcpx.v1 or mcp'};
    return this.doorkeeper.nameFault(request);
  }

  private async admitUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    onError: (error: Error) => void,
  ): Promise<Refusal | undefined> {
    const admission = await this.doorkeeper.admit(request);
    if (admission.kind === 'refused') return admission;
    const {principal} = admission;
    if ((this.perPrincipal.get(countKey(principal)) ?? 0) >= this.settings.maxConnectionsPerPrincipal)
      return {
        status: 429,
        message: `more than ${this.settings.maxConnectionsPerPrincipal} connections with this token`,
      };
    if (this.draining) return SHUTTING_DOWN;
    if (socket.destroyed) return undefined;
    socket.off('error', onError);
    this.sockets.handleUpgrade(request, socket, head, webSocket => this.accept(webSocket, socket, principal));
    return undefined;
  }

  private accept(socket: WebSocket, raw: Duplex, principal: Principal): HubConnection {
    const {clock, logger, random, coordinator, version} = this.options;
    const connection = new HubConnection(
      newId(random, 'k'),
      principal,
      socket,
      raw,
      {
        clock,
        logger,
        settings: this.settings,
        peer: {implementation: {name: coordinator, version}, logger},
        draining: () => this.draining,
        servePlain: this.plain,
      },
      owner => this.serve(owner),
    );
    const key = countKey(principal);
    this.connections.set(connection.id, connection);
    this.perPrincipal.set(key, (this.perPrincipal.get(key) ?? 0) + 1);
    connection.onClose(() => {
      this.connections.delete(connection.id);
      const left = (this.perPrincipal.get(key) ?? 1) - 1;
      if (left > 0) this.perPrincipal.set(key, left);
      else this.perPrincipal.delete(key);
    });
    return connection;
  }

  private serve(connection: HubConnection): CallHandler {
    return async call => {
      const result = await this.commands.dispatch(call, connectionCaller(connection, call));
      if (call.method === 'mcpx.agent.register') this.onRegistered(connection, call.params.instance.id);
      return result;
    };
  }

  private onRegistered(connection: HubConnection, agentId: string): void {
    const {tenant} = connection.granted;
    connection.principal = {id: `agent:${agentId}`, tenant, role: 'agent', agentId};
    // The agent hears that it is registered before it gets a command.
    this.options.clock.schedule(0, () => this.attachAgent(connection, {tenant, agentId}));
  }

  private attachAgent(connection: HubConnection, address: {tenant: string; agentId: string}): void {
    if (!connection.isOpen) return;
    const known = connection.agentLink;
    const link = known ?? {connectionId: connection.id, peer: connection.peer};
    connection.agentLink = link;
    // Registered again, it may have been taken for an old one meanwhile.
    const older = this.links.attach(address, link);
    if (older && !older.remote)
      this.connections.get(older.connectionId)?.close(CLOSE_CODES.replaced, 'a newer connection took over');
    if (!known) connection.onClose(() => this.links.detach(address, link));
  }

  private checkConnections(): void {
    for (const connection of this.connections.values()) connection.checkAlive();
  }
}

function countKey(principal: Principal): string {
  return `${principal.tenant}/${principal.id}`;
}
