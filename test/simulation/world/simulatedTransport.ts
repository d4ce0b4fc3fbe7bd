/**
 * A replica's way to the others over the simulated network. Frames are the product's, byte by byte; each of Raft's messages has a frame of its own, so
 * that the network can lose, repeat and reorder them one by one, which is worse than what sockets do. Snapshots go over channels, as the product's do.
 */
import type {Message} from '../../../coordinator/raft/messages.ts';
import {type Deferred, deferred} from '../../../coordinator/runtime/deferred.ts';
import {CoordinatorError} from '../../../coordinator/runtime/errors.ts';
import type {FrameChannel} from '../../../coordinator/store/embedded/peers/frameChannel.ts';
import {decodeFrame, encodeFrame} from '../../../coordinator/store/embedded/peers/peerFrame.ts';
import type {PeerEnvironment} from '../../../coordinator/store/embedded/peers/peerIdentity.ts';
import {SnapshotReceiver} from '../../../coordinator/store/embedded/peers/snapshotReceiver.ts';
import {sendSnapshot} from '../../../coordinator/store/embedded/peers/snapshotSender.ts';
import type {
  SnapshotSource,
  Transport,
  TransportListener,
} from '../../../coordinator/store/embedded/peers/transport.ts';
import type {Process} from './machine.ts';
import type {Network} from './network.ts';
import {connect} from './simulatedChannel.ts';

/** What the world has for a transport. */
export interface TransportWorld {
  readonly network: Network;
  /** The transport of whatever runs on that machine now. */
  transport(id: string): SimulatedTransport | undefined;
  sent(from: string, message: Message): void;
  /** The replica has stopped its transport: it closes, or has failed. */
  stopped(from: SimulatedTransport): void;
}

export class SimulatedTransport implements Transport {
  private listener: TransportListener | undefined;
  private receiver: SnapshotReceiver | undefined;
  private known = new Set<string>();
  /** Who called and is in no list yet. */
  private readonly callers = new Set<string>();
  private queue: Message[] = [];
  private readonly calls = new Map<number, Deferred<string>>();
  private asked = 0;
  private readonly stopping = new AbortController();

  constructor(
    readonly id: string,
    readonly process: Process,
    private readonly world: TransportWorld,
    private readonly environment: PeerEnvironment,
  ) {}

  async start(listener: TransportListener): Promise<void> {
    this.listener = listener;
    this.receiver = new SnapshotReceiver(this.environment, this.id, listener);
  }

  send(message: Message): void {
    if (this.isLinked(message.to)) this.queue.push(message);
  }

  flush(): void {
    for (const message of this.queue.splice(0)) {
      this.world.sent(this.id, message);
      const frame = encodeFrame({kind: 'messages', messages: [message]});
      this.world.network.send(this.id, message.to, () => this.deliver(message.to, frame));
    }
  }

  async call(to: string, body: string): Promise<string> {
    const {clock, settings} = this.environment;
    if (!this.isLinked(to)) throw new CoordinatorError('unavailable', `${to} cannot be reached`);
    this.asked += 1;
    const id = this.asked;
    const answer = deferred<string>();
    this.calls.set(id, answer);
    const late = clock.schedule(settings.callTimeoutMs, () =>
      answer.reject(new CoordinatorError('timeout', `${to} did not answer in time`)),
    );
    this.sendOnce(to, encodeFrame({kind: 'call', id, body}));
    try {
      return await answer.promise;
    } finally {
      late.dispose();
      this.calls.delete(id);
    }
  }

  async sendSnapshot(to: string, source: SnapshotSource): Promise<void> {
    if (!this.isLinked(to)) throw new CoordinatorError('unavailable', `the address of ${to} is not known`);
    const dial = (): Promise<FrameChannel> => connect(this, to, this.world);
    await sendSnapshot(this.environment, {from: this.id, to, dial}, source, this.stopping.signal);
  }

  setPeers(addresses: ReadonlyMap<string, string>): void {
    for (const id of this.known) if (!addresses.has(id)) this.callers.delete(id);
    this.known = new Set(addresses.keys());
  }

  async stop(): Promise<void> {
    if (this.stopping.signal.aborted) return;
    const closed = new CoordinatorError('closed', 'the store is closing');
    this.stopping.abort(closed);
    for (const answer of this.calls.values()) answer.reject(closed);
    this.world.stopped(this);
  }

  /** Takes in a connection for a snapshot; false for one who does not belong, or while nothing is taken in. */
  accept(from: string, channel: FrameChannel): boolean {
    if (!this.receiver || this.stopping.signal.aborted || this.listener?.isRemoved(from)) return false;
    this.receiver.accept(from, channel);
    return true;
  }

  private isLinked(to: string): boolean {
    return !this.stopping.signal.aborted && (this.known.has(to) || this.callers.has(to));
  }

  private sendOnce(to: string, frame: Buffer): void {
    this.world.network.send(this.id, to, () => this.deliver(to, frame), true);
  }

  /** Runs at the end of the way: there is somebody to take it, or the sender hears that there is not. */
  private deliver(to: string, frame: Buffer): void {
    const other = this.world.transport(to);
    if (other?.process.alive) other.process.run(() => other.take(this.id, frame));
    else
      this.world.network.send(
        to,
        this.id,
        () => this.process.run(() => this.listener?.unreachable(to)),
        true,
      );
  }

  private take(from: string, bytes: Buffer): void {
    const {listener, world} = this;
    if (!listener || this.stopping.signal.aborted) return;
    if (listener.isRemoved(from)) {
      const told = (): void => {
        const other = world.transport(from);
        other?.process.run(() => other.listener?.removed());
      };
      world.network.send(this.id, from, told, true);
      return;
    }
    this.callers.add(from);
    const frame = decodeFrame(bytes, from, this.id);
    if (frame.kind === 'messages') for (const message of frame.messages) listener.message(message);
    else if (frame.kind === 'answer') this.calls.get(frame.id)?.resolve(frame.body);
    else if (frame.kind === 'call') {
      const {id} = frame;
      void listener
        .call(from, frame.body)
        .catch(() => undefined)
        .then(body => body !== undefined && this.sendOnce(from, encodeFrame({kind: 'answer', id, body})));
    }
  }
}
