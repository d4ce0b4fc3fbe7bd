/** A bare WebSocket to a hub, for what a well-behaved client never does. */
import {once} from 'node:events';
import {WebSocket} from 'ws';
import type {CloseInfo} from '../../coordinator/bridge/closeCodes.ts';
import {extensionCapabilities, ownExtension} from '../../coordinator/protocol/negotiation.ts';
import {FEATURES} from '../../coordinator/protocol/version.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';

export interface JsonFrame {
  readonly id?: string | number;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: {readonly code: number; readonly message: string; readonly data?: unknown};
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

export class RawSocket {
  readonly frames: JsonFrame[] = [];
  readonly closed: Promise<CloseInfo>;
  private waiting: (() => void)[] = [];

  private constructor(readonly socket: WebSocket) {
    const closed = deferred<CloseInfo>();
    this.closed = closed.promise;
    socket.on('close', (code, reason) => {
      closed.resolve({code, reason: reason.toString()});
      this.wake();
    });
    // Reported as a close.
    socket.on('error', () => undefined);
    socket.on('message', data => {
      this.frames.push(JSON.parse(data.toString()) as JsonFrame);
      this.wake();
    });
  }

  static async open(url: string, token = 'client', protocols = ['mcpx.v1']): Promise<RawSocket> {
    const socket = new WebSocket(url, protocols, {
      perMessageDeflate: false,
      headers: {authorization: `Bearer ${token}`},
    });
    const raw = new RawSocket(socket);
    await once(socket, 'open');
    return raw;
  }

  /** Opens and says `initialize` as an MCPX client does that wants each message in a frame of its own. */
  static async greeted(url: string, token = 'client'): Promise<RawSocket> {
    const raw = await RawSocket.open(url, token);
    const features = FEATURES.filter(feature => feature !== 'frames.batch');
    await raw.initialize(extensionCapabilities(ownExtension(features)));
    return raw;
  }

  initialize(capabilities: object): Promise<JsonFrame> {
    const clientInfo = {name: 'raw', version: '0'};
    return this.ask(0, 'initialize', {protocolVersion: '2025-11-25', capabilities, clientInfo});
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  ask(id: string | number, method: string, params: object = {}): Promise<JsonFrame> {
    this.send({jsonrpc: '2.0', id, method, params});
    return this.next(frame => frame.id === id);
  }

  /** The first frame, past or future, that fits; rejects when the socket closes before. */
  async next(fits: (frame: JsonFrame) => boolean): Promise<JsonFrame> {
    for (let seen = 0; ; ) {
      for (; seen < this.frames.length; seen++) {
        const frame = this.frames[seen];
        if (frame && fits(frame)) return frame;
      }
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error('closed before the frame came');
      await new Promise<void>(resolve => this.waiting.push(resolve));
    }
  }

  /** Resolves when so many frames have come in all, or the socket has closed. */
  async count(frames: number): Promise<void> {
    while (this.frames.length < frames && this.socket.readyState !== WebSocket.CLOSED)
      await new Promise<void>(resolve => this.waiting.push(resolve));
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** The HTTP status with which the hub refuses an upgrade. */
export async function refusedUpgrade(
  url: string,
  options: {headers?: Record<string, string>; protocols?: string[]; token?: string | undefined},
): Promise<number> {
  const {headers = {}, protocols = ['mcpx.v1'], token = 'client'} = options;
  const socket = new WebSocket(url, protocols, {headers: {authorization: `Bearer ${token}`, ...headers}});
  const refused = deferred<number>();
  socket.on('unexpected-response', (request, response) => {
    response.resume();
    request.destroy();
    refused.resolve(response.statusCode ?? 0);
  });
  socket.on('open', () => {
    socket.terminate();
    refused.reject(new Error('the upgrade was accepted'));
  });
  socket.on('error', error => refused.reject(error));
  return refused.promise;
}
