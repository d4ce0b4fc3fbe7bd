/** A conversation with Claude Code that ends with a plan: it reads the repository, drafts, and is told what is wrong with the draft. */
import {randomUUID} from 'node:crypto';
import type {Options, SDKMessage, SDKResultMessage} from '@anthropic-ai/claude-agent-sdk';
import {outcomeOfResult} from '../../agent/drivers/claude/claudeOutcome.ts';
import {Inbox} from '../../agent/drivers/claude/inbox.ts';
import type {ClaudeSdk} from '../../agent/drivers/claude/sdk.ts';
import {formatAttemptMarker} from '../../agent/rehearsal/attemptMarker.ts';
import type {PlanDiagnostic} from '../../protocol/plan/diagnostics.ts';
import {PLAN_START} from '../../protocol/plan/diagnostics.ts';
import {parsePlan} from '../../protocol/plan/parse.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {correction, draftRequest, planGuide, planTextOf} from './draftTexts.ts';

/** It looks, and changes nothing. */
const READING_TOOLS = ['Read', 'Grep', 'Glob'];
/** A draft and two corrections. */
const MAX_TURNS = 3;
/** By which a rehearsal's script names what it plays. */
const TASK_ID = 'draft';

export interface DraftRequest {
  readonly goal: string;
  readonly folder: string;
  readonly executable: string;
  readonly env: Readonly<Record<string, string>>;
  readonly sdk: ClaudeSdk;
  readonly model?: string | undefined;
  readonly budgetUsd?: number | undefined;
  readonly abort: AbortController;
  /** What is going on, a line each. */
  readonly said: (line: string) => void;
}

interface Spent {
  /** Drafts that were looked at. */
  readonly turns: number;
  readonly costUsd: number;
}

export type Draft = Spent &
  (
    | {
        readonly kind: 'plan';
        readonly text: string;
        readonly plan: Plan;
        readonly warnings: readonly PlanDiagnostic[];
      }
    /** The last draft, which is none yet. */
    | {readonly kind: 'invalid'; readonly text: string; readonly diagnostics: readonly PlanDiagnostic[]}
  );

/** Throws `claude` when Claude Code fails; the abort's reason when it is aborted. */
export async function draftPlan(request: DraftRequest): Promise<Draft> {
  const inbox = new Inbox();
  const query = request.sdk.query({prompt: inbox, options: optionsOf(request)});
  inbox.push(randomUUID(), draftRequest(request.goal));
  let turns = 0;
  try {
    for await (const message of query) {
      tellProgress(message, request.said);
      if (message.type !== 'result') continue;
      turns += 1;
      const draft = judge(textOf(message), {turns, costUsd: message.total_cost_usd});
      if (draft.kind === 'plan' || turns === MAX_TURNS) return draft;
      request.said(`The draft has ${draft.diagnostics.length} mistakes; Claude Code is told.`);
      inbox.push(randomUUID(), correction(draft.diagnostics));
    }
  } catch (error) {
    request.abort.signal.throwIfAborted();
    throw error;
  } finally {
    inbox.close();
  }
  throw new CoordinatorError('claude', 'Claude Code ended before it had drafted a plan');
}

function optionsOf(request: DraftRequest): Options {
  const {folder, env, executable, model, budgetUsd, abort} = request;
  const marker = formatAttemptMarker({taskId: TASK_ID, attempt: 1, worktree: folder});
  return {
    cwd: folder,
    env: {...env},
    pathToClaudeCodeExecutable: executable,
    abortController: abort,
    settingSources: ['user', 'project', 'local'],
    systemPrompt: {type: 'preset', preset: 'claude_code', append: `${marker}\n\n${planGuide()}`},
    permissionMode: 'plan',
    tools: READING_TOOLS,
    allowedTools: READING_TOOLS,
    // Servers of the project could do more than look.
    strictMcpConfig: true,
    persistSession: false,
    ...(model === undefined ? {} : {model}),
    ...(budgetUsd === undefined ? {} : {maxBudgetUsd: budgetUsd}),
  };
}

function textOf(result: SDKResultMessage): string {
  const outcome = outcomeOfResult(result, {
    wantsResult: false,
    earlierResult: undefined,
    apiError: undefined,
  });
  if (outcome.kind === 'failed') throw new CoordinatorError('claude', outcome.message);
  return result.subtype === 'success' ? result.result : '';
}

function judge(answer: string, spent: Spent): Draft {
  const text = planTextOf(answer);
  if (text === undefined) {
    const message = 'the answer holds no plan: end it with one block that begins with ```yaml';
    const diagnostic = {severity: 'error', field: '', message, position: PLAN_START} as const;
    return {kind: 'invalid', text: answer, diagnostics: [diagnostic], ...spent};
  }
  const parsed = parsePlan(text);
  return parsed.kind === 'plan'
    ? {kind: 'plan', text, plan: parsed.plan, warnings: parsed.warnings, ...spent}
    : {kind: 'invalid', text, diagnostics: parsed.diagnostics, ...spent};
}

function tellProgress(message: SDKMessage, said: (line: string) => void): void {
  if (message.type !== 'assistant') return;
  for (const block of message.message.content)
    if (block.type === 'tool_use') said(`${block.name} ${JSON.stringify(block.input).slice(0, 160)}`);
}
