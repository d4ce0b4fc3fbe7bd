/** Whether prompts can be worked off on this machine, found out before anything starts and under the very environment of an attempt. */
import {attemptEnvironment, type Environment} from '../../agent/claudeSetup/attemptEnvironment.ts';
import {type ClaudeProbe, probeClaude} from '../../agent/claudeSetup/probeClaude.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import {CoordinatorError} from '../../runtime/errors.ts';

/** Throws `claude` with the remedy when the plan has prompts and Claude Code is missing, broken or not signed in. */
export async function requireClaude(
  plan: Plan,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const prompts = plan.merge.onConflict === 'task' || plan.tasks.some(({work}) => work.kind === 'prompt');
  if (!prompts) return;
  await readyClaude(attemptEnvironment(env, {}), {
    because: 'the plan has prompts, and ',
    hint: 'Nothing was started. To try the plan without a model: mcpx run --rehearse',
  });
}

export interface Circumstances {
  /** What the message begins with. */
  readonly because: string;
  /** A line after the remedy. */
  readonly hint: string;
}

/** Throws `claude` with the remedy when Claude Code is missing, broken or not signed in under `env`. */
export async function readyClaude(
  env: Environment,
  {because, hint}: Circumstances = {because: '', hint: 'Nothing was started.'},
): Promise<Extract<ClaudeProbe, {kind: 'ready'}>> {
  const probe = await probeClaude({env});
  if (probe.kind === 'ready') return probe;
  const what = {
    missing: 'Claude Code is not installed here',
    unauthenticated: 'Claude Code is not signed in',
    broken: 'Claude Code does not work here',
  }[probe.kind];
  throw new CoordinatorError(
    'claude',
    `${because}${what}${probe.kind === 'broken' ? `: ${probe.message}` : ''}`,
    {hint: `${probe.hint}\n${hint}`},
  );
}
