/** Limits and periods of session histories: each with its default and what it is for. */
export interface HistorySettings {
  /** Least time between two seals of one session, in ms, while little changes. Its end is sealed at once. */
  readonly sealIntervalMs: number;
  /** Unsealed changes of one session of this size are sealed at once. */
  readonly sealBytes: number;
  /** Unsealed changes of all sessions in memory; beyond, the journal leaves them to the store until some are sealed. */
  readonly maxHeldBytes: number;
  /** Revisions that the sealed position may lag behind: well below what the store keeps for watches. */
  readonly maxLagRevisions: number;
  /** Text of changes after which the rows are written down whole, unless they are larger themselves: what a read of the past goes through. */
  readonly rowsAfterBytes: number;
  /** Pause after a failure, doubled each time. */
  readonly retryMs: number;
  /** Texts of past states that are kept for the next page. */
  readonly cacheBytes: number;
  /** Rows of one answer, in bytes. */
  readonly pageBytes: number;
}

export const HISTORY_SETTINGS: HistorySettings = {
  sealIntervalMs: 5000,
  sealBytes: 1024 ** 2,
  maxHeldBytes: 64 * 1024 ** 2,
  maxLagRevisions: 5000,
  rowsAfterBytes: 512 * 1024,
  retryMs: 1000,
  cacheBytes: 64 * 1024 ** 2,
  pageBytes: 1024 ** 2,
};
