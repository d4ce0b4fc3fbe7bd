/** How many agents the work demands, from how long the tasks that are ready would wait. Pure. */
import type {OrchestrationMode} from '../../protocol/model/mode.ts';

export interface PoolLimits {
  readonly min: number;
  readonly max: number;
  /** Of each agent. */
  readonly slots: number;
  /** What is ready should wait no longer than this, in ms. */
  readonly targetWaitMs: number;
}

export interface Demand {
  /** Tasks that wait for a slot. */
  readonly ready: number;
  /** Attempts under way, wherever. */
  readonly running: number;
  /** Open slots of agents that are not of the pool, free or taken. */
  readonly otherSlots: number;
  /** What an attempt takes, in ms. */
  readonly meanMs: number;
  /** The coordinator's mode, where it gives agents of the pool no work. */
  readonly leftOutBy?: OrchestrationMode;
}

/** How long the last of the tasks that are ready would wait with so many slots in all, in ms. */
export function predictedWaitMs({ready, running, meanMs}: Demand, slots: number): number {
  const queued = Math.max(0, ready - Math.max(0, slots - running));
  if (queued === 0) return 0;
  return slots === 0 ? Number.POSITIVE_INFINITY : (queued * meanMs) / slots;
}

/** The fewest agents with which nothing waits longer than it should; never so many that some would have nothing to do. */
export function wantedAgents(demand: Demand, limits: PoolLimits): number {
  if (demand.leftOutBy !== undefined) return 0;
  const {min, max, slots, targetWaitMs} = limits;
  const atOnce = Math.max(0, demand.ready + demand.running - demand.otherSlots);
  const useful = Math.min(max, Math.max(min, Math.ceil(atOnce / slots)));
  let wanted = min;
  while (wanted < useful && predictedWaitMs(demand, demand.otherSlots + wanted * slots) > targetWaitMs)
    wanted += 1;
  return wanted;
}

/** For a person. */
export function describeDemand({ready, running, meanMs, leftOutBy}: Demand): string {
  if (leftOutBy !== undefined) return `mode ${leftOutBy} gives them no work`;
  if (ready === 0) return running === 0 ? 'there is no work' : `${running} attempts run and nothing waits`;
  return `${ready} tasks are ready and ${running} run, ${Math.round(meanMs / 1000)} s each`;
}
