/** A TCP proxy that cuts or falsifies connections on request, between a real client and a real server. */
import {once} from 'node:events';
import * as net from 'node:net';

export interface CuttingProxy {
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: number;
  /** The next connections are cut after this many bytes in that direction, one entry a connection; undefined lets one through whole. */
  readonly cuts: ({readonly direction: 'up' | 'down'; readonly bytes: number} | undefined)[];
  /** While above zero, the next answers have a bit of their last byte flipped. */
  corruptAnswers: number;
  /** Ends every connection that is open. */
  endAll(): void;
  close(): Promise<void>;
}

export async function cuttingProxy(targetPort: number): Promise<CuttingProxy> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer();
  const state = {connections: 0, cuts: [] as CuttingProxy['cuts'][number][], corruptAnswers: 0};
  server.on('connection', client => {
    state.connections++;
    const cut = state.cuts.shift();
    const upstream = net.connect(targetPort, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => undefined);
    }
    const relay = (from: net.Socket, to: net.Socket, direction: 'up' | 'down'): void => {
      let left = cut?.direction === direction ? cut.bytes : Number.POSITIVE_INFINITY;
      from.on('data', (chunk: Buffer) => {
        const corrupt = direction === 'down' && state.corruptAnswers > 0 && chunk.includes('octet-stream');
        if (corrupt) {
          state.corruptAnswers--;
          const last = chunk.length - 1;
          chunk.writeUInt8(chunk.readUInt8(last) ^ 1, last);
        }
        const passed = chunk.subarray(0, left);
        left -= passed.length;
        to.write(passed, () => {
          if (left > 0) return;
          client.destroy();
          upstream.destroy();
        });
      });
      from.on('end', () => to.end());
      from.on('close', () => to.destroy());
    };
    relay(client, upstream, 'up');
    relay(upstream, client, 'down');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return Object.assign(state, {
    port: address.port,
    endAll() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}
