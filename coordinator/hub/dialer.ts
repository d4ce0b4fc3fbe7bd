/** Connections that the hub opens itself, to agents that listen: the socket is reversed, what is said over it is the same. */
import type {Duplex} from 'node:stream';
import {type ClientOptions, WebSocket} from 'ws';
import {type BackoffSettings, backoffMs} from '../bridge/backoff.ts';
import type {Logger} from '../observability/logger.ts';
import {DEFAULT_TENANT} from '../protocol/ids.ts';
import {SUBPROTOCOLS} from '../protocol/version.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import type {Random} from '../runtime/random.ts';
import type {Principal} from '../security/principal.ts';

export interface DialTarget {
  /** `ws(s)://host:port` */
  readonly url: string;
  /** Shown to the agent. */
  readonly token: string;
  readonly tenant?: string;
  /** The only agent that may register there; any where absent. */
  readonly agentId?: string;
  /** PEM of the only authority that is trusted; the system's where absent. */
  readonly ca?: string;
}

export interface DialerServices {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: BackoffSettings & {readonly maxFrameBytes: number};
  readonly accept: (socket: WebSocket, raw: Duplex, principal: Principal) => void;
}

/** Dials now, and again after every end, until it is disposed. */
export class Dialer implements Disposable {
  private timer: Disposable = noDisposable;
  private socket: WebSocket | undefined;
  private failures = 0;
  private disposed = false;

  constructor(
    private readonly target: DialTarget,
    private readonly services: DialerServices,
  ) {
    this.dial();
  }

  dispose(): void {
    this.disposed = true;
    this.timer.dispose();
    if (this.socket && this.socket.readyState === WebSocket.CONNECTING) this.socket.terminate();
    else this.socket?.close(1000);
  }

  private dial(): void {
    const {url, token, ca} = this.target;
    const options: ClientOptions = {
      perMessageDeflate: false,
      maxPayload: this.services.settings.maxFrameBytes,
      headers: {authorization: `Bearer ${token}`},
      ...(ca === undefined ? {} : {ca}),
    };
    const socket = new WebSocket(url, [...SUBPROTOCOLS], options);
    let raw: Duplex | undefined;
    this.socket = socket;
    socket.on('upgrade', response => {
      raw = response.socket;
    });
    socket.on('open', () => {
      this.failures = 0;
      if (raw) this.services.accept(socket, raw, this.principal());
    });
    socket.on('error', error => this.services.logger.debug('an agent was not reached', {url, error}));
    socket.on('close', () => this.redial());
  }

  private redial(): void {
    if (this.disposed) return;
    this.failures += 1;
    const {clock, random, settings} = this.services;
    this.timer = clock.schedule(backoffMs(settings, this.failures, random), () => this.dial());
  }

  private principal(): Principal {
    const {url, agentId, tenant = DEFAULT_TENANT} = this.target;
    return {id: `agent:${agentId ?? url}`, tenant, role: 'agent', agentId};
  }
}
