/** A session as a program sees it: what it is started from, and what it is now. */
import * as z from 'zod';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../protocol/model/session.ts';
import {parsePlan} from '../../protocol/plan/parse.ts';
import type {Plan, TaskSpecification} from '../../protocol/plan/plan.ts';
import {resolvePlan} from '../../protocol/plan/plan.ts';
import {type PlanFile, PlanTask} from '../../protocol/plan/schema.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {SessionProgress} from '../report/sessionProgress.ts';

/** What a plan file says, as an object: durations may be text such as `10m`, whatever has a default may be left out. */
export type PlanInput = Omit<z.input<typeof PlanFile>, 'name' | 'tasks'> & {
  /** Default: "session". */
  readonly name?: string;
  /** May be empty for a session that is open. */
  readonly tasks?: readonly TaskInput[];
};

/** One task of a plan file. */
export type TaskInput = z.input<typeof PlanTask>;

export interface SessionConfig {
  /** Chosen by the caller, so that the same call made again is the same session. Default: a new one. */
  readonly id?: string;
  /** The text of a plan file, or what it would say. Default: no tasks, which only an open session may have. */
  readonly plan?: string | PlanInput;
  /**
   * Where relative paths of the plan begin: its tasks work on the git repository there, at HEAD, unless the plan names another. Without it they
   * get empty folders, unless the plan names a repository.
   */
  readonly folder?: string;
  /** Takes work along that is not committed. Default false. */
  readonly uncommitted?: boolean;
  /** Tasks may be added until it is terminated: it does not end by itself. Default: when it has no tasks. */
  readonly open?: boolean;
  /** Keeps the worktrees of all its attempts. Default false. */
  readonly keep?: boolean;
  /** False: every task is done, whatever earlier ones with identical inputs left. Default true. */
  readonly cache?: boolean;
  /** No model is called: Claude Code talks to the script of agents that rehearse. Default false. */
  readonly rehearsal?: boolean;
}

/** As it was when it was asked for. */
export interface OrchestrationSession {
  readonly id: string;
  readonly name: string;
  readonly state: SessionRecord['state'];
  /** More tasks may be added. */
  readonly isOpen: boolean;
  readonly hasEnded: boolean;
  readonly progress: SessionProgress;
  /** Everything that is stored of it: spend, counts, result, and why it failed. */
  readonly record: SessionRecord;
}

export function orchestrationSession(record: SessionRecord, progress: SessionProgress): OrchestrationSession {
  const {id, name, state, open = false} = record;
  return {id, name, state, isOpen: open, hasEnded: FINAL_SESSION_STATES.has(state), progress, record};
}

/** A task with every default filled in. Throws `config` where it is no task. */
export function task(input: TaskInput): TaskSpecification {
  const parsed = PlanTask.safeParse(input);
  if (!parsed.success) throw new CoordinatorError('config', `not a task: ${z.prettifyError(parsed.error)}`);
  if ((parsed.data.prompt === undefined) === (parsed.data.run === undefined))
    throw new CoordinatorError('config', `task "${input.id}" needs either "prompt" or "run"`);
  const [resolved] = resolvePlan({name: parsed.data.id, tasks: [parsed.data]}).tasks;
  if (!resolved) throw new CoordinatorError('internal', 'a plan of one task has one task');
  return resolved;
}

/** Throws `config` with every mistake. */
export function planOf({plan: given = {}, folder}: SessionConfig): Plan {
  if (typeof given === 'string') return inFolder(parsed(given), folder);
  const {name = 'session', tasks = [], ...rest} = given;
  // A plan file has a task: the session of this one gets its tasks later.
  const filled = tasks.length > 0 ? tasks : [{id: 'none', run: 'true'}];
  const plan = parsed(JSON.stringify({...rest, name, tasks: filled}));
  return inFolder({...plan, tasks: tasks.length > 0 ? plan.tasks : []}, folder);
}

function parsed(text: string): Plan {
  const found = parsePlan(text);
  if (found.kind === 'plan') return found.plan;
  const lines = found.diagnostics.map(
    ({field, message, position}) => `${field === '' ? `line ${position.line}` : field}: ${message}`,
  );
  throw new CoordinatorError('config', `the plan has mistakes:\n${lines.join('\n')}`);
}

function inFolder(plan: Plan, folder: string | undefined): Plan {
  const {workspace} = plan;
  const isNowhere = folder === undefined && workspace.kind === 'git' && workspace.repository === undefined;
  return isNowhere ? {...plan, workspace: {kind: 'none'}} : plan;
}
