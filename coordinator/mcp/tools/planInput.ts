/** From what a caller says to a plan, its workspace and ids that are the same whenever the same key comes again. */
import {createHash} from 'node:crypto';
import * as z from 'zod';
import {planOf} from '../../client/orchestrator/session.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {SessionId, USER_TASK_ID} from '../../protocol/ids.ts';
import type {CommitBundle, SessionRecord, WorkspaceSource} from '../../protocol/model/session.ts';
import type {Plan, TaskSpecification} from '../../protocol/plan/plan.ts';
import type {Random} from '../../runtime/random.ts';
import {newId} from '../../runtime/random.ts';
import type {Principal} from '../../security/principal.ts';

export const key = z
  .string()
  .min(1)
  .max(128)
  .optional()
  .describe(
    'A name of your own for this very call. Repeated with the same key (after a lost connection, at another coordinator) it has happened once, and gives the same handles.',
  );

/** What a task does, apart from its id and what it depends on. */
export const work = {
  title: z.string().max(256).optional().describe('What people read beside the id.'),
  prompt: z.string().min(1).max(262_144).optional().describe('What Claude Code is asked to do.'),
  run: z.string().min(1).max(16_384).optional().describe('Instead of a prompt: a shell command.'),
  more: z
    .record(z.string(), z.unknown())
    .optional()
    .describe(
      'Any other key of a task in a plan file: requires, permissions, gates, retry, timeout, budgetUsd, model, resultSchema, env, secrets, priority, ...',
    ),
};

export const workspace = z
  .object({
    sessionId: SessionId.describe('A session that works on the repository.'),
    at: z
      .enum(['start', 'result'])
      .default('start')
      .describe('The commit that it started from, or that of its merged results.'),
  })
  .optional()
  .describe(
    'Tasks work on the repository of a session that the coordinator knows. Default: none, every task gets an empty folder. A repository that no session knows yet is brought by "mcpx run" or "mcpx lead", from where it is.',
  );

export type WorkspaceInput = z.output<typeof workspace>;

/** The same for the same words and asker, at every coordinator. */
export function idFor(prefix: string, principal: Principal, parts: readonly string[]): string {
  const text = JSON.stringify([principal.tenant, principal.id, ...parts]);
  return `${prefix}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

export function sessionIdFor(principal: Principal, key: string | undefined, random: Random): string {
  return key === undefined ? newId(random, 's') : idFor('s', principal, ['session', key]);
}

/** Throws `config` with every mistake. `beside`: ids of tasks that are there already. */
export function tasksOf(
  inputs: readonly Record<string, unknown>[],
  beside: readonly string[],
): TaskSpecification[] {
  // The others are named so that dependencies on them can be checked; those that the coordinator named are no business of a plan.
  const known = beside.filter(id => USER_TASK_ID.test(id) && !inputs.some(task => task['id'] === id));
  const tasks = [...known.map(id => ({id, run: 'true'})), ...inputs];
  const plan = planOf({plan: JSON.stringify({name: 'added', workspace: 'none', tasks})});
  return plan.tasks.filter(({id}) => !known.includes(id));
}

export interface PlanWords {
  readonly plan?: string | undefined;
  readonly name?: string | undefined;
  readonly tasks?: readonly Record<string, unknown>[] | undefined;
  readonly budgetUsd?: number | undefined;
}

/** Throws `config` with every mistake. */
export function planFrom({plan, name, tasks = [], budgetUsd}: PlanWords): Plan {
  if (plan !== undefined && (tasks.length > 0 || name !== undefined || budgetUsd !== undefined))
    throw new ProtocolError('invalidParams', 'plan: a plan text says its name, tasks and budget itself');
  if (plan !== undefined) return planOf({plan});
  const words = JSON.stringify({name: name ?? 'session', workspace: 'none', budgetUsd, tasks: filled(tasks)});
  const made = planOf({plan: words});
  return tasks.length > 0 ? made : {...made, tasks: []};
}

/** A plan file has a task; an open session may have none. */
function filled(tasks: readonly Record<string, unknown>[]): readonly Record<string, unknown>[] {
  return tasks.length > 0 ? tasks : [{id: 'none', run: 'true'}];
}

const MAX_BUNDLES = 64;

/** The plan on the repository of `known`, and the commit that it starts from. Without one the plan must need none. */
export function onWorkspace(
  plan: Plan,
  known: SessionRecord | undefined,
  at: 'start' | 'result',
): {readonly plan: Plan; readonly source: WorkspaceSource | undefined} {
  if (!known) {
    if (plan.workspace.kind === 'git')
      throw new ProtocolError(
        'invalidParams',
        'the plan works on a repository, which is not here: name a session that works on it as "workspace", or say "workspace: none" in the plan. "mcpx run" brings a repository from where it is.',
      );
    return {plan, source: undefined};
  }
  const {workspace: source, result} = known;
  if (!source) throw new ProtocolError('invalidParams', `session ${known.id} works on no repository`);
  const named = plan.workspace.kind === 'git' ? plan.workspace : undefined;
  if (named?.repository !== undefined || named?.ref !== undefined || (named?.include.length ?? 0) > 0)
    throw new ProtocolError(
      'invalidParams',
      'the plan names its own repository, ref or files to include: leave them out where "workspace" says which commit it is',
    );
  const onGit: Plan = {...plan, workspace: {kind: 'git', setup: named?.setup ?? [], include: []}};
  if (at === 'start') return {plan: onGit, source};
  if (!result) throw new ProtocolError('conflict', `session ${known.id} has no result yet (${known.state})`);
  if (result.bundleList !== undefined || source.bundles.length + result.bundles.length > MAX_BUNDLES)
    throw new ProtocolError(
      'notAvailable',
      `the result of session ${known.id} is in too many pieces to start from: bring it with "mcpx sessions fetch" and "mcpx run"`,
    );
  return {
    plan: onGit,
    source: {...source, commit: result.commit, bundles: joined(source.bundles, result.bundles)},
  };
}

function joined(first: readonly CommitBundle[], then: readonly CommitBundle[]): CommitBundle[] {
  const seen = new Set(first.map(({sha256}) => sha256));
  return [...first, ...then.filter(({sha256}) => !seen.has(sha256))];
}
