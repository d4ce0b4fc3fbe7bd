/** The way to one peer: a connection that is opened again when it breaks, and a bounded queue. What does not fit is dropped: Raft sends it again. */
import type {WebSocket} from 'ws';
import type {Message} from '../../../raft/messages.ts';
import {every} from '../../../runtime/clock.ts';
import {type Disposable, noDisposable} from '../../../runtime/disposable.ts';
import {isCoordinatorError, systemErrorCode} from '../../../runtime/errors.ts';
import {dialPeer, RemovedFromCluster} from './dialPeer.ts';
import {encodeFrame, type PeerFrame} from './peerFrame.ts';
import type {PeerEnvironment, PeerIdentity} from './peerIdentity.ts';

export interface PeerLinkListener {
  /** What was sent may be lost. */
  unreachable(): void;
  /** It was there, and now nobody listens at its address. */
  gone(): void;
  removed(): void;
}

/** About as much goes into one frame: one message more at most, which Raft limits. */
const FRAME_BYTES = 4 * 1024 * 1024;

function* framesOf(messages: readonly Message[]): Generator<Message[], void> {
  let frame: Message[] = [];
  let bytes = 0;
  for (const message of messages) {
    frame.push(message);
    bytes += bytesOf(message);
    if (bytes < FRAME_BYTES) continue;
    yield frame;
    frame = [];
    bytes = 0;
  }
  if (frame.length > 0) yield frame;
}

function bytesOf(message: Message): number {
  let bytes = 64;
  if (message.kind === 'append') for (const entry of message.entries) bytes += entry.data.length + 16;
  else if (message.kind === 'propose') for (const data of message.data) bytes += data.length;
  return bytes;
}

/** The machine is up and says that nobody listens there. */
function isRefused(error: unknown): boolean {
  return isCoordinatorError(error) && systemErrorCode(error.cause) === 'ECONNREFUSED';
}

export class PeerLink implements Disposable {
  private socket: WebSocket | undefined;
  private dialing = false;
  private disposed = false;
  private tries = 0;
  private retry: Disposable = noDisposable;
  private messages: Message[] = [];
  private warned = false;
  /** A connection has ended, and no other has been tried since. */
  private lost = false;

  constructor(
    private readonly identity: PeerIdentity,
    private readonly environment: PeerEnvironment,
    readonly peer: string,
    readonly address: string,
    private readonly listener: PeerLinkListener,
  ) {
    this.dial();
  }

  get connected(): boolean {
    return this.socket !== undefined;
  }

  add(message: Message): void {
    this.messages.push(message);
  }

  flush(): void {
    const {messages} = this;
    if (messages.length === 0) return;
    this.messages = [];
    let isSent = true;
    for (const some of framesOf(messages)) isSent &&= this.sendFrame({kind: 'messages', messages: some});
    if (!isSent && this.socket) this.listener.unreachable();
  }

  /** False when it was dropped. */
  sendFrame(frame: PeerFrame): boolean {
    const {socket} = this;
    if (!socket || socket.bufferedAmount > this.environment.settings.maxQueueBytes) return false;
    socket.send(encodeFrame(frame));
    return true;
  }

  /** The peer is there: it has just called. */
  wake(): void {
    if (this.socket || this.dialing) return;
    this.tries = 0;
    this.retry.dispose();
    this.dial();
  }

  dispose(): void {
    this.disposed = true;
    this.retry.dispose();
    this.socket?.terminate();
  }

  private dial(): void {
    const {identity, environment, peer, address} = this;
    this.dialing = true;
    dialPeer(identity, environment, peer, address, 'messages').then(
      ({socket, closed}) => {
        this.dialing = false;
        if (this.disposed) socket.terminate();
        else this.opened(socket, closed);
      },
      (error: unknown) => {
        this.dialing = false;
        if (this.disposed) return;
        if (error instanceof RemovedFromCluster) this.listener.removed();
        else if (this.lost && isRefused(error)) this.listener.gone();
        this.lost = false;
        this.failed(error);
      },
    );
  }

  private opened(socket: WebSocket, closed: Promise<void>): void {
    const {clock, logger, settings} = this.environment;
    logger.info('connected to a member', {peer: this.peer, address: this.address});
    this.socket = socket;
    this.tries = 0;
    this.warned = false;
    this.lost = false;
    let heard = true;
    socket.on('pong', () => {
      heard = true;
    });
    const pings = every(clock, settings.pingMs, () => {
      if (!heard) socket.terminate();
      heard = false;
      socket.ping();
    });
    void closed.then(() => {
      pings.dispose();
      this.socket = undefined;
      if (this.disposed) return;
      logger.info('lost the connection to a member', {peer: this.peer});
      this.listener.unreachable();
      this.lost = true;
      this.redial();
    });
  }

  private failed(error: unknown): void {
    // Once for each time it goes away; a member that is down for a week should not fill the log.
    if (!this.warned)
      this.environment.logger.warn('cannot connect to a member; trying on', {peer: this.peer, error});
    this.warned = true;
    this.redial();
  }

  private redial(): void {
    const {clock, random, settings} = this.environment;
    this.tries += 1;
    const ceiling = Math.min(
      settings.maxBackoffMs,
      settings.minBackoffMs * 2 ** Math.min(this.tries - 1, 20),
    );
    this.retry = clock.schedule(ceiling * (0.5 + random.next() / 2), () => this.dial(), {background: true});
  }
}
