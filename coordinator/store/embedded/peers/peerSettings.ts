/** What can be set about the links between members, with its defaults. */

const MIB = 1024 * 1024;

export interface PeerSettings {
  /** Bytes that may wait for one peer; more is dropped, and Raft sends again what is still wanted. */
  readonly maxQueueBytes: number;
  /** Largest frame that is read. */
  readonly maxFrameBytes: number;
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly handshakeTimeoutMs: number;
  /** Time between two pings of a connection; one that has not answered by the next is closed. */
  readonly pingMs: number;
  readonly callTimeoutMs: number;
  readonly snapshotChunkBytes: number;
  /** Chunks of a snapshot that may be unanswered. */
  readonly snapshotWindow: number;
  /** Most that one snapshot takes of the network, so that it does not crowd out the log. */
  readonly snapshotBytesPerSecond: number;
  /** A snapshot that has made no way for this long has failed, at either end. */
  readonly snapshotPatienceMs: number;
}

export const DEFAULT_PEER_SETTINGS: PeerSettings = {
  maxQueueBytes: 32 * MIB,
  maxFrameBytes: 64 * MIB,
  minBackoffMs: 50,
  maxBackoffMs: 1000,
  handshakeTimeoutMs: 3000,
  pingMs: 2000,
  callTimeoutMs: 5000,
  snapshotChunkBytes: 256 * 1024,
  snapshotWindow: 8,
  snapshotBytesPerSecond: 64 * MIB,
  snapshotPatienceMs: 15_000,
};
