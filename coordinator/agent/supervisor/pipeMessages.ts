/** What agent and supervisor say to each other: one JSON object a line over the supervisor's stdin and stdout. */
import * as z from 'zod';

const Identity = z.object({pid: z.int().positive(), startedAt: z.string()});

export const ToSupervisor = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('hello'), agentRun: z.string().min(1), agentPid: z.int().positive()}),
  /** A process was started for the attempt; `members` are what an earlier supervisor had seen of its tree. */
  z.object({
    kind: z.literal('track'),
    attemptId: z.string().min(1),
    root: Identity,
    members: z.array(Identity).optional(),
  }),
  z.object({
    kind: z.literal('kill'),
    requestId: z.int(),
    attemptId: z.string().min(1),
    polite: z
      .object({
        signal: z.enum(['SIGINT', 'SIGTERM']),
        to: z.enum(['root', 'all']),
        graceMs: z.number().nonnegative(),
      })
      .optional(),
  }),
  z.object({kind: z.literal('forget'), attemptId: z.string().min(1)}),
]);
export type ToSupervisor = z.infer<typeof ToSupervisor>;

export const FromSupervisor = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('ready')}),
  z.object({kind: z.literal('members'), attemptId: z.string(), members: z.array(Identity)}),
  z.object({kind: z.literal('killed'), requestId: z.int(), survivors: z.array(Identity)}),
]);
export type FromSupervisor = z.infer<typeof FromSupervisor>;

export function encodeLine(message: ToSupervisor | FromSupervisor): string {
  return `${JSON.stringify(message)}\n`;
}
