/** Vector clocks: what a version of a value has seen, as a count for each writer. Pure. */
import * as z from 'zod';

/**
 * By writer. The store is one of them, under `HUB`: its count is a revision, and a version that it committed has seen every revision up to its
 * own. The others are runs of agents, which count their offline writes.
 */
export const VectorClock = z.record(z.string().min(1).max(128), z.number().int().nonnegative());
export type VectorClock = z.infer<typeof VectorClock>;

export const HUB = 'hub';

/** How `a` stands to `b`: `before` has seen less, `concurrent` has not seen the other and was not seen by it. */
export type ClockOrder = 'equal' | 'before' | 'after' | 'concurrent';

export function compareClocks(a: VectorClock, b: VectorClock): ClockOrder {
  const writers = new Set([...Object.keys(a), ...Object.keys(b)]);
  let less = false;
  let more = false;
  for (const writer of writers) {
    const [ofA, ofB] = [countOf(a, writer), countOf(b, writer)];
    if (ofA < ofB) less = true;
    if (ofA > ofB) more = true;
  }
  if (less && more) return 'concurrent';
  if (less) return 'before';
  return more ? 'after' : 'equal';
}

/** The least clock that has seen both. */
export function mergeClocks(a: VectorClock, b: VectorClock): VectorClock {
  const writers = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return Object.fromEntries(
    writers.map(writer => [writer, Math.max(countOf(a, writer), countOf(b, writer))]),
  );
}

function countOf(clock: VectorClock, writer: string): number {
  return (Object.hasOwn(clock, writer) ? clock[writer] : undefined) ?? 0;
}
