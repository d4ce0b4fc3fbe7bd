/** A TCP proxy on loopback that can be cut, healed, delayed and narrowed, in process: what a network does to one agent's connections. */
import {once, setMaxListeners} from 'node:events';
import {type AddressInfo, connect, createServer, type Server, type Socket} from 'node:net';
import {setTimeout as pause} from 'node:timers/promises';

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** Learnt from its first bytes. */
  isWebSocket: boolean;
  isHeld: boolean;
}

export type Cut = 'none' | 'webSockets' | 'all';

export class CuttingProxy {
  private readonly pairs = new Set<Pair>();
  private readonly closed = new AbortController();
  private present: Cut = 'none';
  private delayMs = 0;
  private bytesPerSecond = Number.POSITIVE_INFINITY;

  private constructor(
    private readonly server: Server,
    /** Read at every connection, so that the target may move. */
    private readonly target: () => number,
    private readonly host: string,
  ) {
    // Every chunk on its way listens to it.
    setMaxListeners(0, this.closed.signal);
    server.on('connection', socket => this.accept(socket));
  }

  /** Forwards to that port of the host. */
  static async open(target: () => number, host = '127.0.0.1'): Promise<CuttingProxy> {
    const server = createServer({pauseOnConnect: true});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new CuttingProxy(server, target, host);
  }

  /** As `open`, with a door that is open already. */
  static behind(server: Server, target: () => number, host: string): CuttingProxy {
    return new CuttingProxy(server, target, host);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.pairs.size;
  }

  /**
   * As a pulled cable: nothing passes and nobody is told. What is sent meanwhile waits here and in the sockets, and arrives after `heal`
   * where its connection has lived that long. A cut of `webSockets` leaves plain HTTP alone, and connections that come later.
   */
  cut(what: Exclude<Cut, 'none'> = 'all'): void {
    this.present = what;
    for (const pair of this.pairs) if (what === 'all' || pair.isWebSocket) hold(pair);
  }

  /** Connections that waited go on. */
  heal(): void {
    this.present = 'none';
    for (const pair of this.pairs) this.carry(pair);
  }

  /** Every connection ends at once, as when a router restarts; new ones are let through, unless it is cut. */
  reset(): void {
    for (const {near, far} of this.pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** From now on everything arrives so much later, in its order. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** From now on no more than that passes in each direction of a connection; whoever sends has to wait. */
  narrow(bytesPerSecond: number): void {
    this.bytesPerSecond = bytesPerSecond;
  }

  async close(): Promise<void> {
    this.closed.abort();
    for (const {near, far} of this.pairs) {
      near.destroy();
      far.destroy();
    }
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(near: Socket): void {
    const far = connect({host: this.host, port: this.target()});
    const pair: Pair = {near, far, isWebSocket: false, isHeld: false};
    near.once('data', chunk => {
      pair.isWebSocket = /^upgrade: *websocket/im.test(chunk.toString('latin1'));
    });
    this.pairs.add(pair);
    far.pause();
    this.join(pair, near, far);
    this.join(pair, far, near);
    if (this.present === 'all') hold(pair);
    else this.carry(pair);
  }

  private join(pair: Pair, from: Socket, to: Socket): void {
    let last: Promise<unknown> | undefined;
    let sentAt = 0;
    const inOrder = (act: () => void, bytes = 0): void => {
      sentAt = Math.max(sentAt, performance.now()) + (bytes / this.bytesPerSecond) * 1000;
      const due = sentAt + this.delayMs;
      if (due <= performance.now() && !last) {
        act();
        return;
      }
      const turn = (last ?? Promise.resolve())
        .then(() => this.sleepUntil(due))
        .then(act)
        .catch(() => undefined)
        .then(() => {
          if (last === turn) last = undefined;
        });
      last = turn;
    };
    from.on('data', chunk => {
      inOrder(() => to.destroyed || to.write(chunk), chunk.length);
      if (!Number.isFinite(this.bytesPerSecond)) return;
      // No more is taken until this has gone; the delay comes after that.
      from.pause();
      void this.sleepUntil(sentAt)
        .then(() => pair.isHeld || from.resume())
        .catch(() => undefined);
    });
    // A cut hides an end as it hides everything else: paused sockets do not tell of it.
    from.on('end', () => inOrder(() => to.end()));
    from.on('error', () => undefined);
    from.on('close', () => {
      this.pairs.delete(pair);
      inOrder(() => to.destroy());
    });
  }

  private sleepUntil(due: number): Promise<void> {
    return pause(Math.max(0, due - performance.now()), undefined, {signal: this.closed.signal});
  }

  private carry(pair: Pair): void {
    pair.isHeld = false;
    pair.near.resume();
    pair.far.resume();
  }
}

function hold(pair: Pair): void {
  pair.isHeld = true;
  pair.near.pause();
  pair.far.pause();
}
