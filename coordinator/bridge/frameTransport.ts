/** An SDK transport over anything that carries text frames. It answers what it must refuse; whether to go on after faults is the owner's decision. */
import type {Transport} from '@modelcontextprotocol/sdk/shared/transport.js';
import type {JSONRPCMessage} from '@modelcontextprotocol/sdk/types.js';
import {ProtocolError} from '../protocol/errors.ts';
import {CLOSE_CODES} from './closeCodes.ts';
import type {CheckedMessage, DirectTransport} from './directCalls.ts';
import {errorFrame, type Frame, type FrameKind, parseFrame} from './frame.ts';
import {FrameGathering} from './frameGathering.ts';

/** The sending half of a socket. `send` throws when it is closed. */
export interface FrameSink {
  send(text: string): void;
  /** Throws when `send` would. `waiting`: characters that have been taken for sending and not been sent. */
  check?(waiting: number): void;
  close(code: number, reason: string): void;
}

export type Received =
  | {readonly kind: FrameKind}
  | {readonly kind: 'fault'; readonly error: ProtocolError; readonly answered: boolean}
  | {readonly kind: 'batch'; readonly messages: number; readonly faults: readonly ProtocolError[]};

export class FrameTransport implements Transport, DirectTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  onDirect?: (kind: FrameKind, message: CheckedMessage) => boolean;
  /** Told of each message before it is delivered: who takes them may be decided by what the first ones say. */
  onArrival?: ((message: JSONRPCMessage) => void) | undefined;

  /** Highest id of a request that went out: a response above it answers nothing. */
  private lastId = 0;
  private dispatching = false;
  private refused = false;
  private closed = false;
  private acceptsBatches = false;
  /** Once the peer takes batches. */
  private gathering: FrameGathering | undefined;

  constructor(private readonly sink: FrameSink) {}

  acceptBatches(): void {
    this.acceptsBatches = true;
  }

  sendBatches(): void {
    this.gathering ??= new FrameGathering(frame => {
      try {
        this.sink.send(frame);
      } catch {
        // The sink is closed; its owner learns that from its close event, and whoever waits for an answer from its owner.
      }
    });
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  send(message: JSONRPCMessage): Promise<void> {
    if ('method' in message && 'id' in message && typeof message.id === 'number') this.lastId = message.id;
    try {
      this.sendText(JSON.stringify(message));
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  sendDirect(message: object): void {
    this.sendText(JSON.stringify(message));
  }

  /** Sends a message that is encoded already, in its place among the others. Throws when nothing can be sent. */
  sendText(text: string): void {
    const {gathering, sink} = this;
    if (!gathering) {
      sink.send(text);
      return;
    }
    sink.check?.(gathering.waiting);
    gathering.add(text);
  }

  /** Hands the messages of a frame to the peer, or answers them with a typed error. */
  receive(text: string): Received {
    const parsed = parseFrame(text, this.acceptsBatches);
    if (!isBatch(parsed)) return this.take(parsed);
    const faults: ProtocolError[] = [];
    for (const frame of parsed) {
      const received = this.take(frame);
      if (received.kind === 'fault') faults.push(received.error);
    }
    return {kind: 'batch', messages: parsed.length, faults};
  }

  private take(frame: Frame): Received {
    if (frame.kind === 'fault') return this.refuse(frame.id, frame.error);
    this.onArrival?.(frame.message);
    if (this.onDirect?.(frame.kind, frame.message as CheckedMessage)) return {kind: frame.kind};
    this.refused = false;
    this.dispatching = true;
    try {
      this.onmessage?.(frame.message);
    } finally {
      this.dispatching = false;
    }
    if (!this.refused) return {kind: frame.kind};
    const {message} = frame;
    const id = 'id' in message ? message.id : undefined;
    if (frame.kind !== 'response') {
      return this.refuse(id, new ProtocolError('invalidRequest', '_meta is malformed'));
    }
    // An error without an id is about a frame of ours; answering it could go on for ever. A response to a request that timed out is merely late.
    const issued = typeof id === 'number' && id <= this.lastId && id >= 0;
    if (id === undefined || issued) return {kind: 'response'};
    return this.refuse(undefined, new ProtocolError('invalidRequest', 'a response to no request', {id}));
  }

  /** The peer reports here every message that it could not place. */
  reportRefusal(): void {
    if (this.dispatching) this.refused = true;
  }

  /** The socket has closed. */
  end(): void {
    if (this.closed) return;
    this.closed = true;
    this.onclose?.();
  }

  close(): Promise<void> {
    this.gathering?.flush();
    if (!this.closed) this.sink.close(CLOSE_CODES.normal, '');
    this.end();
    return Promise.resolve();
  }

  private refuse(id: string | number | undefined, error: ProtocolError): Received {
    let answered = true;
    try {
      this.sendText(errorFrame(id, error));
    } catch {
      // The sink is closed; its owner learns that from its close event.
      answered = false;
    }
    return {kind: 'fault', error, answered};
  }
}

function isBatch(parsed: Frame | readonly Frame[]): parsed is readonly Frame[] {
  return Array.isArray(parsed);
}
