/**
 * One additive effect on the logarithm of a duration: what is believed of it, and how sure that is. Between observations the belief reverts to
 * its prior (an Ornstein-Uhlenbeck process), so that what was learned long ago counts less; an observation moves several effects at once, each
 * by its share of the doubt (a Kalman step with a diagonal covariance).
 */

export interface Effect {
  mean: number;
  variance: number;
  /** Milliseconds of hub time when it was last brought up to date. */
  at: number;
  /** Observations so far. */
  n: number;
}

export interface Prior {
  /** Variance of the effect over those who may have it, about a mean of 0. */
  readonly variance: number;
  /** After this many ms half of what was learned is left. */
  readonly halfLifeMs: number;
}

export function newEffect({variance}: Prior, at: number): Effect {
  return {mean: 0, variance, at, n: 0};
}

/** Lets time pass. Hub time of an earlier moment changes nothing. */
export function age(effect: Effect, prior: Prior, now: number): void {
  const passed = now - effect.at;
  if (passed <= 0) return;
  const kept = 2 ** (-passed / prior.halfLifeMs);
  effect.mean *= kept;
  effect.variance = prior.variance + (effect.variance - prior.variance) * kept * kept;
  effect.at = now;
}

/** A surprise beyond this many standard deviations counts as one of just so many: a try that hung says little about its agent. */
export const LARGEST_SURPRISE = 2.5;

/**
 * Moves the effects, all of the same age, towards `observed`, their sum with noise in it. `weights` are the factors with which each enters the
 * sum. Returns the surprise and the doubt that there was about the sum, noise left out.
 */
export function learn(
  effects: readonly Effect[],
  weights: readonly number[],
  observed: number,
  noise: number,
): {readonly surprise: number; readonly doubt: number} {
  let predicted = 0;
  let doubt = 0;
  effects.forEach((effect, index) => {
    const weight = weights[index] ?? 0;
    predicted += weight * effect.mean;
    doubt += weight * weight * effect.variance;
  });
  const surprise = observed - predicted;
  const total = doubt + noise;
  const most = LARGEST_SURPRISE * Math.sqrt(total);
  const step = Math.min(most, Math.max(-most, surprise)) / total;
  effects.forEach((effect, index) => {
    const share = (weights[index] ?? 0) * effect.variance;
    effect.mean += share * step;
    effect.variance -= (share * share) / total;
    effect.n += 1;
  });
  return {surprise, doubt};
}
