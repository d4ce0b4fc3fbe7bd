/** A TCP proxy in front of a hub that cuts its connections on demand, also in the middle of a frame. */
import {once} from 'node:events';
import * as net from 'node:net';

export class CuttingProxy {
  cuts = 0;
  private readonly pairs = new Set<{client: net.Socket; upstream: net.Socket; left: number}>();
  private refusing = false;
  private stalled = false;

  private constructor(
    private readonly server: net.Server,
    readonly port: number,
  ) {}

  static async open(target: number): Promise<CuttingProxy> {
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new CuttingProxy(server, (server.address() as net.AddressInfo).port);
    server.on('connection', client => proxy.connect(client, target));
    return proxy;
  }

  /** New connections are closed at once. */
  refuse(refusing: boolean): void {
    this.refusing = refusing;
  }

  /** Nothing comes from the hub any more, and nothing is closed. */
  stall(stalled: boolean): void {
    this.stalled = stalled;
  }

  cut(): void {
    for (const pair of [...this.pairs]) this.drop(pair);
  }

  /** Cuts each connection when `bytes` more have come from the hub. */
  cutAfter(bytes: number): void {
    for (const pair of this.pairs) pair.left = bytes;
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  private connect(client: net.Socket, target: number): void {
    if (this.refusing) {
      client.destroy();
      return;
    }
    const upstream = net.connect(target, '127.0.0.1');
    const pair = {client, upstream, left: Number.POSITIVE_INFINITY};
    this.pairs.add(pair);
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      if (this.stalled) return;
      client.write(chunk.subarray(0, Math.min(chunk.length, pair.left)));
      pair.left -= chunk.length;
      if (pair.left <= 0) this.drop(pair);
    });
    for (const socket of [client, upstream]) {
      socket.on('error', () => this.drop(pair));
      socket.on('close', () => this.drop(pair));
    }
  }

  private drop(pair: {client: net.Socket; upstream: net.Socket; left: number}): void {
    if (!this.pairs.delete(pair)) return;
    this.cuts += 1;
    pair.client.destroySoon();
    pair.upstream.destroy();
  }
}
