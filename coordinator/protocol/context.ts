/** The three parts that make an MCP message an MCPX message, with the types nested in them. */
import * as z from 'zod';
import {QualityGateConfig} from './gate.ts';
import {Identifier, SessionId} from './ids.ts';

/** A session's shared memory at a revision. */
export const SharedStateReference = z.object({session: SessionId, revision: z.number().int().nonnegative()});
export type SharedStateReference = z.infer<typeof SharedStateReference>;

export const OrchestrationContext = z.object({
  sessionId: SessionId,
  /** The attempt. */
  executionId: z.string().max(192),
  parentTaskId: Identifier.optional(),
  /** The coordinator that placed the attempt. */
  coordinatorInstance: z.string().max(128),
  sharedState: SharedStateReference,
  qualityGates: z.array(QualityGateConfig).max(32),
});
export type OrchestrationContext = z.infer<typeof OrchestrationContext>;

/** Everyone named here has to arrive before anyone goes on. */
export const SyncPoint = z.object({
  name: z.string().min(1).max(64),
  participants: z.array(Identifier).max(1000),
  timeoutMs: z.number().int().positive().optional(),
});
export type SyncPoint = z.infer<typeof SyncPoint>;

export const RollbackStrategy = z.object({
  scope: z.enum(['none', 'task', 'session', 'syncPoint']),
  syncPoint: z.string().max(64).optional(),
  /** A command that undoes effects outside git and memory. */
  compensate: z.string().max(16_384).optional(),
});
export type RollbackStrategy = z.infer<typeof RollbackStrategy>;

export const ProgressConfig = z.object({
  /** Least time between two reports of one attempt, in ms. */
  intervalMs: z.number().int().nonnegative(),
  transcript: z.boolean(),
});
export type ProgressConfig = z.infer<typeof ProgressConfig>;

export const CoordinationMetadata = z.object({
  dependencies: z.array(Identifier).max(1000),
  synchronizationPoints: z.array(SyncPoint).max(64),
  rollbackStrategy: RollbackStrategy,
  progressReporting: ProgressConfig,
});
export type CoordinationMetadata = z.infer<typeof CoordinationMetadata>;

export const TaskPartition = z.object({
  strategy: z.enum(['none', 'list', 'files', 'shards', 'agent']),
  index: z.number().int().nonnegative(),
  count: z.number().int().positive(),
  parts: z.array(z.string()).max(10_000).optional(),
});
export type TaskPartition = z.infer<typeof TaskPartition>;

export const LOAD_BALANCING_STRATEGIES = [
  'round-robin',
  'capability-weighted',
  'geographic-affinity',
  'ai-optimized',
] as const;
/** The strategy by name; users may register their own. */
export const LoadBalancingStrategyName = z.string().min(1).max(64);

export const AffinityRule = z.object({
  kind: z.enum(['sameAgent', 'sameRegion', 'apart', 'region', 'agent']),
  /** Task ids for the first three, a region or an agent id for the others. */
  with: z.array(z.string().min(1).max(128)).min(1).max(256),
  strength: z.enum(['require', 'prefer']).default('require'),
});
export type AffinityRule = z.infer<typeof AffinityRule>;

export const DistributionInfo = z.object({
  taskPartition: TaskPartition,
  loadBalancing: LoadBalancingStrategyName,
  affinityRules: z.array(AffinityRule).max(64),
});
export type DistributionInfo = z.infer<typeof DistributionInfo>;
