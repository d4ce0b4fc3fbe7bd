/** Agents: registration, health, metrics, drain and stop. */
import * as z from 'zod';
import {AgentId, AttemptId, Fence, Identifier, WallTime} from '../ids.ts';
import {AgentLoad, ClaudeCodeInstance} from '../instance.ts';
import {KeptWorktrees} from '../model/agent.ts';
import {ClassHistory} from '../model/agentHistory.ts';
import {Usage} from '../usage.ts';

/** An attempt that the agent still has: running, or finished and not yet acknowledged. */
export const HeldAttempt = z.object({
  attemptId: AttemptId,
  fence: Fence,
  state: z.enum(['running', 'finished', 'gated']),
});

export const AgentRegister = z.object({
  instance: ClaudeCodeInstance,
  incarnation: z.string().min(8).max(64),
  mode: z.enum(['internal', 'external']),
  attempts: z.array(HeldAttempt).max(4096),
});
export type AgentRegister = z.infer<typeof AgentRegister>;
export const AgentRegistered = z.object({
  coordinator: z.string(),
  store: z.string(),
  /** The agent is given up when it has been silent for this long. */
  leaseSeconds: z.number().int().positive(),
  heartbeatMs: z.number().positive(),
  /** Of the held attempts, those whose fence has fallen: kill them, their effects are refused. */
  stale: z.array(AttemptId).max(4096),
});

export const AgentGoodbye = z.object({
  agentId: AgentId,
  incarnation: z.string(),
  reason: z.string().max(1024),
});
export const AgentDrain = z.object({agentId: AgentId, drain: z.boolean()});
/** Client -> hub: forgets an agent that is gone, or sends a live one away after its attempts. */
export const AgentRemove = z.object({agentId: AgentId});

/** Client -> hub: ends its quarantine or probation. */
export const AgentRelease = z.object({agentId: AgentId});
/** Client -> hub: what became of its attempts, by class of task. */
export const AgentHistoryRead = z.object({agentIds: z.array(AgentId).max(1000).optional()});
export const AgentHistories = z.object({
  agents: z.array(z.object({agentId: AgentId, classes: z.array(ClassHistory)})),
});
/** Client -> hub: opens the connection to an agent that listens, from now on and after every cut, until the agent is removed. */
export const AgentDial = z.object({
  agentId: AgentId,
  url: z
    .string()
    .regex(/^wss?:\/\/[^/]+\/?$/, 'ws://host:port or wss://host:port')
    .max(512),
  /** What the agent wants to see. */
  token: z.string().min(1).max(1024),
  /** PEM of the only authority that is trusted; default: the system's. */
  ca: z.string().max(16_384).optional(),
});
export type AgentDial = z.infer<typeof AgentDial>;

export const HealthCheck = z.object({
  agentId: AgentId.optional(),
  incarnation: z.string().optional(),
  load: AgentLoad.optional(),
  sentAt: WallTime.optional(),
});
export const HealthStatus = z.object({
  id: z.string(),
  status: z.enum(['ok', 'degraded', 'draining', 'unknown']),
  detail: z.string().max(1024).optional(),
  load: AgentLoad.optional(),
  at: WallTime,
});

export const MetricsReport = z.object({
  agentId: AgentId,
  incarnation: z.string(),
  counters: z.record(z.string().max(128), z.number()),
  /** Spend of the running attempts so far. */
  attempts: z.array(z.object({attemptId: AttemptId, usage: Usage})).max(4096),
});

/** What the agent keeps for people, whenever that has changed. */
export const AgentKept = z.object({agentId: AgentId, incarnation: z.string(), kept: KeptWorktrees});
export type AgentKept = z.infer<typeof AgentKept>;

/** The account behind the agent hit its limit. */
export const RateLimitReport = z.object({
  agentId: AgentId,
  account: z.string().max(128),
  resetAt: WallTime.optional(),
  message: z.string().max(1024),
});

/** Client -> hub: interrupts, then kills every attempt of the fleet and cancels the sessions. */
export const FleetStop = z.object({
  reason: z.string().max(1024),
  graceMs: z.number().int().nonnegative().max(60_000).default(5000),
});
export const FleetStopped = z.object({
  sessions: z.array(Identifier),
  agents: z.array(
    z.object({
      agentId: AgentId,
      confirmed: z.boolean(),
      killed: z.number().int().nonnegative(),
      message: z.string().optional(),
    }),
  ),
});
/** Hub -> agent. */
export const AgentStopAll = z.object({reason: z.string().max(1024), graceMs: z.number().int().nonnegative()});
export const AgentStoppedAll = z.object({killed: z.number().int().nonnegative()});
