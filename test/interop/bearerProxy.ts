/** Adds a token to every request on its way: for programs that cannot be given one. Everything else goes through as it is, streams too. */
import {once} from 'node:events';
import {createServer, request as forward} from 'node:http';
import type {AddressInfo} from 'node:net';

export interface BearerProxy {
  readonly url: string;
  close(): void;
}

export async function bearerProxy(target: string, token: string): Promise<BearerProxy> {
  const {hostname, port, pathname} = new URL(target);
  const server = createServer((request, response) => {
    const headers = {...request.headers, authorization: `Bearer ${token}`};
    const onward = forward({hostname, port, path: request.url, method: request.method, headers}, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      // A stream is there before its first event.
      response.flushHeaders();
      answer.pipe(response);
    });
    onward.once('error', () => response.destroy());
    // Who leaves before the answer has ended is seen to leave.
    response.once('close', () => onward.destroy());
    request.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
