/** What can be set about the embedded store, with its defaults. */

const MIB = 1024 * 1024;

export interface EmbeddedSettings {
  /** Name of this node among the voters. Default: made at first start and kept in the data directory. */
  readonly nodeId?: string | undefined;
  /** Shown in `status().members`. */
  readonly address: string;
  /**
   * How an append becomes durable. `auto`: O_DSYNC where the platform has it, else fdatasync. `unsafeNone` acknowledges what a power cut
   * loses; it is for tests and benchmarks.
   */
  readonly sync: 'auto' | 'fdatasync' | 'unsafeNone';
  /** Size of a full log segment; the first ones are smaller. */
  readonly segmentBytes: number;
  /** Size of the first segment; each next one doubles up to `segmentBytes`. */
  readonly firstSegmentBytes: number;
  /** Log entries after which a snapshot is taken, once the log has outgrown the last snapshot. */
  readonly snapshotEntries: number;
  /** Bytes of log after which a snapshot is taken, or the size of the last snapshot where that is more. */
  readonly snapshotLogBytes: number;
  /** Revisions of history kept for old reads and for watches that resume. */
  readonly historyRevisions: number;
  /** Approximate bytes of keys and values kept as history. */
  readonly historyBytes: number;
  /** How often leases and retention are looked at. */
  readonly tickMs: number;
  /** A tick this many periods late means that the process or the machine slept: leases are extended by the pause. */
  readonly pauseTicks: number;
  /** How often a full disk is tried again. */
  readonly diskRetryMs: number;
  /** A write that takes longer ends with `timeout`: its outcome is unknown. */
  readonly writeTimeoutMs: number;
  /** Period of Raft's clock, in which elections and heartbeats are counted. */
  readonly raftTickMs: number;
  /** Time between two heartbeats of a leader. */
  readonly heartbeatMs: number;
  /** Silence of the leader after which another may be elected, at least; at most twice as much. */
  readonly electionMs: number;
  /** Others than those who wait for a write learn after this at the latest that it is committed; mostly they do so with the next one. */
  readonly commitNoticeMs: number;
  /** A write that was passed on to the leader and is not seen applied goes there again after this. */
  readonly resendMs: number;
  /** Bytes of the applied log that a leader keeps in memory for followers that lag; beyond it they get a snapshot. */
  readonly followerLagBytes: number;
  /** Writes that may wait for the disk; more are refused. */
  readonly maxPendingProposals: number;
  /** Bytes of writes that may wait for the disk. */
  readonly maxPendingBytes: number;
}

export const DEFAULT_EMBEDDED_SETTINGS: EmbeddedSettings = {
  address: 'local',
  sync: 'auto',
  segmentBytes: 64 * MIB,
  firstSegmentBytes: 4 * MIB,
  snapshotEntries: 100_000,
  snapshotLogBytes: 64 * MIB,
  historyRevisions: 100_000,
  historyBytes: 128 * MIB,
  tickMs: 250,
  pauseTicks: 4,
  diskRetryMs: 1000,
  writeTimeoutMs: 15_000,
  raftTickMs: 50,
  heartbeatMs: 100,
  electionMs: 500,
  commitNoticeMs: 2,
  resendMs: 1000,
  followerLagBytes: 32 * MIB,
  maxPendingProposals: 65_536,
  maxPendingBytes: 256 * MIB,
};
