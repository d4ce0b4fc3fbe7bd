/** The stored record of what became of an agent's attempts, by class of task. It outlives the agent's processes. */
import * as z from 'zod';
import {AgentId, WallTime} from '../ids.ts';
import {recordFields} from './record.ts';

/** Classes in one record; the one that was seen longest ago goes first. */
export const MAX_CLASSES = 64;
/** Durations of a class that are kept. */
export const MAX_DURATIONS = 32;

export const ClassHistory = z.object({
  /** As the plan calls it, or made of its kind of work, abilities and model. */
  name: z.string().max(128),
  succeeded: z.number().int().nonnegative(),
  /** By whatever fault. */
  failed: z.number().int().nonnegative(),
  /** Its agent was silent, or started anew. */
  lost: z.number().int().nonnegative(),
  /** Milliseconds of work of all that succeeded. */
  meanMs: z.number().nonnegative(),
  /** Of the last ones that succeeded, newest last. */
  durationsMs: z.array(z.number().nonnegative()).max(MAX_DURATIONS),
  lastAt: WallTime,
});
export type ClassHistory = z.infer<typeof ClassHistory>;

export const AgentHistoryRecord = z.looseObject({
  ...recordFields,
  agentId: AgentId,
  classes: z.array(ClassHistory).max(MAX_CLASSES),
  /** Recent ends that tell about the agent, newest last; `fault` is absent of those that succeeded. */
  recent: z.array(z.object({at: WallTime, fault: z.string().max(512).optional()})).max(256),
});
export type AgentHistoryRecord = z.infer<typeof AgentHistoryRecord>;

/** Up to which revision ends are counted, and in which incarnation of the store. */
export const AgentHistoryPosition = z.looseObject({
  ...recordFields,
  store: z.string(),
  revision: z.number().int().nonnegative(),
});
export type AgentHistoryPosition = z.infer<typeof AgentHistoryPosition>;
