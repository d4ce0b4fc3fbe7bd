/** A connection that carries whole frames, in order, until it ends: a WebSocket between coordinators, a simulated one in a simulation. */
import type {WebSocket} from 'ws';

export interface FrameChannel {
  /** Once the connection has ended, into the void. */
  send(frame: Uint8Array): void;
  onFrame(take: (frame: Buffer) => void): void;
  onceClosed(ended: () => void): void;
  /** Ends it when what was sent has gone. */
  close(): void;
  /** Ends it now. */
  terminate(): void;
}

export function channelOf(socket: WebSocket): FrameChannel {
  return {
    send: frame => socket.send(frame, () => undefined),
    onFrame: take => void socket.on('message', data => take(bytesOf(data))),
    onceClosed: ended => void socket.once('close', ended),
    close: () => socket.close(),
    terminate: () => socket.terminate(),
  };
}

/** One buffer that nobody else writes to: what is decoded are views of it. */
export function bytesOf(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}
