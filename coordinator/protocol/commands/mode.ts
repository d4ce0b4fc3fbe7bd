/** Which agents do the work of a coordinator or of one session, changed while it runs. */
import * as z from 'zod';
import {SessionId} from '../ids.ts';
import {ModeRecord, OrchestrationMode, RunningAttempts} from '../model/mode.ts';
import {SessionRecord} from '../model/session.ts';

export const ModeGet = z.object({sessionId: SessionId.optional()});
export type ModeGet = z.infer<typeof ModeGet>;

export const ModeSet = z.object({
  /** Only this session; else the coordinator, and so every session. */
  sessionId: SessionId.optional(),
  /** Absent: what the plan, or the coordinator's setting, says. */
  mode: OrchestrationMode.optional(),
  running: RunningAttempts.default('finish'),
});
export type ModeSet = z.infer<typeof ModeSet>;

export const ModeStatus = z.object({
  /** Of the coordinator. */
  mode: OrchestrationMode,
  /** What its setting says. */
  setting: OrchestrationMode,
  /** What a person chose last. */
  chosen: ModeRecord.optional(),
  /** Milliseconds that a task in mode `auto` waits for an internal agent. */
  autoWaitMs: z.number().nonnegative(),
  /** Connected agents that take work. */
  agents: z.object({
    internal: z.number().int().nonnegative(),
    external: z.number().int().nonnegative(),
  }),
  /** Attempts on agents that the mode of their session leaves out. */
  leaving: z.number().int().nonnegative(),
  /** Set where a session was named. */
  session: SessionRecord.optional(),
});
export type ModeStatus = z.infer<typeof ModeStatus>;
