/** The public methods of RaftNode, for those who build on it while it is being written. */
import type {InstallSnapshot, Message} from './messages.ts';
import type {
  CampaignOutcome,
  Configuration,
  MembershipChange,
  MembershipOutcome,
  NodeStatus,
  ProposeOutcome,
  ReadOutcome,
  Ready,
  Role,
  SnapshotMark,
  TransferOutcome,
} from './types.ts';

export interface RaftApi {
  readonly id: string;
  readonly role: Role;
  readonly leader: string | undefined;
  readonly currentTerm: number;
  readonly lastIndex: number;
  readonly committed: number;
  readonly applied: number;
  /** As of the last applied entry. */
  readonly configuration: Configuration;
  /** Who is to lead instead of this leader, while the transfer lasts. */
  readonly transferee: string | undefined;
  /** A snapshot that was stepped in, accepted and not yet persisted. A driver discards the received file when its mark is not this one after `step`. */
  readonly installing: SnapshotMark | undefined;
  status(): NodeStatus;

  /** A period of the driver's clock has passed. A leader whose write has not been acknowledged for an election timeout steps down. */
  tick(): void;
  /** A message has arrived. The driver vouches for `message.from`, and that messages of strangers to the cluster do not get here. */
  step(message: Message): void;
  /** Appends on the leader, else passes it on to the leader. */
  propose(data: Uint8Array): ProposeOutcome;
  /** Leader only. One change of voters is a single step, more are a joint configuration that is left by itself. */
  changeMembership(changes: readonly MembershipChange[]): MembershipOutcome;
  /** Asks for an index such that a read after its application is linearizable (§6.4). The answer is in a `Ready`; it is lost with the process only. */
  read(): ReadOutcome;
  /** Leader only. Hands the lead to the voter `to` once its log is complete; proposals are dropped meanwhile. */
  transfer(to: string): TransferOutcome;
  /** Starts an election now, with the question first whether it can be won (pre-vote). */
  campaign(): CampaignOutcome;

  /** The message that follows the chunks of a snapshot with this mark to a follower that a `SnapshotRequest` named; undefined when it is not wanted any more. */
  snapshotMessage(to: string, mark: SnapshotMark): InstallSnapshot | undefined;
  /** The chunks and the message have arrived whole at `to`, or the attempt is over. One call for each `SnapshotRequest`. */
  reportSnapshot(to: string, outcome: 'delivered' | 'failed'): void;
  /** The link to `to` has broken: what is in flight to it may be lost. */
  reportUnreachable(to: string): void;

  readonly hasReady: boolean;
  /** What to do now. May be called while a write or an application is going on; it then hands out no second one. */
  ready(): Ready;
  /** The `snapshot`, `hardState` and `entries` of this ready are durable; a snapshot is also applied. */
  persisted(ready: Ready): void;
  /** Entries up to `index` of those handed out as `committed` are applied. */
  appliedTo(index: number): void;
  /** `persisted` and `appliedTo` in one, for drivers that do one `Ready` at a time. */
  advance(ready: Ready): void;
  /**
   * The write of this ready failed, and none of it will come back after a restart: as after one, what is not on disk is forgotten, and the node
   * follows. Its committed entries count as applied. Not for a ready with a snapshot.
   */
  abandon(ready: Ready): void;
  /** Frees memory of applied entries up to `index`. A driver with followers goes no further than the mark of a snapshot that it can send. */
  compactTo(index: number): void;
}
