/** How long an attempt that has run for a while still takes, if durations are lognormal: the longer it has run beyond expectation, the longer. */

const STEPS = 64;
const FROM = -4;
const TO = 4;

/**
 * Milliseconds still expected after `elapsedMs`, of a duration with the given mean; `sigma` is the standard deviation of its logarithm.
 * E[T | T > e] = exp(m + s²/2) Φ(s - z) / Φ(-z) with z = (ln e - m) / s.
 */
export function remainingMs(meanMs: number, elapsedMs: number, sigma: number): number {
  if (elapsedMs <= 0) return meanMs;
  const z = (Math.log(elapsedMs / meanMs) + (sigma * sigma) / 2) / sigma;
  if (z <= FROM) return meanMs - elapsedMs;
  const beyond = upperTail(z);
  const expected = (meanMs * upperTail(z - sigma)) / beyond;
  return Math.max(expected - elapsedMs, 0);
}

/** 1 - Φ(z), from a table; beyond it by Mills' ratio, so that quotients stay right. */
function upperTail(z: number): number {
  if (z <= FROM) return 1;
  if (z >= TO) return Math.exp((-z * z) / 2) / (z + 1 / z) / Math.sqrt(2 * Math.PI);
  const place = ((z - FROM) / (TO - FROM)) * STEPS;
  const index = Math.min(STEPS - 1, Math.floor(place));
  const share = place - index;
  const low = LOG_TAIL[index] ?? 0;
  const high = LOG_TAIL[index + 1] ?? 0;
  return Math.exp(low + (high - low) * share);
}

const LOG_TAIL = Float64Array.from({length: STEPS + 1}, (_, index) => {
  const z = FROM + (index / STEPS) * (TO - FROM);
  return Math.log(integral(z));
});

/** Simpson's rule over the density from `z` to far out. */
function integral(z: number): number {
  const end = Math.max(z, 0) + 9;
  const count = 2000;
  const step = (end - z) / count;
  let sum = 0;
  for (let index = 0; index <= count; index += 1) {
    const x = z + index * step;
    const weight = index === 0 || index === count ? 1 : index % 2 === 1 ? 4 : 2;
    sum += weight * Math.exp((-x * x) / 2);
  }
  return (sum * step) / 3 / Math.sqrt(2 * Math.PI);
}
