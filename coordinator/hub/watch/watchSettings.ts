/** Limits and periods of the views, with their defaults and what they are for. */
import * as z from 'zod';

const count = (fallback: number, text: string) =>
  z.number().int().positive().default(fallback).describe(text);

export const WatchSettings = z.object({
  ringRevisions: count(10_000, 'recent revisions from which a returning client can resume'),
  ringBytes: count(64 * 1024 ** 2, 'memory for those revisions'),
  flushMs: z
    .number()
    .nonnegative()
    .default(10)
    .describe(
      'time between two events of a view that goes on changing; what changes meanwhile is gathered into one',
    ),
  flushBurst: count(16, 'events of a view that may come without that time between them, after a quiet while'),
  maxWatches: count(256, 'watches of one connection'),
  maxBacklogBytes: count(1024 ** 2, 'unread output of a client before its watches are reset'),
  restartMs: z.number().positive().default(1000).describe('pause before a broken feed starts anew'),
});
export type WatchSettings = z.infer<typeof WatchSettings>;

export function watchSettings(given: z.input<typeof WatchSettings> = {}): WatchSettings {
  return WatchSettings.parse(given);
}
