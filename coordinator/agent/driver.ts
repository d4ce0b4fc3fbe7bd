/** The seam between an agent and what does the work of an attempt: Claude Code, a shell command, or nothing at all for load tests. */
import type * as protocol from '../protocol/approval.ts';
import type {Permissions} from '../protocol/plan/plan.ts';
import type {TranscriptEvent} from '../protocol/transcript.ts';
import {NO_USAGE, type Usage} from '../protocol/usage.ts';
import type {JsonValue} from '../runtime/json.ts';
import type {LedgerLine} from './checkpoint/ledger.ts';
import type {TranscriptEntry} from './checkpoint/transcriptEntry.ts';
import type {SecretMask} from './runner/secretMask.ts';

/** What a driver gets. Everything here is resolved: secrets are values, the worktree is ready. */
export interface DriverTask {
  readonly attemptId: string;
  readonly sessionId: string;
  readonly taskId: string;
  /** Which attempt of the task this is, counted from 1. Default 1. */
  readonly attemptNumber?: number | undefined;
  /** Stable over the attempts of one task: for idempotent outside effects. */
  readonly taskKey: string;
  /** Absolute path of the attempt's git worktree. */
  readonly worktree: string;
  /** The exact environment of the attempt's processes, complete: nothing is inherited beside it. */
  readonly env: Readonly<Record<string, string>>;
  /** Of the secrets in `env`: whoever cuts output into pieces applies it first. */
  readonly mask?: SecretMask | undefined;
  readonly work:
    | {readonly kind: 'prompt'; readonly prompt: string; readonly options: PromptOptions}
    | {readonly kind: 'run'; readonly command: string; readonly shell?: string | undefined}
    | {readonly kind: 'noop'};
}

export interface PromptOptions {
  readonly model?: string | undefined;
  readonly permissions: PermissionPolicy;
  readonly maxTurns?: number | undefined;
  /** Stop the attempt when its own spend passes this many dollars. */
  readonly budgetUsd?: number | undefined;
  /** JSON Schema of the result that the task wants, if any. */
  readonly resultSchema?: JsonValue | undefined;
  readonly systemPromptAppend?: string | undefined;
  /** MCP servers over HTTP that the attempt may use without asking, by name: the hub's own above all. */
  readonly mcpServers?: Readonly<Record<string, McpEndpoint>> | undefined;
  /** Follows the conversation, and gives the one to go on with. */
  readonly keeper?: ConversationKeeper | undefined;
}

/** Keeps a conversation so that another machine can go on with it. */
export interface ConversationKeeper {
  /** Claude Code has written these, in this order, to a file of its transcript. */
  added(file: string, entries: readonly TranscriptEntry[]): void;
  /** A batch of tool calls has ended, a subagent's too: nothing follows from them until this resolves. Never rejects. */
  batchEnded(calls: readonly string[]): Promise<void>;
  /** The conversation so far, whole, for this worktree; absent for a new one. */
  readonly resume?: {readonly conversation: string; readonly lines: readonly LedgerLine[]} | undefined;
}

export interface McpEndpoint {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Who answers when Claude Code wants to use a tool: `ask` forwards to a person; the others are explicit policies for unattended runs. */
export type PermissionPolicy = Readonly<Permissions>;

/** One event of an attempt's transcript, in order. `at` is wall time in ms. */
export type DriverEvent = TranscriptEvent;

/** Spend so far of this attempt (already differences, never a total over other attempts). */
export type DriverUsage = Readonly<Usage>;

export {NO_USAGE};

type OfKind<K extends protocol.ApprovalRequest['kind']> = Extract<protocol.ApprovalRequest, {kind: K}>;

/** `requestId` is the driver's own name for it, unlike that of any other request of the attempt. */
export type PermissionRequest = OfKind<'permission'> & {readonly requestId: string};
export type QuestionRequest = OfKind<'question'> & {readonly requestId: string};
export type ApprovalRequest = PermissionRequest | QuestionRequest;
export type ApprovalAnswer = protocol.ApprovalAnswer;

/** What the driver may call while it works. */
export interface DriverHost {
  event(event: DriverEvent): void;
  usage(usage: DriverUsage): void;
  /** Resolves when a person has answered, or rejects when the attempt is cancelled. The agent stops the attempt's clocks meanwhile. */
  ask(request: ApprovalRequest, signal?: AbortSignal): Promise<ApprovalAnswer>;
  /** The account hit a rate limit; `resetAt` is wall time in ms where the API says it. */
  rateLimited(limit: {readonly resetAt?: number | undefined; readonly message: string}): void;
  /** Claude Code's own session id, once known. */
  claudeSession(sessionId: string): void;
}

export type DriverOutcome =
  | {readonly kind: 'succeeded'; readonly summary: string; readonly result?: JsonValue | undefined}
  | {readonly kind: 'failed'; readonly reason: DriverFailure; readonly message: string}
  | {readonly kind: 'cancelled'};

/** `api` and `rateLimit` are worth a retry elsewhere or later; `auth` and `missing` are the machine's fault; `exit` and `refused` are the work's. */
export type DriverFailure =
  | 'exit'
  | 'api'
  | 'rateLimit'
  | 'auth'
  | 'missing'
  | 'budget'
  | 'maxTurns'
  | 'refused'
  | 'crashed'
  | 'internal';

export interface DriverRun {
  /** Never rejects. Settles only when every process of the attempt that the driver knows has ended. */
  readonly outcome: Promise<DriverOutcome>;
  /** Says something to a running Claude Code; queued behind the turn in progress. `false` when this driver cannot take messages. */
  send(text: string): boolean;
  /** Ends the turn in progress without ending the attempt. */
  interrupt(): Promise<boolean>;
  setModel(model: string): Promise<boolean>;
  setPermissionMode(mode: PermissionPolicy['mode']): Promise<boolean>;
  /** Ends the attempt: politely, then by force after a grace period. */
  cancel(): void;
}

export interface Driver {
  readonly name: 'claude' | 'command' | 'noop';
  start(task: DriverTask, host: DriverHost): DriverRun;
}
