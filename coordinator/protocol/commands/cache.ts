/** Results that are kept for later tasks with identical inputs: looked at and forgotten. */
import * as z from 'zod';
import {SessionId, Sha256, TaskId, WallTime} from '../ids.ts';
import {Reused} from '../model/task.ts';

export const MAX_CACHE_LISTED = 1000;

export const CacheList = z.object({
  /** Those used last come first. */
  limit: z.number().int().positive().max(MAX_CACHE_LISTED).default(100),
});
export type CacheList = z.infer<typeof CacheList>;

export const CachedResult = z.object({
  ...Reused.shape,
  sessionId: SessionId,
  sessionName: z.string().max(256),
  taskId: TaskId,
  bytes: z.number().int().nonnegative(),
  usedAt: WallTime,
  uses: z.number().int().nonnegative(),
});
export type CachedResult = z.infer<typeof CachedResult>;

export const CacheListed = z.object({
  results: z.array(CachedResult),
  /** Of all that are kept. */
  count: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
  maxCount: z.number().int().nonnegative(),
  maxBytes: z.number().nonnegative(),
});
export type CacheListed = z.infer<typeof CacheListed>;

/** Those that meet all of these; all of them without any. */
export const CacheClear = z.object({
  keys: z.array(Sha256).max(MAX_CACHE_LISTED).optional(),
  /** Made in this session. */
  sessionId: SessionId.optional(),
  /** Made by tasks of this id. */
  taskId: TaskId.optional(),
  /** Not used for this many ms. */
  unusedMs: z.number().nonnegative().optional(),
});
export type CacheClear = z.infer<typeof CacheClear>;
export const CacheCleared = z.object({
  forgotten: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
});
export type CacheCleared = z.infer<typeof CacheCleared>;
