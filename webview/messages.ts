/** Everything that a page and its host say to each other: a VS Code window, or the browser's own script around the page. */
import * as z from 'zod';
import {FeedQuery} from '../coordinator/client/feed/queries.ts';
import {FeedMessage, Topic} from '../coordinator/client/feed/topics.ts';
import {ApprovalAnswer} from '../coordinator/protocol/approval.ts';
import {AttemptId, Identifier, SessionId, TaskId} from '../coordinator/protocol/ids.ts';

/** Which page is shown, and what of. It is also what a window stores to show the page again after a reload. */
export const PageState = z.discriminatedUnion('page', [
  z.object({page: z.literal('home')}),
  z.object({page: z.literal('graph'), sessionId: SessionId, taskId: TaskId.optional()}),
  /** A plan file before it runs: the host sends it as a `plan` event of the topic `draft`. */
  z.object({page: z.literal('draft'), uri: z.string().max(4096), title: z.string().max(256)}),
  z.object({
    page: z.literal('session'),
    sessionId: SessionId,
    /** The tab, and the attempt whose transcript is shown. */
    attemptId: AttemptId.optional(),
  }),
  z.object({page: z.literal('health')}),
]);
export type PageState = z.infer<typeof PageState>;

/**
 * What a person does in a page. The host does it as if its own command had been called, with the same questions; `answered` tells the outcome.
 * A browser's host knows those that need no editor.
 */
export const PageAction = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('session'),
    sessionId: SessionId,
    command: z.enum([
      'openGraph',
      'openSession',
      'pauseSession',
      'resumeSession',
      'cancelSession',
      'rollBackSession',
      'setBudget',
      'setStrategy',
      'showDiff',
      'acceptResult',
      'pushResult',
      'openPullRequest',
      'exportReport',
    ]),
  }),
  z.object({
    kind: z.literal('task'),
    sessionId: SessionId,
    taskId: TaskId,
    command: z.enum([
      'attach',
      'retryTask',
      'retryTaskWithNote',
      'reassignTask',
      'cancelTask',
      'rerunGates',
      'waiveGate',
      'explainTask',
      'showDiff',
    ]),
  }),
  z.object({
    kind: z.literal('attempt'),
    attemptId: AttemptId,
    command: z.enum(['attach', 'interrupt', 'setModel', 'setPermissionMode', 'openWorktree', 'showDiff']),
  }),
  /** Typed into a live transcript. */
  z.object({kind: z.literal('message'), attemptId: AttemptId, text: z.string().min(1).max(262_144)}),
  z.object({
    kind: z.literal('approval'),
    sessionId: SessionId,
    approvalId: Identifier,
    command: z.enum(['approve', 'approveForSession', 'approveEdited', 'deny', 'answer']),
  }),
  /** An answer that was given in the page itself. */
  z.object({
    kind: z.literal('approvalAnswer'),
    sessionId: SessionId,
    approvalId: Identifier,
    answer: ApprovalAnswer,
  }),
  /** The files of a past revision: the host opens what the tasks had delivered by then. */
  z.object({kind: z.literal('filesAt'), sessionId: SessionId, revision: z.number().int().positive()}),
  z.object({kind: z.literal('accept-draft'), uri: z.string().max(4096)}),
]);
export type PageAction = z.infer<typeof PageAction>;

/** Page -> host. */
export const FromPage = z.discriminatedUnion('kind', [
  /** First of all, and again after a reload: the host answers with `hello`. */
  z.object({kind: z.literal('ready')}),
  /** Also after a gap: the topic starts anew with a higher generation. */
  z.object({kind: z.literal('open'), topicId: z.string().max(64), topic: Topic}),
  z.object({kind: z.literal('close'), topicId: z.string().max(64)}),
  z.object({kind: z.literal('action'), id: z.number().int().positive(), action: PageAction}),
  /** Answered once. */
  z.object({kind: z.literal('query'), id: z.number().int().positive(), query: FeedQuery}),
  /** What is shown now, to be remembered by the host. */
  z.object({kind: z.literal('state'), state: PageState}),
]);
export type FromPage = z.infer<typeof FromPage>;

export const ConnectionShown = z.enum(['connected', 'connecting', 'waiting', 'stopped']);
export type ConnectionShown = z.infer<typeof ConnectionShown>;

/** Host -> page. */
export const ToPage = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('hello'),
    state: PageState,
    /** `editor`: every action works. `browser`: those that need no editor. */
    host: z.enum(['editor', 'browser']),
    /** Translations of what pages say, by their English text. */
    l10n: z.record(z.string(), z.string()),
  }),
  /** Show this now: a command was called for a page that is open. */
  z.object({kind: z.literal('show'), state: PageState}),
  z.object({kind: z.literal('connection'), state: ConnectionShown, message: z.string().optional()}),
  z.object({kind: z.literal('feed'), message: FeedMessage}),
  z.object({
    kind: z.literal('answered'),
    id: z.number().int().positive(),
    outcome: z.discriminatedUnion('kind', [
      z.object({kind: z.literal('done'), value: z.unknown().optional()}),
      z.object({kind: z.literal('cancelled')}),
      z.object({kind: z.literal('failed'), message: z.string()}),
    ]),
  }),
]);
export type ToPage = z.infer<typeof ToPage>;
