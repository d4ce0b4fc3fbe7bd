/** What goes into and comes out of a Raft node. The node does no I/O: disk, network and time belong to whoever drives it. */

/** `empty` is a new leader's first entry: committing it commits what earlier terms left (Raft §5.4.2, §8). */
export type EntryKind = 'command' | 'empty';

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** What must be on disk before anything that follows from it leaves the node (§5.1, figure 2). `vote` is '' for none. */
export interface HardState {
  readonly term: number;
  readonly vote: string;
  /** A hint that saves work after a restart; it may be stale on disk. */
  readonly commit: number;
}

export const NO_HARD_STATE: HardState = {term: 0, vote: '', commit: 0};

/** The last entry that a snapshot covers, and who voted then. */
export interface SnapshotMark {
  readonly index: number;
  readonly term: number;
  readonly voters: readonly string[];
}

export type Role = 'follower' | 'candidate' | 'leader';

/** Figure 2 of the paper, with `to` and `from` as node ids. An `append` without entries is a heartbeat. */
export type Message =
  | {
      readonly kind: 'vote';
      readonly to: string;
      readonly from: string;
      readonly term: number;
      readonly lastIndex: number;
      readonly lastTerm: number;
    }
  | {
      readonly kind: 'voteReply';
      readonly to: string;
      readonly from: string;
      readonly term: number;
      readonly granted: boolean;
    }
  | {
      readonly kind: 'append';
      readonly to: string;
      readonly from: string;
      readonly term: number;
      /** The entry before `entries`, which the follower must have. */
      readonly previousIndex: number;
      readonly previousTerm: number;
      readonly entries: readonly Entry[];
      readonly commit: number;
    }
  | {
      readonly kind: 'appendReply';
      readonly to: string;
      readonly from: string;
      readonly term: number;
      readonly accepted: boolean;
      /** `previousIndex` of the message that this answers. */
      readonly previousIndex: number;
      /** Accepted: the last entry that is known to match. Refused: the last one that may match. */
      readonly index: number;
    };

/** What a driver must do, in this order: persist `hardState` and `entries`; then send `messages`. `committed` is on disk already: apply at any time. */
export interface Ready {
  /** Set whenever there are entries, too. */
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  readonly messages: readonly Message[];
  readonly committed: readonly Entry[];
}
