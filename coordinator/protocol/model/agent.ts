/** The stored record of an agent: its instance, its present incarnation and why it may not take work. */
import * as z from 'zod';
import {AttemptId, SessionId, WallTime} from '../ids.ts';
import {ClaudeCodeInstance} from '../instance.ts';
import {recordFields} from './record.ts';

/** More completions than these do not wait for an agent that starts anew. */
export const MAX_FINISHED = 256;

/** Sessions that one record can name. */
export const MAX_KEPT_SESSIONS = 256;

/** The disk that worktrees take which an agent keeps for people, by session, the largest first. */
export const KeptWorktrees = z
  .array(
    z.object({
      sessionId: SessionId,
      attempts: z.number().int().positive(),
      /** On the disk, when each was kept. */
      bytes: z.number().int().nonnegative(),
    }),
  )
  .max(MAX_KEPT_SESSIONS);
export type KeptWorktrees = z.infer<typeof KeptWorktrees>;

/** What may become of an agent's state, by name. */
export const AgentTransition = z.enum([
  'begin',
  'fill',
  'free',
  'finish',
  'hold',
  'release',
  'silence',
  'return',
  'leave',
  'join',
]);
export type AgentTransition = z.infer<typeof AgentTransition>;

/**
 * Why it gets less work than it has slots for: it failed again and again by its own fault. `quarantined`: none, until a wall time;
 * `probation`: one attempt at a time, until some have succeeded.
 */
export const Quarantine = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('quarantined'),
    since: WallTime,
    until: WallTime,
    reason: z.string().max(1024),
    /** Times in a row, this one included. */
    strikes: z.number().int().positive(),
  }),
  z.object({
    kind: z.literal('probation'),
    since: WallTime,
    reason: z.string().max(1024),
    strikes: z.number().int().positive(),
    /** Attempts that succeeded since. */
    succeeded: z.number().int().nonnegative(),
  }),
]);
export type Quarantine = z.infer<typeof Quarantine>;

export const AgentRecord = z.looseObject({
  ...recordFields,
  instance: ClaudeCodeInstance,
  /** New at every start of the agent process. */
  incarnation: z.string().max(64),
  mode: z.enum(['internal', 'external']),
  /** The coordinator that holds its socket, if any. */
  coordinator: z.string().max(128).optional(),
  registeredAt: WallTime,
  draining: z.boolean().default(false),
  /** The incarnation that said goodbye, and with it gave up what it ran. */
  departed: z.string().max(64).optional(),
  /** As the agent said last; absent: it never did. */
  keptWorktrees: KeptWorktrees.optional(),
  /** Takes no new work until this wall time (ms), with the reason. */
  pausedUntil: WallTime.optional(),
  pauseReason: z.string().max(1024).optional(),
  /** Set while the pause is its account's: that holds what spends from the account, and nothing else. */
  pausedBy: z.literal('account').optional(),
  /** When its state changed last, and by what. */
  stateSince: WallTime.optional(),
  transition: AgentTransition.optional(),
  /** Why it is unreachable although its lease stands. */
  trouble: z.string().max(1024).optional(),
  quarantine: Quarantine.optional(),
  /** When a person trusted it again: what was before counts no more. */
  releasedAt: WallTime.optional(),
});
export type AgentRecord = z.infer<typeof AgentRecord>;

/** Attempts that may run on it at once, as things are: none where it is not reached or quarantined, one on probation. */
export function openSlots({instance, quarantine}: AgentRecord): number {
  if (instance.status === 'unreachable' || quarantine?.kind === 'quarantined') return 0;
  const {maxConcurrentTasks} = instance.metadata;
  return quarantine?.kind === 'probation' ? Math.min(1, maxConcurrentTasks) : maxConcurrentTasks;
}

/** Value of the agent's live key. */
export const AgentLive = z.looseObject({
  ...recordFields,
  incarnation: z.string().max(64),
  coordinator: z.string().max(128),
  /** Incarnations that lost the id to this one, newest last. */
  replaced: z.array(z.string().max(64)).max(16).optional(),
  /** Attempts, of earlier incarnations too, whose completions it has and is about to send. */
  finished: z.array(AttemptId).max(MAX_FINISHED).optional(),
});
export type AgentLive = z.infer<typeof AgentLive>;

/** An account that hit its rate limit: every agent that names it waits. */
export const AccountRecord = z.looseObject({
  ...recordFields,
  account: z.string().max(128),
  pausedUntil: WallTime,
  reason: z.string().max(1024),
  /** Limits in a row that named no time of their end: each doubles the pause. */
  strikes: z.number().int().nonnegative().default(0),
});
export type AccountRecord = z.infer<typeof AccountRecord>;
