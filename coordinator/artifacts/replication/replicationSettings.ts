/** Limits and patience of replication. */
import type {TransferSettings} from '../artifactClient.ts';

export interface ReplicationSettings {
  /** An artifact that gets no further towards a majority for this long is refused, in ms. */
  readonly patienceMs: number;
  /** Pause before a coordinator that failed is sent an artifact again. */
  readonly retryMs: number;
  /** How long the others may take to say whether they have an artifact. */
  readonly askMs: number;
  /** Artifacts on the way to one coordinator at a time. */
  readonly pushes: number;
  /** Time between two looks at what the others have and we lack. */
  readonly repairMs: number;
  /** Pause before a look after somebody came or went, and after one that was incomplete. */
  readonly repairSoonMs: number;
  /** Artifacts that a repair fetches at a time. */
  readonly repairFetches: number;
  readonly transfer: Partial<TransferSettings>;
}

export const REPLICATION_SETTINGS: ReplicationSettings = {
  patienceMs: 15_000,
  retryMs: 500,
  askMs: 5000,
  pushes: 16,
  repairMs: 600_000,
  repairSoonMs: 2000,
  repairFetches: 4,
  transfer: {maxTries: 4, minBackoffMs: 100, maxBackoffMs: 1000, partBytes: 1024 ** 2, idleTimeoutMs: 30_000},
};
