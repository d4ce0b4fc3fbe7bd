/** What can be set about the etcd driver, with its defaults. */

const MIB = 1024 * 1024;

export interface EtcdSettings {
  /** A read or write that takes longer ends: a write with `timeout`, for its outcome is unknown. */
  readonly requestTimeoutMs: number;
  /** Time for the answer that shows a member fit to be asked. */
  readonly probeTimeoutMs: number;
  /** Pause between two rounds of asking all members, while none is known to be fit. */
  readonly probeEveryMs: number;
  /** A request without an answer for this long is suspected to be lost with a leader. */
  readonly stallMs: number;
  /** Time that its answer still has once a later request was answered. */
  readonly stallGraceMs: number;
  /** When nothing was written for this long, a heartbeat is: its way back through the watch measures how far behind that is. */
  readonly heartbeatMs: number;
  /** A watch that is this far behind is opened anew at a member that answers. */
  readonly staleAfterMs: number;
  /** Least and greatest pause before a watch that was cut is opened again. */
  readonly rewatchMs: readonly [least: number, greatest: number];
  /** Recent revisions kept in memory for watches from an earlier revision; older ones are replayed by etcd. */
  readonly recentRevisions: number;
  /** Approximate bytes of keys and values kept so. */
  readonly recentBytes: number;
  /** Keys that one request of a long range reads. */
  readonly pageKeys: number;
  /** How often the members, their leader and the size are looked at. */
  readonly statusMs: number;
}

export const DEFAULT_ETCD_SETTINGS: EtcdSettings = {
  // etcd itself gives a request 7 s with its default timers.
  requestTimeoutMs: 10_000,
  probeTimeoutMs: 2000,
  probeEveryMs: 250,
  stallMs: 1000,
  stallGraceMs: 100,
  heartbeatMs: 5000,
  staleAfterMs: 15_000,
  rewatchMs: [50, 2000],
  recentRevisions: 10_000,
  recentBytes: 32 * MIB,
  pageKeys: 1000,
  statusMs: 10_000,
};
