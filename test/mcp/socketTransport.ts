/** A client's transport of the SDK over a WebSocket, as Claude Code has one: subprotocol `mcp`, a text frame for each message. */
import {once} from 'node:events';
import type {JSONRPCMessage, Transport} from '@modelcontextprotocol/client';
import {WebSocket} from 'ws';

export class SocketTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  private readonly socket: WebSocket;

  constructor(url: string, token: string) {
    this.socket = new WebSocket(url, ['mcp'], {
      perMessageDeflate: false,
      // The SDK's client looks at a notification a moment after it came, and forgets a call's progress with its answer.
      allowSynchronousEvents: false,
      headers: {authorization: `Bearer ${token}`},
    });
    this.socket.on('message', data => this.onmessage?.(JSON.parse(data.toString()) as JSONRPCMessage));
    this.socket.on('close', () => this.onclose?.());
    this.socket.on('error', error => this.onerror?.(error));
  }

  async start(): Promise<void> {
    await once(this.socket, 'open');
  }

  send(message: JSONRPCMessage): Promise<void> {
    return new Promise((resolve, reject) =>
      this.socket.send(JSON.stringify(message), error => (error ? reject(error) : resolve())),
    );
  }

  close(): Promise<void> {
    this.socket.close();
    return Promise.resolve();
  }

  /** As when the machine's power fails. */
  cut(): void {
    this.socket.terminate();
  }
}
