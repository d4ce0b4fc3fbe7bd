/** What goes into and comes out of a Raft node. The node does no I/O: disk, network and time belong to whoever drives it. */
import type {Random} from '../runtime/random.ts';
import type {Message} from './messages.ts';

/**
 * `empty` is a new leader's first entry: committing it commits what earlier terms left (§5.4.2, §8 of the paper). The data of `configuration` is
 * a whole `Configuration` (configuration.ts), which the node takes up by itself when the entry is applied.
 */
export type EntryKind = 'command' | 'empty' | 'configuration';

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** A place in the log. */
export interface Position {
  readonly index: number;
  readonly term: number;
}

/** What must be on disk before anything that follows from it leaves the node (§5.1, figure 2). `vote` is '' for none. */
export interface HardState {
  readonly term: number;
  readonly vote: string;
  /**
   * A restarted node knows this much to be committed. It is persisted with every batch of entries and may otherwise lag; a driver must hand back
   * the newest one it has persisted, because a node may not campaign while a configuration is committed and not applied.
   */
  readonly commit: number;
}

export const NO_HARD_STATE: HardState = {term: 0, vote: '', commit: 0};

/** Who belongs to the cluster. Lists are sorted and disjoint, except that `learnersNext` is part of `outgoing`. */
export interface Configuration {
  readonly voters: readonly string[];
  /** Not empty: the configuration is joint, and a majority of these must agree, too (§4.3 of the dissertation). */
  readonly outgoing: readonly string[];
  /** Get every entry and count in no majority (§4.2.1). */
  readonly learners: readonly string[];
  /** Voters that are learners once the joint configuration is left. */
  readonly learnersNext: readonly string[];
}

/** `addVoter` promotes a learner; `addLearner` demotes a voter. */
export interface MembershipChange {
  readonly action: 'addVoter' | 'addLearner' | 'remove';
  readonly node: string;
}

/** The last entry that a snapshot covers, and the configuration as of that entry. */
export interface SnapshotMark extends Position {
  readonly configuration: Configuration;
}

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** What became of a read index that `RaftNode.read` promised. */
export type ReadState =
  /** State that has applied `index` is at least as new as the moment of the call. */
  | {readonly kind: 'ready'; readonly context: string; readonly index: number}
  /** The leader changed before it was confirmed: ask again. */
  | {readonly kind: 'dropped'; readonly context: string};

/** A follower lacks entries that are no longer in memory. The driver streams a snapshot that covers `index` or more, and reports the outcome. */
export interface SnapshotRequest {
  readonly to: string;
  readonly index: number;
}

/**
 * What a driver must do. Everything is handed out once.
 *
 * - `snapshot`, `hardState` and `entries` are one durable write, in this order: install the snapshot (received before, see `InstallSnapshot`) and
 *   drop the whole log before its end; then the hard state; then the entries, the first of which replaces everything at and behind its index.
 *   Then call `persisted`; there is something to write exactly when `hardState` is set. Until then further calls of `ready` hand out nothing to
 *   persist, but may hand out everything else.
 * - `messages` may be sent at once, before or during that write: what depends on it is handed out after `persisted`.
 * - `committed` is on disk already: apply in order, then call `appliedTo`. Until then no more of them are handed out.
 * - `reads` and `snapshots` need no acknowledgement.
 */
export interface Ready {
  readonly snapshot: SnapshotMark | undefined;
  /** Set whenever there are entries or a snapshot, too. */
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  readonly messages: readonly Message[];
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadState[];
  readonly snapshots: readonly SnapshotRequest[];
}

export type ProposeOutcome =
  /** Committed is what comes back at that place with that term. */
  | {readonly kind: 'appended'; readonly index: number; readonly term: number}
  /** On the way to the leader, without a promise. Whoever waits for its effect proposes again when time is up; the store tells repetitions apart. */
  | {readonly kind: 'forwarded'; readonly to: string}
  | {readonly kind: 'dropped'; readonly reason: DropReason};

/** `overloaded`: too many bytes are appended and not committed. */
export type DropReason = 'noLeader' | 'transferring' | 'overloaded' | 'removed';

export type ReadOutcome =
  /** A `ReadState` with this context will follow. */
  | {readonly kind: 'pending'; readonly context: string}
  | {readonly kind: 'dropped'; readonly reason: 'noLeader' | 'overloaded'};

export type MembershipOutcome =
  | {
      readonly kind: 'proposed';
      readonly index: number;
      readonly term: number;
      /** What applies with the entry. A joint one is left by itself. */
      readonly configuration: Configuration;
    }
  | {readonly kind: 'refused'; readonly reason: MembershipRefusal};

/**
 * `pending`: a change before this one is not applied, or nothing of the leader's own term is. `joint`: a joint configuration is being left.
 * `noVoters`: none would be left. `unchanged`: the cluster is like that already. `invalid`: a node is named twice or has no name.
 */
export type MembershipRefusal =
  | 'notLeader'
  | 'transferring'
  | 'pending'
  | 'joint'
  | 'noVoters'
  | 'unchanged'
  | 'invalid';

export type TransferOutcome =
  /** Over when this node no longer leads; given up after an election timeout, see `RaftNode.transferee`. */
  {readonly kind: 'started'} | {readonly kind: 'refused'; readonly reason: 'notLeader' | 'notVoter' | 'self'};

/**
 * `unapplied`: a configuration is committed and not applied here, or a snapshot is being installed (etcd's raft, issue 469). `promised`: with leases,
 * a leader counts on this node for a while.
 */
export type CampaignOutcome =
  | {readonly kind: 'started'}
  | {
      readonly kind: 'refused';
      readonly reason: 'leading' | 'notVoter' | 'unapplied' | 'diskHung' | 'promised';
    };

export type ProgressMode = 'probe' | 'replicate' | 'snapshot';

/** What a leader knows of another member. */
export interface ProgressStatus {
  readonly match: number;
  readonly next: number;
  readonly mode: ProgressMode;
  /** Heard of since the last look at the quorum. */
  readonly active: boolean;
  readonly learner: boolean;
}

export interface NodeStatus {
  readonly id: string;
  readonly role: Role;
  readonly term: number;
  readonly vote: string;
  readonly leader: string | undefined;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Last entry on this node's disk. */
  readonly stable: number;
  readonly committed: number;
  readonly applied: number;
  readonly configuration: Configuration;
  /** On the leader: a majority knows that `configuration` is the one in force, and can go on without the leader. False elsewhere. */
  readonly settled: boolean;
  /** Of the leader's; empty elsewhere. */
  readonly progress: ReadonlyMap<string, ProgressStatus>;
}

/** Sizes in bytes count the data of entries and a little for each. */
export interface RaftConfig {
  /** A node that has lost its disk comes back under another name: it may have voted and acknowledged. */
  readonly id: string;
  /** What the driver found on disk; the newest that it persisted. */
  readonly hardState?: HardState;
  /**
   * Where `entries` start: the snapshot's mark, with everything up to it applied. Index 0 for a new cluster: then every first voter starts with
   * the same configuration. A node that joins starts with `NO_CONFIGURATION` and an index of 0.
   */
  readonly start: SnapshotMark;
  readonly entries?: readonly Entry[];
  /** Spreads elections and names reads; a cluster that will never have a second voter needs none. */
  readonly random?: Random;
  /** Ticks without a leader until an election, at least; at most twice as many. Default 10. */
  readonly electionTicks?: number;
  /** Default 1. */
  readonly heartbeatTicks?: number;
  /** Most bytes of entries in one `Ready`, to persist and to apply. Default 4 MiB. */
  readonly maxReadyBytes?: number;
  /** Most bytes of entries in one message. Default 1 MiB. */
  readonly maxMessageBytes?: number;
  /** Messages with entries to one follower that may be unanswered. Default 128. */
  readonly maxInFlight?: number;
  /** Default 16 MiB. */
  readonly maxInFlightBytes?: number;
  /** A leader that has appended more than this without committing it takes no more. Default 256 MiB. */
  readonly maxUncommittedBytes?: number;
  /** Reads that wait on a leader; more are dropped. Default 65,536. */
  readonly maxPendingReads?: number;
  /**
   * A leader that a majority answered within an election timeout, less `leaseMarginTicks`, answers reads without a round of heartbeats. Needs clocks
   * whose rates differ by less than the margin, on every member, and the same setting there; and a driver that ticks for all the time that has passed,
   * a pause of the process included, before it asks for a read. Default false.
   */
  readonly leaseReads?: boolean;
  /** Default 2. */
  readonly leaseMarginTicks?: number;
  /**
   * A leader does not send word of a commit by itself: it goes with the next entries, at once to a member that waits for it (its own proposal, or a
   * read), and to the others when the driver calls `tellCommits`. Default false: at once to everyone.
   */
  readonly lazyCommits?: boolean;
}
