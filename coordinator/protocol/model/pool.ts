/** The stored records of the agents that the cluster starts by itself: which there are, how many a person wants, and why there are so many. */
import * as z from 'zod';
import {AgentId, WallTime} from '../ids.ts';
import {recordFields} from './record.ts';

export const MAX_POOL = 1024;

/** One agent that was started, or is about to be. It is written before anything is started. */
export const PoolMember = z.looseObject({
  ...recordFields,
  agentId: AgentId,
  /** What starts and ends it. */
  provider: z.string().max(64),
  /** The coordinator that started it last. */
  coordinator: z.string().max(128),
  startedAt: WallTime,
  /** `stopping`: it is sent away when its last attempt is over. */
  state: z.enum(['starting', 'running', 'stopping']),
  /** Starts in a row after which it did not join, or died soon. */
  failures: z.number().int().nonnegative().default(0),
  lastFailure: z.string().max(1024).optional(),
  /** The process that had its name when it was started: it has not joined as long as that one is there. */
  replaced: z.string().max(64).optional(),
});
export type PoolMember = z.infer<typeof PoolMember>;

export const PoolTarget = z.looseObject({
  ...recordFields,
  /** Absent: as many as the work demands. */
  size: z.number().int().nonnegative().max(MAX_POOL).optional(),
});
export type PoolTarget = z.infer<typeof PoolTarget>;

/** What the lead decided last. */
export const PoolDecision = z.looseObject({
  ...recordFields,
  at: WallTime,
  wanted: z.number().int().nonnegative(),
  /** Of the task that waits longest, with the agents that there are; absent where nobody could say. */
  predictedWaitMs: z.number().nonnegative().optional(),
  reason: z.string().max(512),
});
export type PoolDecision = z.infer<typeof PoolDecision>;
