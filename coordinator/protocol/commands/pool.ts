/** The agents that the cluster starts by itself: how many there are and why, and how many there should be. */
import * as z from 'zod';
import {InstanceStatusValue} from '../instance.ts';
import {MAX_POOL, PoolDecision, PoolMember} from '../model/pool.ts';

export const PoolStatus = z.object({
  provider: z.string(),
  min: z.number().int().nonnegative(),
  /** 0: this coordinator starts none. */
  max: z.number().int().nonnegative(),
  /** Slots of each. */
  slots: z.number().int().positive(),
  /** What a person asked for; absent: as many as the work demands. */
  target: z.number().int().nonnegative().optional(),
  decision: PoolDecision.optional(),
  agents: z.array(
    z.object({member: PoolMember, online: z.boolean(), status: InstanceStatusValue.optional()}),
  ),
});
export type PoolStatus = z.infer<typeof PoolStatus>;

/** Client -> hub: without a size as many as the work demands. */
export const PoolScale = z.object({size: z.number().int().nonnegative().max(MAX_POOL).optional()});
