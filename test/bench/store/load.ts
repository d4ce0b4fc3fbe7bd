/** A closed loop: so many lanes, each of which asks again as soon as it is answered. What is asked, and of whom, is the caller's. */
import {percentile} from '../statistics.ts';

export type Operation = 'put' | 'get';

export interface Load {
  readonly operation: Operation;
  readonly lanes: number;
  readonly ms: number;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Keys that the lanes go through. */
export const KEYS = 1000;
export const VALUE = 'v'.repeat(256);

export function keyOf(turn: number): string {
  return `key-${turn % KEYS}`;
}

/** Rejects as the first call that failed. */
export async function runLoad(
  {lanes, ms}: Pick<Load, 'lanes' | 'ms'>,
  call: (turn: number) => Promise<unknown>,
): Promise<LoadResult> {
  const waits: number[] = [];
  const began = performance.now();
  const end = began + ms;
  let turns = 0;
  const lane = async (): Promise<void> => {
    for (let at = performance.now(); at < end; ) {
      await call(turns++);
      const now = performance.now();
      waits.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({length: lanes}, lane));
  return resultOf(waits, performance.now() - began);
}

export function resultOf(waitsMs: readonly number[], elapsedMs: number): LoadResult {
  return {
    perSecond: (waitsMs.length / elapsedMs) * 1000,
    p50Ms: percentile(waitsMs, 0.5),
    p99Ms: percentile(waitsMs, 0.99),
  };
}
