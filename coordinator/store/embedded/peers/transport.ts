/** The seam between a replica and the others of its cluster: sockets in a coordinator, a simulated network in a simulation. */
import type {Message} from '../../../raft/messages.ts';
import type {SnapshotMark} from '../../../raft/types.ts';

/** A snapshot on this node's disk. */
export interface SnapshotSource {
  readonly mark: SnapshotMark;
  readonly file: string;
}

/** What arrives. */
export interface TransportListener {
  message(message: Message): void;
  /** What was on its way there may be lost. */
  unreachable(id: string): void;
  /** It was there, and now nobody listens at its address: its process has ended. */
  gone(id: string): void;
  /** A question of another member; the answer is JSON. Rejections are passed on as text. */
  call(from: string, body: string): Promise<string>;
  /** A whole snapshot is durable in `file`, which the listener owns from now on. */
  snapshotArrived(source: SnapshotSource): void;
  /** Whether it is of use: not while another one is being installed. */
  wantsSnapshot(mark: SnapshotMark): boolean;
  /** The others say that this node was removed. */
  removed(): void;
  /** Whether the member `id` was removed for good: it is told so. */
  isRemoved(id: string): boolean;
}

export interface Transport {
  /** Starts taking in what others send. */
  start(listener: TransportListener): Promise<void>;
  /** Goes with the next `flush`. It may be lost; never late by more than a connection lives. */
  send(message: Message): void;
  /** One frame to each who is to get something. */
  flush(): void;
  /** Asks another member. Rejects with `unavailable` when it cannot be reached, with `timeout` when it does not answer in time. */
  call(to: string, body: string): Promise<string>;
  /** Resolves when the other end has it whole on its disk. */
  sendSnapshot(to: string, source: SnapshotSource): Promise<void>;
  /** Everyone to talk to, with their addresses; those not named are let go. */
  setPeers(addresses: ReadonlyMap<string, string>): void;
  stop(): Promise<void>;
}
