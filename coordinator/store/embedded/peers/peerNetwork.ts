/** The transport of a coordinator: a door for the others, a link to each of them, questions and answers, and snapshots beside. */
import type {WebSocket} from 'ws';
import type {Message} from '../../../raft/messages.ts';
import {assert} from '../../../runtime/assert.ts';
import {type Deferred, deferred} from '../../../runtime/deferred.ts';
import {CoordinatorError, describeError} from '../../../runtime/errors.ts';
import {dialPeer} from './dialPeer.ts';
import {bytesOf, channelOf, type FrameChannel} from './frameChannel.ts';
import type {Hello} from './handshake.ts';
import {decodeFrame, type PeerFrame} from './peerFrame.ts';
import type {PeerEnvironment, PeerIdentity} from './peerIdentity.ts';
import {PeerLink} from './peerLink.ts';
import {PeerServer} from './peerServer.ts';
import {SnapshotReceiver} from './snapshotReceiver.ts';
import {sendSnapshot} from './snapshotSender.ts';
import type {SnapshotSource, Transport, TransportListener} from './transport.ts';

export interface PeerNetworkOptions {
  readonly identity: PeerIdentity;
  readonly environment: PeerEnvironment;
  readonly listen: {readonly host: string; readonly port: number};
}

export class PeerNetwork implements Transport {
  private readonly links = new Map<string, PeerLink>();
  /** Of members that called: they may not be in any list yet, as the leader of one who joins, or have moved. */
  private readonly callers = new Map<string, string>();
  private known: ReadonlyMap<string, string> = new Map();
  private readonly stopping = new AbortController();
  private readonly calls = new Map<number, {readonly to: string; readonly answer: Deferred<string>}>();
  private asked = 0;
  private server: PeerServer | undefined;
  private listener: TransportListener | undefined;

  constructor(private readonly options: PeerNetworkOptions) {}

  async start(listener: TransportListener): Promise<void> {
    const {identity, environment, listen} = this.options;
    this.listener = listener;
    const receiver = new SnapshotReceiver(environment, identity.node, listener);
    this.server = new PeerServer(identity, environment, {
      isRemoved: id => listener.isRemoved(id),
      connected: (hello, socket) => this.connected(hello, socket, receiver),
    });
    await this.server.listen(listen.host, listen.port);
  }

  send(message: Message): void {
    this.links.get(message.to)?.add(message);
  }

  flush(): void {
    for (const link of this.links.values()) link.flush();
  }

  async call(to: string, body: string): Promise<string> {
    const {clock, settings} = this.options.environment;
    this.asked += 1;
    const id = this.asked;
    const answer = deferred<string>();
    this.calls.set(id, {to, answer});
    const late = clock.schedule(settings.callTimeoutMs, () =>
      answer.reject(new CoordinatorError('timeout', `${to} did not answer in time`)),
    );
    try {
      if (!this.links.get(to)?.sendFrame({kind: 'call', id, body}))
        throw new CoordinatorError('unavailable', `${to} cannot be reached`);
      return await answer.promise;
    } finally {
      late.dispose();
      this.calls.delete(id);
    }
  }

  async sendSnapshot(to: string, source: SnapshotSource): Promise<void> {
    const {identity, environment} = this.options;
    const address = this.links.get(to)?.address;
    if (address === undefined) throw new CoordinatorError('unavailable', `the address of ${to} is not known`);
    const dial = async (): Promise<FrameChannel> => {
      const {socket} = await dialPeer(identity, environment, to, address, 'snapshots');
      return channelOf(socket);
    };
    await sendSnapshot(environment, {from: identity.node, to, dial}, source, this.stopping.signal);
  }

  setPeers(addresses: ReadonlyMap<string, string>): void {
    for (const id of this.known.keys()) if (!addresses.has(id)) this.callers.delete(id);
    this.known = addresses;
    this.relink();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new CoordinatorError('closed', 'the store is closing'));
    for (const link of this.links.values()) link.dispose();
    this.links.clear();
    for (const {answer} of this.calls.values())
      answer.reject(new CoordinatorError('closed', 'the store is closing'));
    await this.server?.stop();
  }

  private relink(): void {
    if (this.stopping.signal.aborted) return;
    const {identity, environment} = this.options;
    // Who calls says where it is now, which is newer than what anybody has written down.
    const wanted = new Map([...this.known, ...this.callers]);
    wanted.delete(identity.node);
    for (const [id, link] of this.links) {
      if (wanted.get(id) === link.address) continue;
      link.dispose();
      this.links.delete(id);
      if (!wanted.has(id)) this.server?.drop(id);
    }
    for (const [id, address] of wanted) {
      if (this.links.has(id) || address === '') continue;
      const events = {
        unreachable: () => this.unreachable(id),
        gone: () => this.listener?.gone(id),
        removed: () => this.listener?.removed(),
      };
      this.links.set(id, new PeerLink(identity, environment, id, address, events));
    }
  }

  private unreachable(id: string): void {
    for (const {to, answer} of this.calls.values())
      if (to === id) answer.reject(new CoordinatorError('unavailable', `the connection to ${id} was lost`));
    this.listener?.unreachable(id);
  }

  private connected(hello: Hello, socket: WebSocket, receiver: SnapshotReceiver): void {
    const {from, address, channel} = hello;
    if (channel === 'snapshots') {
      receiver.accept(from, channelOf(socket));
      return;
    }
    if (address !== '' && this.callers.get(from) !== address) {
      this.callers.set(from, address);
      this.relink();
    }
    this.links.get(from)?.wake();
    socket.on('message', data => {
      try {
        this.take(from, decodeFrame(bytesOf(data), from, this.options.identity.node));
      } catch (error) {
        this.options.environment.logger.error('a frame of a member cannot be read', {from, error});
        socket.terminate();
      }
    });
  }

  private take(from: string, frame: PeerFrame): void {
    const {listener} = this;
    assert(listener, 'frames come after the start');
    if (frame.kind === 'messages') for (const message of frame.messages) listener.message(message);
    else if (frame.kind === 'answer') this.calls.get(frame.id)?.answer.resolve(frame.body);
    else if (frame.kind === 'call') {
      const {id} = frame;
      listener.call(from, frame.body).then(
        body => this.links.get(from)?.sendFrame({kind: 'answer', id, body}),
        (error: unknown) =>
          this.options.environment.logger.error('a question of a member failed', {
            from,
            error: describeError(error),
          }),
      );
    } else throw new CoordinatorError('corrupt', `a ${frame.kind} came over the wrong connection`);
  }
}
