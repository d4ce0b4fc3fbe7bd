/** How often tries fail: counts that fade with time, shrunk towards what is known of a wider group (a decayed Beta distribution). */

export interface Odds {
  failed: number;
  tries: number;
  /** Milliseconds of hub time when the counts were last brought up to date. */
  at: number;
}

/** Half of what was counted is forgotten after this long. */
export const ODDS_HALF_LIFE_MS = 6 * 3_600_000;

export function newOdds(at: number): Odds {
  return {failed: 0, tries: 0, at};
}

export function count(odds: Odds, failed: boolean, now: number): void {
  const passed = now - odds.at;
  if (passed > 0) {
    const kept = 2 ** (-passed / ODDS_HALF_LIFE_MS);
    odds.failed *= kept;
    odds.tries *= kept;
    odds.at = now;
  }
  odds.tries += 1;
  if (failed) odds.failed += 1;
}

/** The rate with `weight` tries at the rate `wider` added to it. */
export function shrunkRate({failed, tries}: Odds, wider: number, weight: number): number {
  return (failed + weight * wider) / (tries + weight);
}
