/** The resolved plan: every default filled in, every task complete. This is what travels and is stored; `resolvePlan` makes it from a plan file. */
import * as z from 'zod';
import {TaskRequirements} from '../capability.ts';
import {AffinityRule, RollbackStrategy} from '../context.ts';
import {QualityGateConfig} from '../gate.ts';
import {CommitId, TaskId} from '../ids.ts';
import {OrchestrationMode} from '../model/mode.ts';
import {resolveGate} from './gateSchema.ts';
import {barriers, resolveRollback, resolveSyncPoint} from './rollbackSchema.ts';
import type {PlanFile, PlanTask} from './schema.ts';
import {MAX_PARTS, type PlanSplit} from './splitSchema.ts';

export const Permissions = z.object({
  mode: z.enum(['ask', 'acceptEdits', 'dontAsk', 'plan', 'bypass']),
  allow: z.array(z.string()).max(256),
  deny: z.array(z.string()).max(256),
});
export type Permissions = z.infer<typeof Permissions>;

/** Merges its inputs and does nothing else; with `values` the values that they left too. */
export const MergeWork = z.object({kind: z.literal('merge'), values: z.enum(['json', 'concat']).optional()});

export const TaskWork = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('prompt'),
    prompt: z.string().max(262_144),
    model: z.string().max(128).optional(),
    maxTurns: z.number().int().positive().optional(),
    permissions: Permissions,
    resultSchema: z.record(z.string(), z.json()).optional(),
    /** The patch between these is added to the prompt. */
    diff: z.object({from: CommitId, to: CommitId}).optional(),
  }),
  z.object({kind: z.literal('run'), command: z.string().max(16_384)}),
  MergeWork,
  /** Does nothing at once: for load tests of the machinery. */
  z.object({kind: z.literal('noop')}),
]);
export type TaskWork = z.infer<typeof TaskWork>;

/** What a task is divided over, before it is: see split.ts. */
export const TaskSplit = z.object({
  over: z.array(z.string()).max(10_000).optional(),
  files: z.array(z.string()).max(64).optional(),
  shards: z.number().int().positive().max(MAX_PARTS).optional(),
  merge: z.discriminatedUnion('kind', [
    z.object({kind: z.enum(['git', 'json', 'concat'])}),
    z.object({kind: z.literal('work'), work: TaskWork}),
  ]),
});
export type TaskSplit = z.infer<typeof TaskSplit>;

export const RetryPolicy = z.object({
  max: z.number().int().nonnegative(),
  backoffMs: z.number().nonnegative(),
  maxBackoffMs: z.number().nonnegative(),
});
export type RetryPolicy = z.infer<typeof RetryPolicy>;

/** A task with everything that its execution needs. Times in ms. */
export const TaskSpecification = z.object({
  id: TaskId,
  title: z.string().max(256).optional(),
  work: TaskWork,
  /** In plan order, which is the order of merging. */
  dependsOn: z.array(TaskId).max(100_000),
  requires: TaskRequirements,
  affinity: z.array(AffinityRule).max(16),
  gates: z.array(QualityGateConfig).max(32),
  retry: RetryPolicy,
  timeoutMs: z.number().positive(),
  /** Wall time in ms. */
  deadline: z.number().optional(),
  budgetUsd: z.number().positive().optional(),
  priority: z.number().int(),
  /** By which its durations are learned; absent: it follows from what the task is. */
  class: z.string().min(1).max(64).optional(),
  /** What one attempt is expected to take. */
  estimateMs: z.number().positive().optional(),
  /** A second attempt may be started beside one that takes far longer than expected, where the task may run twice: see speculation.ts. */
  speculate: z.boolean().optional(),
  /** Its result is kept by its inputs, and taken from there where it is: see reuse.ts. */
  cache: z.boolean().optional(),
  /** Absent: the session's. */
  strategy: z.string().min(1).max(64).optional(),
  onLost: z.enum(['rerun', 'ask', 'fail']),
  maxLosses: z.number().int().nonnegative(),
  /** Whether its conversation is kept for another machine to go on with; default: auto. */
  checkpoint: z.enum(['auto', 'off']).optional(),
  /** Its Claude Code has the hub's tools; default: no. */
  hubTools: z.boolean().optional(),
  env: z.record(z.string(), z.string()),
  secrets: z.array(z.string()).max(128),
  syncPoint: z.object({name: z.string().max(64), timeoutMs: z.number().positive().optional()}).optional(),
  /** Tasks that must have succeeded too, whose results it does not start from: they arrive where one of its dependencies does. */
  after: z.array(TaskId).max(100_000).optional(),
  rollback: RollbackStrategy.optional(),
  /** Leave conflicting inputs in the worktree with markers for the work to resolve. */
  keepConflicts: z.boolean().default(false),
  split: TaskSplit.optional(),
  /** It is part of another task: the one that was divided, or whose attempt asked for it. */
  parent: z.object({taskId: TaskId, index: z.number().int().positive()}).optional(),
  /** It was divided into so many, which are its inputs now. */
  parts: z.number().int().positive().optional(),
});
export type TaskSpecification = z.infer<typeof TaskSpecification>;

export const MAX_PLAN_TASKS = 100_000;

export const Plan = z.object({
  name: z.string().max(256),
  description: z.string().max(65_536).optional(),
  /** `none`: tasks run in empty folders. `git`: in worktrees of the session's commit. */
  workspace: z.discriminatedUnion('kind', [
    z.object({kind: z.literal('none')}),
    z.object({
      kind: z.literal('git'),
      repository: z.string().max(4096).optional(),
      ref: z.string().max(1024).optional(),
      setup: z.array(z.string()).max(32),
      include: z.array(z.string()).max(256),
    }),
  ]),
  agents: z.number().int().positive().optional(),
  mode: OrchestrationMode,
  strategy: z.string().max(64),
  budgetUsd: z.number().positive().optional(),
  merge: z.object({
    onConflict: z.enum(['fail', 'task']),
    prompt: z.string().optional(),
    permissions: Permissions.optional(),
    model: z.string().optional(),
  }),
  /** Plan-level gates: run on the merged result. */
  gates: z.array(QualityGateConfig).max(32),
  /** Of the merged result. */
  rollback: RollbackStrategy.optional(),
  /** None: a session that is open for tasks to be added. */
  tasks: z.array(TaskSpecification).max(MAX_PLAN_TASKS),
});
export type Plan = z.infer<typeof Plan>;

export const PLAN_DEFAULTS = {
  timeoutMs: 3_600_000,
  maxLosses: 3,
  retry: {max: 1, backoffMs: 2000, maxBackoffMs: 120_000} satisfies RetryPolicy,
  permissions: {mode: 'acceptEdits', allow: [], deny: []} satisfies Permissions,
} as const;

/** Names the plan's own gates. */
export const RESULT_GATE_OWNER = 'result';

/** Fills in every default. The file must have passed `parsePlan`. `beside`: the plan to which its tasks are added. */
export function resolvePlan(file: PlanFile, beside?: Plan): Plan {
  const workspace = file.workspace;
  const all = [...(beside?.tasks ?? []), ...file.tasks];
  const order = new Map(all.map((task, index) => [task.id, index]));
  return {
    name: file.name,
    description: file.description,
    workspace:
      workspace === 'none'
        ? {kind: 'none'}
        : {
            kind: 'git',
            repository: workspace?.repository,
            ref: workspace?.ref,
            setup: workspace?.setup ?? [],
            include: workspace?.include ?? [],
          },
    agents: file.agents,
    mode: file.mode ?? 'hybrid',
    strategy: file.strategy ?? 'capability-weighted',
    budgetUsd: file.budgetUsd,
    merge: {
      onConflict: file.merge?.onConflict ?? 'fail',
      prompt: file.merge?.prompt,
      permissions: file.merge?.permissions,
      model: file.merge?.model ?? file.defaults?.model,
    },
    gates: (file.gates ?? []).map((gate, index) => resolveGate(gate, index, RESULT_GATE_OWNER)),
    rollback: file.rollback === undefined ? undefined : resolveRollback(file.rollback),
    tasks: withBarriers(
      file.tasks.map(task => resolveTask(task, file, order)),
      beside?.tasks ?? [],
    ),
  };
}

function withBarriers(
  tasks: readonly TaskSpecification[],
  others: readonly TaskSpecification[],
): TaskSpecification[] {
  const waits = barriers([...others, ...tasks]);
  return tasks.map(task => {
    const after = waits.get(task.id);
    return after ? {...task, after} : task;
  });
}

function resolveTask(task: PlanTask, file: PlanFile, order: ReadonlyMap<string, number>): TaskSpecification {
  const defaults = file.defaults ?? {};
  const permissions = task.permissions ?? defaults.permissions ?? PLAN_DEFAULTS.permissions;
  const retry = task.retry ?? defaults.retry;
  const rollback = task.rollback ?? defaults.rollback;
  return {
    id: task.id,
    title: task.title,
    work:
      task.run !== undefined
        ? {kind: 'run', command: task.run}
        : {
            kind: 'prompt',
            prompt: task.prompt ?? '',
            model: task.model ?? defaults.model,
            maxTurns: task.maxTurns ?? defaults.maxTurns,
            permissions,
            resultSchema: task.resultSchema,
          },
    dependsOn: [...new Set(task.dependsOn ?? [])].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0)),
    requires: {...defaults.requires, ...task.requires},
    affinity: task.affinity ?? defaults.affinity ?? [],
    gates: (task.gates ?? defaults.gates ?? []).map((gate, index) => resolveGate(gate, index, task.id)),
    retry: retry
      ? {max: retry.max, backoffMs: retry.backoff, maxBackoffMs: retry.maxBackoff}
      : PLAN_DEFAULTS.retry,
    timeoutMs: task.timeout ?? defaults.timeout ?? PLAN_DEFAULTS.timeoutMs,
    deadline: task.deadline === undefined ? undefined : Date.parse(task.deadline),
    budgetUsd: task.budgetUsd ?? defaults.budgetUsd,
    priority: task.priority ?? 0,
    class: task.class ?? defaults.class,
    estimateMs: task.estimate ?? defaults.estimate,
    speculate: task.speculate ?? defaults.speculate,
    cache: task.cache ?? defaults.cache,
    strategy: task.strategy ?? defaults.strategy,
    onLost: task.onLost ?? defaults.onLost ?? 'rerun',
    maxLosses: task.maxLosses ?? defaults.maxLosses ?? PLAN_DEFAULTS.maxLosses,
    checkpoint: task.checkpoint ?? defaults.checkpoint,
    hubTools: task.hubTools ?? defaults.hubTools,
    env: {...file.env, ...defaults.env, ...task.env},
    secrets: [...new Set([...(file.secrets ?? []), ...(defaults.secrets ?? []), ...(task.secrets ?? [])])],
    syncPoint: task.syncPoint === undefined ? undefined : resolveSyncPoint(task.syncPoint),
    rollback: rollback === undefined ? undefined : resolveRollback(rollback),
    keepConflicts: false,
    split: task.split && resolveSplit(task.split, {model: task.model ?? defaults.model, permissions}),
  };
}

function resolveSplit(
  {merge, ...split}: PlanSplit,
  claude: {readonly model: string | undefined; readonly permissions: Permissions},
): TaskSplit {
  if (typeof merge === 'string') return {...split, merge: {kind: merge}};
  const {prompt, run = ''} = merge;
  const work: TaskWork =
    prompt === undefined ? {kind: 'run', command: run} : {kind: 'prompt', prompt, ...claude};
  return {...split, merge: {kind: 'work', work}};
}
