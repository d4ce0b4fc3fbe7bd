/** A transport of the SDK's client over a WebSocket: a text frame is a message. */
import {
  deserializeMessage,
  type JSONRPCMessage,
  serializeMessage,
  type Transport,
} from '@modelcontextprotocol/client';
import {CLOSE_CODES} from '../../bridge/closeCodes.ts';
import type {FrameSink} from '../../bridge/frameTransport.ts';
import {deferred} from '../../runtime/deferred.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {OpenSocket} from '../clientSocket.ts';

export class SocketTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  private sink: FrameSink | undefined;
  private isClosed = false;

  constructor(
    private readonly openSocket: OpenSocket,
    private readonly target: {readonly url: string; readonly token: string | undefined},
  ) {}

  /** Rejects with what kept the socket from opening. */
  async start(): Promise<void> {
    const opened = deferred<void>();
    this.sink = this.openSocket(this.target, {
      onOpen: () => opened.resolve(),
      onAlive: () => undefined,
      onFrame: text => this.receive(text),
      onClose: ({code, reason}, error) => {
        const why = reason === '' ? `code ${code}` : reason;
        opened.reject(
          error ?? new CoordinatorError('unavailable', `${this.target.url} closed the connection: ${why}`),
        );
        this.ended();
      },
    });
    await opened.promise;
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (!this.sink || this.isClosed) throw new CoordinatorError('closed', 'the connection is closed');
    this.sink.send(serializeMessage(message).trimEnd());
  }

  async close(): Promise<void> {
    this.sink?.close(CLOSE_CODES.normal, '');
    this.ended();
  }

  private receive(text: string): void {
    let message: JSONRPCMessage;
    try {
      message = deserializeMessage(text);
    } catch (error) {
      this.onerror?.(error as Error);
      return;
    }
    this.onmessage?.(message);
  }

  private ended(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.onclose?.();
  }
}
