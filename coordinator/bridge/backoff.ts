/** Waiting times between tries: exponential with full jitter over the upper half, and bounded. */
import type {Random} from '../runtime/random.ts';

export interface BackoffSettings {
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
}

/** Milliseconds to wait after the `tries`-th failure in a row, counted from 1. */
export function backoffMs(settings: BackoffSettings, tries: number, random: Random): number {
  const ceiling = Math.min(settings.maxBackoffMs, settings.minBackoffMs * 2 ** Math.min(tries - 1, 30));
  return ceiling * (0.5 + random.next() / 2);
}
