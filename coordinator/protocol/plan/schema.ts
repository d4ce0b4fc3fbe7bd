/** The plan file: what a person writes. Strict, so that a misspelt key is an error; see parse.ts for positions, crossChecks.ts for references. */
import * as z from 'zod';
import {CapabilityRequirement, ResourceRequirement} from '../capability.ts';
import {AffinityRule, LoadBalancingStrategyName} from '../context.ts';
import {USER_TASK_ID} from '../ids.ts';
import {OrchestrationMode} from '../model/mode.ts';
import {Duration} from './duration.ts';
import {PlanGate} from './gateSchema.ts';
import {PlanRollback, PlanSyncPoint} from './rollbackSchema.ts';
import {PlanSplit} from './splitSchema.ts';

const taskId = z
  .string()
  .regex(
    USER_TASK_ID,
    'a task id is 1 to 64 letters, digits, "_" and "-", and starts with a letter or digit',
  );
const dollars = z.number().positive().max(1_000_000).describe('US dollars.');
const command = z.string().min(1).max(16_384);
const environment = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not the name of an environment variable'),
    z.union([z.string(), z.number(), z.boolean()]).transform(String),
  )
  .refine(variables => Object.keys(variables).length <= 1024, 'at most 1024 variables')
  .describe('Environment variables of every process of the task.');
/** In any case, since some systems do not tell cases of names apart. */
export const RESERVED_SECRET = /^(?![Mm][Cc][Pp][Xx]_)/;

const secretNames = z
  .array(
    z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not the name of an environment variable')
      .regex(
        RESERVED_SECRET,
        "names that begin with MCPX_ are the agent's own, such as the token by which it joined: no task gets them",
      ),
  )
  .max(64)
  .describe(
    'Names of secrets that the agent supplies from its own environment; their values never reach the coordinator.',
  );

export const PlanPermissions = z.strictObject({
  mode: z
    .enum(['ask', 'acceptEdits', 'dontAsk', 'plan', 'bypass'])
    .default('acceptEdits')
    .describe(
      'ask: a person answers each request. acceptEdits: edits are allowed, other tools where allow says so, the rest is denied. dontAsk: only what allow says is allowed. plan: it reads and plans, and changes nothing. bypass: everything is allowed (only in a sandbox).',
    ),
  allow: z
    .array(z.string().max(512))
    .max(256)
    .default([])
    .describe('Tool rules of Claude Code, such as "Bash(npm test:*)".'),
  deny: z
    .array(z.string().max(512))
    .max(256)
    .default([])
    .describe('Tool rules of what is never allowed, whatever the mode.'),
});
export type PlanPermissions = z.infer<typeof PlanPermissions>;

export const PlanRetry = z.strictObject({
  max: z
    .number()
    .int()
    .min(0)
    .max(20)
    .default(1)
    .describe('Further tries after a failure of the work itself. Losses of agents do not count.'),
  backoff: Duration.default(2000).describe('Wait before the first retry; doubled each time.'),
  maxBackoff: Duration.default(120_000).describe('Longest wait between two retries.'),
});
export type PlanRetry = z.infer<typeof PlanRetry>;

export const PlanRequirements = z.strictObject({
  capabilities: z
    .array(
      z.union([
        z
          .string()
          .min(1)
          .max(64)
          .transform(domain => ({domain})),
        CapabilityRequirement,
      ]),
    )
    .max(32)
    .optional()
    .describe('What the agent must be able to do: domains, with the least proficiency that will do.'),
  specializations: z
    .array(z.string().min(1).max(64))
    .max(32)
    .optional()
    .describe('All of them must be among the specialisations of the agent.'),
  resources: z
    .array(ResourceRequirement)
    .max(16)
    .optional()
    .describe('What the machine must have: cpu in cores, memory and disk in MiB.'),
  region: z.string().min(1).max(64).optional().describe('Where the agent must be.'),
  mode: z
    .enum(['internal', 'external', 'any'])
    .optional()
    .describe('internal: agents that a run started. external: agents that joined. any: either.'),
  tags: z
    .array(z.string().min(1).max(64))
    .max(32)
    .optional()
    .describe('Tags that the agent must have, all of them.'),
});

const shared = {
  requires: PlanRequirements.optional().describe('What the agent must have.'),
  affinity: z
    .array(AffinityRule)
    .max(16)
    .optional()
    .describe('Where to run, or how near to other tasks: on the same agent, in the same region, apart.'),
  retry: PlanRetry.optional().describe('What happens after a failure of the work itself.'),
  timeout: Duration.optional().describe(
    'Longest run of one attempt, not counting time that waits for a person.',
  ),
  budgetUsd: dollars.optional().describe('US dollars that the attempts of one task may spend.'),
  permissions: PlanPermissions.optional().describe('Which tools Claude Code may use.'),
  model: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('Model of Claude Code: an alias such as sonnet, or a full name.'),
  maxTurns: z
    .number()
    .int()
    .positive()
    .max(10_000)
    .optional()
    .describe('Most turns of Claude Code in one attempt.'),
  onLost: z
    .enum(['rerun', 'ask', 'fail'])
    .optional()
    .describe('When the agent is lost in mid-attempt: run again, ask a person, or fail.'),
  maxLosses: z
    .number()
    .int()
    .min(0)
    .max(100)
    .optional()
    .describe('Lost agents after which the task waits for a person; losses never spend retry.'),
  class: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe(
      'What the task has in common with others: durations and failures are learned by agent and class.',
    ),
  estimate: Duration.optional().describe('About how long one attempt takes, for placing it.'),
  strategy: LoadBalancingStrategyName.optional().describe(
    'How an agent is chosen among those that fit; default: as the plan says.',
  ),
  speculate: z
    .boolean()
    .optional()
    .describe(
      'true: a second attempt may begin on another agent where the first takes far longer than expected; the first to be done counts, the other is cancelled. A prompt gets one only where a budget limits it; half of a budgetUsd of its own is kept for that.',
    ),
  checkpoint: z
    .enum(['auto', 'off'])
    .optional()
    .describe(
      'auto: the conversation is kept after each batch of tool calls, so that another machine can go on with it when the agent is lost. off: it begins anew there.',
    ),
  hubTools: z
    .boolean()
    .optional()
    .describe(
      "true: its Claude Code has the coordinator's MCP tools: to delegate tasks, read and write shared memory, exchange messages, ask a person, and those of the MCP servers behind it that agents may use; none of them is asked about. They act under the attempt's fence and may do nothing that the task itself may not.",
    ),
  cache: z
    .boolean()
    .optional()
    .describe(
      'true: the result is kept, and a later task with identical inputs (work, files, results that it depends on, gates, environment) is completed from it instead of being done again. Only for work that depends on nothing else.',
    ),
  env: environment.optional(),
  secrets: secretNames.optional(),
  gates: z
    .array(PlanGate)
    .max(32)
    .optional()
    .describe('What must hold before the result of the task counts.'),
  rollback: PlanRollback.optional().describe('What is undone when a gate says so, and how.'),
};

export const PlanTask = z.strictObject({
  id: taskId.describe('What others call the task: letters, digits, "_" and "-".'),
  title: z.string().max(256).optional().describe('What people read beside the id.'),
  prompt: z.string().min(1).max(262_144).optional().describe('What Claude Code is asked to do.'),
  run: command.optional().describe('A shell command; whatever it changes in its worktree is its result.'),
  dependsOn: z
    .union([taskId.transform(id => [id]), z.array(taskId).max(1000)])
    .optional()
    .describe('Tasks that must have succeeded first; this one begins with the merge of their results.'),
  priority: z.number().int().min(-1000).max(1000).optional().describe('Higher first.'),
  deadline: z.iso
    .datetime({offset: true})
    .optional()
    .describe('Date and time by which it must be done, such as "2030-01-31T18:00:00Z".'),
  resultSchema: z.record(z.string(), z.json()).optional().describe('JSON Schema of a structured result.'),
  syncPoint: PlanSyncPoint.optional().describe(
    'Where it arrives: whatever depends on one of the tasks that name this point waits for all of them.',
  ),
  ...shared,
  split: PlanSplit.optional().describe(
    'Divides the task into parts that run at the same time, and merges what they leave.',
  ),
});

export const PlanWorkspace = z.union([
  z.literal('none').describe('No repository: every task gets an empty folder and leaves no commit.'),
  z.strictObject({
    repository: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe("A path or git URL; default: the plan's own repository."),
    ref: z.string().min(1).max(1024).optional().describe('Branch, tag or commit; default: HEAD.'),
    setup: z
      .array(command)
      .max(32)
      .optional()
      .describe(
        'Commands that prepare a fresh worktree, such as "npm ci"; what they leave in ignored files is cached per agent.',
      ),
    include: z
      .array(z.string().min(1).max(4096))
      .max(256)
      .optional()
      .describe('Ignored files of your checkout, such as ".env", that every worktree gets.'),
  }),
]);

export const PlanMerge = z.strictObject({
  onConflict: z
    .enum(['fail', 'task'])
    .default('fail')
    .describe('fail: the session fails and keeps both sides. task: Claude Code is asked to resolve it.'),
  prompt: z.string().min(1).max(65_536).optional().describe('More instructions for a merge task.'),
  permissions: PlanPermissions.optional().describe('Which tools Claude Code may use in a merge task.'),
  model: z.string().min(1).max(128).optional().describe('Model of Claude Code in a merge task.'),
});

export const PlanFile = z.strictObject({
  name: z.string().min(1).max(256).describe('What its sessions are called.'),
  description: z.string().max(65_536).optional().describe('What it is for, for people.'),
  workspace: PlanWorkspace.optional().describe(
    'The repository that the tasks work on, or none; default: the one that the plan is in, at HEAD.',
  ),
  agents: z
    .number()
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe('Agents wanted; mcpx run starts as many on this machine.'),
  mode: OrchestrationMode.optional().describe(
    'internal: only agents that the coordinator or the run starts on its machine. external: only agents that joined. hybrid: both alike. auto: internal ones first, others where none fits or the wait would be too long.',
  ),
  strategy: LoadBalancingStrategyName.optional().describe('How an agent is chosen among those that fit.'),
  defaults: z.strictObject(shared).optional().describe('For every task that does not say otherwise.'),
  budgetUsd: dollars.optional().describe('The whole session stops spending here.'),
  env: environment.optional(),
  secrets: secretNames.optional(),
  gates: z
    .array(PlanGate)
    .max(32)
    .optional()
    .describe('Run on the merged result before the session counts as succeeded.'),
  rollback: PlanRollback.optional().describe('What is undone when a gate on the merged result says so.'),
  merge: PlanMerge.optional().describe('What happens when results overlap.'),
  tasks: z
    .array(PlanTask)
    .min(1, 'a plan needs at least one task')
    .max(100_000)
    .describe('In any order: dependsOn tells which comes first.'),
});
export type PlanFile = z.infer<typeof PlanFile>;
export type PlanTask = z.infer<typeof PlanTask>;
