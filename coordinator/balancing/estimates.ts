/**
 * How far estimates tell the tasks of a class apart: guesses vary more than the work does, so that of one class the large ones are too large and
 * the small ones too small (regression to the mean). One slope for all classes, about the usual estimate of each.
 */

/** The usual estimate of a class: mean of its logarithm. */
export interface UsualEstimate {
  log: number;
  n: number;
}

const MEMORY = 200;
/** Further from the usual nothing is known of the slope. */
const LARGEST = 2;

export function newUsual(): UsualEstimate {
  return {log: 0, n: 0};
}

/** Of one estimate, how far its logarithm is from the usual; 0 where nothing is usual yet. */
export function deviation({log, n}: UsualEstimate, estimateMs: number): number {
  if (n === 0) return 0;
  return Math.min(LARGEST, Math.max(-LARGEST, Math.log(Math.max(1, estimateMs)) - log));
}

export function countEstimate(usual: UsualEstimate, estimateMs: number): void {
  usual.n += 1;
  usual.log += (Math.log(Math.max(1, estimateMs)) - usual.log) / Math.min(MEMORY, usual.n);
}
