/** Spend and work of an attempt, as differences from its start. */
import * as z from 'zod';

export const Usage = z.object({
  costUsd: z.number().nonnegative(),
  inputTokens: z.number().int().nonnegative(),
  outputTokens: z.number().int().nonnegative(),
  cacheReadTokens: z.number().int().nonnegative(),
  cacheWriteTokens: z.number().int().nonnegative(),
  turns: z.number().int().nonnegative(),
});
export type Usage = z.infer<typeof Usage>;

export const NO_USAGE: Usage = {
  costUsd: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  turns: 0,
};

const COUNTERS = [
  'costUsd',
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'turns',
] as const;

/** The larger of each counter: reports of one attempt may overtake each other, and spend never falls. */
export function mergeUsage(a: Usage, b: Usage): Usage {
  const usage = {...a};
  for (const counter of COUNTERS) usage[counter] = Math.max(a[counter], b[counter]);
  return usage;
}

/** What `a` has more than `b`. */
export function moreUsage(a: Usage, b: Usage): Usage {
  const usage = {...a};
  for (const counter of COUNTERS) usage[counter] = Math.max(0, a[counter] - b[counter]);
  return usage;
}

export function sameUsage(a: Usage, b: Usage): boolean {
  return COUNTERS.every(counter => a[counter] === b[counter]);
}

export function addUsage(a: Usage, b: Usage): Usage {
  return {
    costUsd: a.costUsd + b.costUsd,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    turns: a.turns + b.turns,
  };
}
