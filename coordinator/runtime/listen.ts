/** Opens and closes servers, and waits for it. Who may come in is theirs to say. */
import {once} from 'node:events';
import type {Server} from 'node:http';
import type {AddressInfo, Server as SocketServer} from 'node:net';

/** Resolves with the port, a free one for `port` 0. Rejects as the system does when the address cannot be had. */
export async function listenOn(server: SocketServer, port: number, host: string): Promise<number> {
  server.listen({host, port});
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

export function listenOnLoopback(server: SocketServer, port = 0): Promise<number> {
  return listenOn(server, port, '127.0.0.1');
}

/** Resolves when it is closed, with every connection that it had; at once when it never listened. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}
