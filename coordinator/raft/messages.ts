/** What Raft nodes say to each other. Messages may be lost, repeated, late and out of order, but not altered; carrying them is the driver's. */
import type {Entry, Position, SnapshotMark} from './types.ts';

interface Addressed {
  readonly to: string;
  readonly from: string;
}

interface OfTerm extends Addressed {
  readonly term: number;
}

/** Would you vote for me in `term`? Changes nothing at either end (dissertation §9.6). */
export interface PreVoteRequest extends OfTerm {
  readonly kind: 'preVote';
  /** The term that the sender would campaign in. */
  readonly term: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface PreVoteReply extends OfTerm {
  readonly kind: 'preVoteReply';
  /** Granted: the term of the request. Refused: the term of the one who refuses, or that of the asker if it is later. */
  readonly term: number;
  readonly granted: boolean;
  readonly committed: Position;
}

export interface VoteRequest extends OfTerm {
  readonly kind: 'vote';
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The leader asked for this election: who hears that leader votes all the same (§3.10, §4.2.3). */
  readonly transfer: boolean;
}

export interface VoteReply extends OfTerm {
  readonly kind: 'voteReply';
  readonly granted: boolean;
  /**
   * What the sender knows to be committed. One who left the cluster with a longer log would refuse for ever those who have the entry by which it
   * left and do not know that it is committed.
   */
  readonly committed: Position;
}

/** Entries, or none: then it says how far the log is committed, or asks whether the logs agree at `previousIndex`. */
export interface Append extends OfTerm {
  readonly kind: 'append';
  /** The entry before `entries`, which the follower must have. */
  readonly previousIndex: number;
  readonly previousTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
}

export interface AppendReply extends OfTerm {
  readonly kind: 'appendReply';
  readonly accepted: boolean;
  /** `previousIndex` of the message that this answers. */
  readonly previousIndex: number;
  /** Accepted: the last entry that is known to match, and on disk. Refused: the last one that may match. */
  readonly index: number;
  /** Refused: the follower's term at `index`. */
  readonly hintTerm: number;
}

export interface Heartbeat extends OfTerm {
  readonly kind: 'heartbeat';
  /** Never beyond what the follower is known to have. */
  readonly commit: number;
  /** Counts within the leader's term; the answer returns it, which confirms every read that waits for this round or an earlier one. */
  readonly round: number;
}

export interface HeartbeatReply extends OfTerm {
  readonly kind: 'heartbeatReply';
  readonly round: number;
}

/**
 * Stepped into the follower by its driver once the snapshot's chunks are there, whole and durable. `appendReply` answers it. The leader's driver
 * makes it with `RaftNode.snapshotMessage`.
 */
export interface InstallSnapshot extends OfTerm {
  readonly kind: 'installSnapshot';
  readonly mark: SnapshotMark;
}

/** Campaign at once, without asking first (§3.10). */
export interface TimeoutNow extends OfTerm {
  readonly kind: 'timeoutNow';
}

/** Proposals of one who does not lead. Not answered: the proposer sees its entries applied, or proposes again. */
export interface Propose extends Addressed {
  readonly kind: 'propose';
  readonly data: readonly Uint8Array[];
}

/** Asks the leader for a read index. `context` is unique, over restarts too. */
export interface ReadIndex extends Addressed {
  readonly kind: 'readIndex';
  readonly context: string;
}

export interface ReadIndexReply extends Addressed {
  readonly kind: 'readIndexReply';
  readonly context: string;
  readonly index: number;
}

export type Message =
  | PreVoteRequest
  | PreVoteReply
  | VoteRequest
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | InstallSnapshot
  | TimeoutNow
  | Propose
  | ReadIndex
  | ReadIndexReply;

/** Messages of a term. The others mean the same in any. */
export type TermMessage = Exclude<Message, Propose | ReadIndex | ReadIndexReply>;
