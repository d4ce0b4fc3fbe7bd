/** A Claude Code instance as everyone sees it: the agent process beside it, its abilities, its state and its health. */
import * as z from 'zod';
import {AgentCapability, CapabilityRequirement, ResourceRequirement} from './capability.ts';
import {AgentId, SessionId, WallTime} from './ids.ts';

export const InstanceStatus = {
  /** Working, with free slots. */
  ACTIVE: 'active',
  IDLE: 'idle',
  /** Every slot taken. */
  BUSY: 'busy',
  /** Draining, or paused by a person or a rate limit. */
  MAINTENANCE: 'maintenance',
  /** Said goodbye. */
  OFFLINE: 'offline',
  /** Silent without a goodbye. */
  UNREACHABLE: 'unreachable',
} as const;
export const InstanceStatusValue = z.enum([
  'active',
  'idle',
  'busy',
  'maintenance',
  'offline',
  'unreachable',
]);
export type InstanceStatus = z.infer<typeof InstanceStatusValue>;

export const PerformanceMetrics = z.object({
  attemptsSucceeded: z.number().int().nonnegative().default(0),
  attemptsFailed: z.number().int().nonnegative().default(0),
  /** Milliseconds over the attempts that succeeded. */
  meanDurationMs: z.number().nonnegative().default(0),
  costUsd: z.number().nonnegative().default(0),
  inputTokens: z.number().int().nonnegative().default(0),
  outputTokens: z.number().int().nonnegative().default(0),
});
export type PerformanceMetrics = z.infer<typeof PerformanceMetrics>;

/** Whether Claude Code can be used there, found under the exact environment of an attempt. */
export const ClaudeReadiness = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('ready'),
    version: z.string(),
    authentication: z.string(),
    path: z.string().optional(),
  }),
  z.object({kind: z.literal('missing'), hint: z.string()}),
  z.object({kind: z.literal('unauthenticated'), hint: z.string()}),
  z.object({kind: z.literal('broken'), message: z.string()}),
  z.object({kind: z.literal('disabled')}),
]);
export type ClaudeReadiness = z.infer<typeof ClaudeReadiness>;

export const InstanceMetadata = z.object({
  region: z.string().max(64),
  version: z.string().max(64),
  maxConcurrentTasks: z.number().int().min(1).max(1024),
  specializations: z.array(z.string().max(64)).max(128),
  performanceMetrics: PerformanceMetrics,
  tags: z.array(z.string().max(64)).max(64).default([]),
  resources: z.array(ResourceRequirement).max(16).default([]),
  hostname: z.string().max(255).default(''),
  platform: z.string().max(64).default(''),
  claude: ClaudeReadiness.default({kind: 'disabled'}),
  /** Agents that spend from one account share this; a rate limit pauses them together. */
  account: z.string().max(128).optional(),
  /** Works for this session only. */
  reservedFor: SessionId.optional(),
  /** Its Claude Code talks to a script, not to a model: it takes rehearsals and nothing else. */
  rehearsal: z.boolean().default(false),
});
export type InstanceMetadata = z.infer<typeof InstanceMetadata>;

export const InstanceHealth = z.object({
  /** Wall time in ms. */
  lastSeen: WallTime,
  /** Milliseconds, smoothed round trip of the health check. */
  responseTime: z.number().nonnegative(),
  /** Failed health checks and requests, 0..1, decayed. */
  errorRate: z.number().min(0).max(1),
});
export type InstanceHealth = z.infer<typeof InstanceHealth>;

export const ClaudeCodeInstance = z.object({
  id: AgentId,
  /** Where the hub reaches it: an `ws(s)://` address that it listens on, or `/agents/ID`, hub-relative, when it only dials out. */
  endpoint: z.string().max(2048),
  capabilities: z.array(AgentCapability).max(128),
  status: InstanceStatusValue,
  metadata: InstanceMetadata,
  healthcheck: InstanceHealth,
});
export type ClaudeCodeInstance = z.infer<typeof ClaudeCodeInstance>;

/** Load of an agent at one moment, sent with every heartbeat. */
export const AgentLoad = z.object({
  running: z.number().int().nonnegative(),
  slots: z.number().int().positive(),
  /** One-minute load average over the cores. */
  cpu: z.number().nonnegative(),
  freeMemoryMiB: z.number().nonnegative(),
  freeDiskMiB: z.number().nonnegative().optional(),
});
export type AgentLoad = z.infer<typeof AgentLoad>;

/** Everything that is given has to hold. */
export const DiscoveryCriteria = z.object({
  capabilities: z.array(CapabilityRequirement).max(32).optional(),
  specializations: z.array(z.string()).max(32).optional(),
  status: z.array(InstanceStatusValue).optional(),
  region: z.string().optional(),
  /** Of mcpx, such as `0.1` for every 0.1.x. */
  version: z.string().optional(),
  tags: z.array(z.string()).optional(),
  resources: z.array(ResourceRequirement).max(16).optional(),
  /** Share of its slots that may be taken at most, 0..1. */
  maxLoad: z.number().min(0).max(1).optional(),
});
export type DiscoveryCriteria = z.infer<typeof DiscoveryCriteria>;
