/**
 * One WebSocket connection of the hub: limits in both directions, liveness, and the peer behind it, which exists from the first message on: an
 * idle connection costs little. What a command does is the hub's.
 */
import type {Duplex} from 'node:stream';
import type {RawData, WebSocket} from 'ws';
import {CLOSE_CODES, type CloseInfo} from '../bridge/closeCodes.ts';
import {FrameTransport} from '../bridge/frameTransport.ts';
import {type CallHandler, Peer, type PeerOptions} from '../bridge/peer.ts';
import {WriteGathering} from '../bridge/writeGathering.ts';
import type {Logger} from '../observability/logger.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {supportsFeature} from '../protocol/negotiation.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import type {Principal} from '../security/principal.ts';
import type {AgentLink} from './agentLinks.ts';
import type {Outbox} from './caller.ts';
import type {HubSettings} from './hubSettings.ts';
import {PLAIN_SUBPROTOCOL, peerKind, type ServePlain} from './plainMcp.ts';
import {TokenBucket} from './tokenBucket.ts';

export interface ConnectionServices {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: HubSettings;
  readonly peer: PeerOptions;
  /** Whether new requests are turned away. */
  readonly draining: () => boolean;
  /** Serves peers that speak MCP and not our extension. */
  readonly servePlain?: ServePlain | undefined;
}

/** For a backlog whose end the stream does not announce. */
const DRAIN_POLL_MS = 20;

export class HubConnection implements Outbox {
  /** Who may do what over it; an agent's is completed when it registers. */
  principal: Principal;
  /** Set once an agent has registered on it. */
  agentLink: AgentLink | undefined;
  private readonly transport: FrameTransport;
  private readonly gathering: WriteGathering;
  private readonly closing = new Emitter<CloseInfo>();
  private readonly idling = new Emitter<void>();
  private peerObject: Peer | undefined;
  private rate: TokenBucket | undefined;
  private faults: TokenBucket | undefined;
  /** The peer speaks MCP without our extension, and another serves it. */
  private isPlain = false;
  private closed: CloseInfo | undefined;
  private inFlight = 0;
  private lastHeard: number;
  private pingedAt: number | undefined;

  constructor(
    readonly id: string,
    /** As the token said, before any registration. */
    readonly granted: Principal,
    private readonly socket: WebSocket,
    /** The stream under the socket. */
    private readonly raw: Duplex,
    private readonly services: ConnectionServices,
    private readonly serve: (connection: HubConnection) => CallHandler,
  ) {
    this.principal = granted;
    this.lastHeard = services.clock.now();
    this.gathering = new WriteGathering(raw);
    this.transport = new FrameTransport({
      send: text => this.write(text),
      check: waiting => this.checkWritable(waiting),
      close: (code, reason) => this.close(code, reason),
    });
    if (services.servePlain && socket.protocol === PLAIN_SUBPROTOCOL)
      this.transport.onArrival = message => this.decideWhoServes(message);
    socket.on('message', (data, isBinary) => this.onMessage(data, isBinary));
    socket.on('pong', () => this.heard());
    socket.on('ping', () => this.heard());
    socket.on('close', (code, reason) => this.onClosed({code, reason: reason.toString()}));
    socket.on('error', error => services.logger.debug('a socket failed', {connection: id, error}));
  }

  get isOpen(): boolean {
    return this.closed === undefined && this.socket.readyState === this.socket.OPEN;
  }

  get requestsInFlight(): number {
    return this.inFlight;
  }

  get sharesEvents(): boolean {
    return this.peerObject !== undefined && supportsFeature(this.peerObject.version, 'watch.shared');
  }

  get backlog(): number {
    return this.socket.bufferedAmount;
  }

  get peer(): Peer {
    if (this.peerObject) return this.peerObject;
    const peer = new Peer(this.services.peer);
    peer.handle(this.limited(this.serve(this)));
    peer.attach(this.transport);
    this.peerObject = peer;
    return peer;
  }

  send(frame: string): void {
    if (!this.isOpen || this.isTooSlow()) return;
    this.transport.sendText(frame);
  }

  /** Streams that mind the backlog go on from here. */
  onceDrained(listener: () => void): Disposable {
    const {raw} = this;
    if (!raw.writableNeedDrain) return this.services.clock.schedule(DRAIN_POLL_MS, listener);
    raw.once('drain', listener);
    return {dispose: () => void raw.off('drain', listener)};
  }

  onClose(listener: (info: CloseInfo) => void): Disposable {
    if (!this.closed) return this.closing.event(listener);
    listener(this.closed);
    return noDisposable;
  }

  /** Calls whenever the last request in work has been answered. */
  onIdle(listener: () => void): Disposable {
    return this.idling.event(listener);
  }

  /** Says goodbye; whoever does not answer in time is cut off. */
  close(code: number, reason: string): void {
    if (this.closed || this.socket.readyState >= this.socket.CLOSING) return;
    this.socket.close(code, reason.slice(0, 120));
    const {clock, settings} = this.services;
    const cut = clock.schedule(settings.closeGraceMs, () => this.socket.terminate(), {background: true});
    this.closing.event(() => cut.dispose());
  }

  /** Pings a silent peer and closes a dead one. Called now and then. */
  checkAlive(): void {
    const {clock, settings, logger} = this.services;
    const now = clock.now();
    // While it is us who do not read, its silence says nothing.
    if (this.socket.isPaused) this.heard();
    if (this.pingedAt !== undefined) {
      if (now - this.pingedAt < settings.pongTimeoutMs) return;
      logger.info('a peer went silent', {connection: this.id, principal: this.principal.id});
      this.close(CLOSE_CODES.silent, 'no answer to a ping');
      this.socket.terminate();
    } else if (now - this.lastHeard >= settings.pingIntervalMs && this.isOpen) {
      this.pingedAt = now;
      this.socket.ping();
    }
  }

  private write(text: string): void {
    this.checkWritable();
    this.gathering.begin();
    this.socket.send(text);
  }

  private checkWritable(waiting = 0): void {
    if (!this.isOpen) throw new ProtocolError('unavailable', 'the connection is closed');
    if (this.isTooSlow(waiting)) throw new ProtocolError('overloaded', 'the peer reads too slowly');
  }

  /** Closes the connection of a peer that does not read, instead of buffering for it without bound. */
  private isTooSlow(waiting = 0): boolean {
    const {settings, logger} = this.services;
    if (this.backlog + waiting <= settings.maxBufferedBytes) return false;
    logger.warn('a peer reads too slowly', {connection: this.id, principal: this.principal.id});
    this.close(CLOSE_CODES.tooSlow, 'too much output is unread');
    return true;
  }

  private onMessage(data: RawData, isBinary: boolean): void {
    this.heard();
    if (!this.isOpen) return;
    if (isBinary) {
      this.close(CLOSE_CODES.unsupportedData, 'text frames only');
      return;
    }
    // Creates the peer, and with it the transport's receiver, unless it is still open who that is.
    if (!this.peerObject && !this.transport.onArrival && !this.isPlain) this.peer;
    const received = this.transport.receive(data.toString());
    this.slowDown(received.kind === 'batch' ? received.messages : 1);
    if (received.kind === 'fault') this.onFault(received.error);
    else if (received.kind === 'batch') for (const error of received.faults) this.onFault(error);
  }

  private onFault(error: ProtocolError): void {
    const {clock, settings, logger} = this.services;
    this.faults ??= new TokenBucket(clock, {perSecond: 1, burst: settings.maxFaults});
    if (this.faults.take()) return;
    logger.warn('too many malformed messages', {connection: this.id, principal: this.principal.id, error});
    this.close(CLOSE_CODES.tooManyFaults, 'too many malformed messages');
  }

  /** A sender beyond its rate is not read for a while: TCP slows it, and nothing is lost. */
  private slowDown(messages: number): void {
    const {clock, settings} = this.services;
    const perSecond = settings.maxMessagesPerSecond;
    this.rate ??= new TokenBucket(clock, {perSecond, burst: perSecond});
    this.rate.takeAnyway(messages);
    if (!this.socket.isPaused) this.pauseWhileInDebt(this.rate);
  }

  private pauseWhileInDebt(rate: TokenBucket): void {
    const waitMs = rate.debtMs;
    if (waitMs <= 0) {
      if (this.socket.isPaused) this.socket.resume();
      return;
    }
    this.socket.pause();
    this.services.clock.schedule(waitMs, () => this.pauseWhileInDebt(rate), {background: true});
  }

  private limited(serve: CallHandler): CallHandler {
    return async call => {
      const refusal = this.admitRequest();
      if (refusal) throw refusal;
      try {
        return await serve(call);
      } finally {
        this.answered();
      }
    };
  }

  private admitRequest(): ProtocolError | undefined {
    const {draining, settings} = this.services;
    if (draining()) return new ProtocolError('draining', 'this coordinator is shutting down');
    if (this.inFlight >= settings.maxInFlight)
      return new ProtocolError('overloaded', 'too many requests in work', {limit: this.inFlight});
    this.inFlight += 1;
    return undefined;
  }

  private answered(): void {
    this.inFlight -= 1;
    if (this.inFlight === 0) this.idling.emit();
  }

  /** Until the peer has said what it speaks, ours answers it. */
  private decideWhoServes(message: object): void {
    const kind = peerKind(message);
    if (kind !== 'undecided') this.transport.onArrival = undefined;
    if (kind !== 'plain') {
      if (!this.peerObject) this.peer;
      return;
    }
    this.isPlain = true;
    delete this.transport.onDirect;
    const {id, granted, transport} = this;
    this.services.servePlain?.({
      id,
      principal: granted,
      transport,
      admitRequest: () => this.admitRequest(),
      answered: () => this.answered(),
      onClose: listener => this.onClose(listener),
    });
  }

  private heard(): void {
    this.lastHeard = this.services.clock.now();
    this.pingedAt = undefined;
  }

  private onClosed(info: CloseInfo): void {
    if (this.closed) return;
    this.closed = info;
    this.transport.end();
    this.closing.emit(info);
    this.closing.dispose();
  }
}
