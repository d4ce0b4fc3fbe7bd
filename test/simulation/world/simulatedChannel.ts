/** Connections over the simulated network: frames in order and once, until one end hangs up or a frame cannot get through. */
import {CoordinatorError} from '../../../coordinator/runtime/errors.ts';
import type {FrameChannel} from '../../../coordinator/store/embedded/peers/frameChannel.ts';
import type {Network} from './network.ts';
import type {SimulatedTransport, TransportWorld} from './simulatedTransport.ts';

/** A connection that nobody answers is given up after this. */
const DIAL_TIMEOUT_MS = 200;

/** Resolves when the other end has taken the connection. */
export function connect(from: SimulatedTransport, to: string, world: TransportWorld): Promise<FrameChannel> {
  const {network} = world;
  return new Promise((resolve, reject) => {
    const unreachable = (): void =>
      from.process.run(() => reject(new CoordinatorError('unavailable', `cannot reach ${to}`)));
    from.process.after(DIAL_TIMEOUT_MS, unreachable);
    network.send(
      from.id,
      to,
      () => {
        const other = world.transport(to);
        other?.process.run(() => {
          const here = new Wire(network, other, from);
          const there = new Wire(network, from, other);
          here.join(there);
          if (other.accept(from.id, here))
            network.send(to, from.id, () => from.process.run(() => resolve(there)), true);
        });
      },
      true,
    );
  });
}

/** One end of a connection. */
class Wire implements FrameChannel {
  private other: Wire | undefined;
  private taker: ((frame: Buffer) => void) | undefined;
  private ended: (() => void)[] = [];
  private over = false;
  /** What arrived before anybody listened. */
  private early: Buffer[] = [];
  private lastArrival = 0;

  constructor(
    private readonly network: Network,
    private readonly own: SimulatedTransport,
    private readonly peer: SimulatedTransport,
  ) {}

  join(other: Wire): void {
    this.other = other;
    other.other = this;
  }

  send(frame: Uint8Array): void {
    if (this.over) return;
    const bytes = Buffer.from(frame);
    this.transmit(() => this.other?.arrived(bytes));
  }

  onFrame(take: (frame: Buffer) => void): void {
    this.taker = take;
    for (const frame of this.early.splice(0)) take(frame);
  }

  onceClosed(ended: () => void): void {
    if (this.over) ended();
    else this.ended.push(ended);
  }

  close(): void {
    if (this.over) return;
    this.transmit(() => this.other?.end());
    this.end();
  }

  terminate(): void {
    this.close();
  }

  /** To the other end, behind what went there before. What cannot get there breaks the connection at this end; the other one never hears of it. */
  private transmit(deliver: () => void): void {
    const {network, own, peer} = this;
    this.lastArrival = network.sendInOrder(own.id, peer.id, this.lastArrival, arrives => {
      if (arrives && peer.process.alive) peer.process.run(deliver);
      else own.process.run(() => this.end());
    });
  }

  private arrived(frame: Buffer): void {
    if (this.over) return;
    if (this.taker) this.taker(frame);
    else this.early.push(frame);
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    for (const ended of this.ended.splice(0)) ended();
  }
}
