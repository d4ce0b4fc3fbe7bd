/** Which agents may do the work: those that the coordinator runs itself, those that joined, or both. Pure. */
import * as z from 'zod';
import {recordFields} from './record.ts';

export const ORCHESTRATION_MODES = ['internal', 'external', 'hybrid', 'auto'] as const;
/**
 * `internal`: only agents that the coordinator runs on its machine. `external`: only agents that joined by themselves. `hybrid`: both alike.
 * `auto`: internal ones first, and others where none of these fits or waiting for one costs too much.
 */
export const OrchestrationMode = z.enum(ORCHESTRATION_MODES);
export type OrchestrationMode = z.infer<typeof OrchestrationMode>;

/** Of one agent. */
export type AgentMode = Extract<OrchestrationMode, 'internal' | 'external'>;

/** What becomes of attempts on agents that the mode leaves out: they end there, or begin anew elsewhere at nobody's cost, one at a time. */
export const RunningAttempts = z.enum(['finish', 'giveBack']);
export type RunningAttempts = z.infer<typeof RunningAttempts>;

/** A person chose the mode of a whole coordinator. Without a mode the coordinator's setting holds again. */
export const ModeRecord = z.looseObject({
  ...recordFields,
  mode: OrchestrationMode.optional(),
  running: RunningAttempts,
  by: z.string().max(256),
  at: z.number().nonnegative(),
});
export type ModeRecord = z.infer<typeof ModeRecord>;

/**
 * What holds for a session: the coordinator's mode and its own narrow each other, so that `internal` with `external` leaves nobody. Of two that
 * leave nobody out, `auto` says more than `hybrid`.
 */
export function modesOf(coordinator: OrchestrationMode, session: OrchestrationMode): SessionModes {
  const both = [coordinator, session];
  const only = (['internal', 'external'] as const).filter(mode => both.includes(mode));
  return {only, prefersInternal: only.length === 0 && both.includes('auto')};
}

export interface SessionModes {
  /** What an agent must be: nothing, one, or both, which nobody is. */
  readonly only: readonly AgentMode[];
  readonly prefersInternal: boolean;
}

/** Whether an agent of this mode may do the work. */
export function admitsMode({only}: SessionModes, mode: AgentMode): boolean {
  return only.every(one => one === mode);
}
