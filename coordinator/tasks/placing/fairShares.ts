/**
 * Weighted max-min fairness between tenants over a bound that they have in common: each place goes to whoever has least for its weight, and
 * nobody is given more than it has a use for. Pure.
 */

export interface Claim {
  readonly tenant: string;
  /** Places that it has. */
  readonly running: number;
  /** Further ones that it has a use for. */
  readonly wanted: number;
  /** Its weight, above 0. */
  readonly share: number;
}

export interface Share extends Claim {
  /** Places that it gets. */
  more: number;
}

/** How `room` places are given out among them. */
export function fairShares(claims: readonly Claim[], room: number): readonly Share[] {
  const given = claims.map((claim): Share => ({...claim, more: 0}));
  for (let left = room; left > 0; left -= 1) {
    let least: Share | undefined;
    for (const claim of given)
      if (claim.more < claim.wanted && (!least || isShorter(claim, least))) least = claim;
    if (!least) break;
    least.more += 1;
  }
  return given;
}

/** What it would have with one place more, for its weight, is less than what the other would. */
function isShorter(a: Share, b: Share): boolean {
  return (a.running + a.more + 1) * b.share < (b.running + b.more + 1) * a.share;
}
