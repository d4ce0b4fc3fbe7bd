/** The resolved plan: every default filled in, every task complete. This is what travels and is stored; `resolvePlan` makes it from a plan file. */
import * as z from 'zod';
import {TaskRequirements} from '../capability.ts';
import {AffinityRule} from '../context.ts';
import {QualityGateConfig} from '../gate.ts';
import {TaskId} from '../ids.ts';
import type {PlanFile, PlanGate, PlanTask} from './schema.ts';

export const Permissions = z.object({
  mode: z.enum(['ask', 'acceptEdits', 'dontAsk', 'plan', 'bypass']),
  allow: z.array(z.string()).max(256),
  deny: z.array(z.string()).max(256),
});
export type Permissions = z.infer<typeof Permissions>;

export const TaskWork = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('prompt'),
    prompt: z.string().max(262_144),
    model: z.string().max(128).optional(),
    maxTurns: z.number().int().positive().optional(),
    permissions: Permissions,
    resultSchema: z.record(z.string(), z.json()).optional(),
  }),
  z.object({kind: z.literal('run'), command: z.string().max(16_384)}),
  /** Merges its inputs and does nothing else. */
  z.object({kind: z.literal('merge')}),
  /** Does nothing at once: for load tests of the machinery. */
  z.object({kind: z.literal('noop')}),
]);
export type TaskWork = z.infer<typeof TaskWork>;

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
  onLost: z.enum(['rerun', 'ask', 'fail']),
  maxLosses: z.number().int().nonnegative(),
  env: z.record(z.string(), z.string()),
  secrets: z.array(z.string()).max(128),
  /** Leave conflicting inputs in the worktree with markers for the work to resolve. */
  keepConflicts: z.boolean().default(false),
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
  mode: z.enum(['internal', 'external', 'hybrid', 'auto']),
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
  tasks: z.array(TaskSpecification).min(1).max(MAX_PLAN_TASKS),
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
    tasks: file.tasks.map(task => resolveTask(task, file, order)),
  };
}

function resolveTask(task: PlanTask, file: PlanFile, order: ReadonlyMap<string, number>): TaskSpecification {
  const defaults = file.defaults ?? {};
  const permissions = task.permissions ?? defaults.permissions ?? PLAN_DEFAULTS.permissions;
  const retry = task.retry ?? defaults.retry;
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
    onLost: task.onLost ?? defaults.onLost ?? 'rerun',
    maxLosses: task.maxLosses ?? defaults.maxLosses ?? PLAN_DEFAULTS.maxLosses,
    env: {...file.env, ...defaults.env, ...task.env},
    secrets: [...new Set([...(file.secrets ?? []), ...(defaults.secrets ?? []), ...(task.secrets ?? [])])],
    keepConflicts: false,
  };
}

/** `owner` is the id of the task. The evidence of a gate is kept under its name. */
export function gateName(gate: PlanGate, index: number, owner: string): string {
  const given = typeof gate === 'string' ? undefined : gate.name;
  return given ?? `${owner}-gate-${index + 1}`.slice(-64);
}

function resolveGate(gate: PlanGate, index: number, owner: string): QualityGateConfig {
  const name = gateName(gate, index, owner);
  if (typeof gate === 'string')
    return {
      name,
      type: 'command',
      command: gate,
      onFailure: 'retry',
      timeoutMs: 600_000,
    };
  return {
    name,
    type: 'command',
    command: gate.command,
    onFailure: gate.onFailure,
    timeoutMs: gate.timeout,
  };
}
