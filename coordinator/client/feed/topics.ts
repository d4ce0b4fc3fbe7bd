/**
 * What a web page may follow, and how it is told: topics with a snapshot and then every change in order. A page that misses a message (it was
 * hidden, a post failed) sees the gap in the numbers and asks for the topic anew. Who sends it, a VS Code window or the page itself, is no matter.
 */
import * as z from 'zod';
import type {ClusterInfo, Row} from '../../protocol/commands/watch.ts';
import {AttemptId, SessionId} from '../../protocol/ids.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import type {TranscriptEvent} from '../../protocol/transcript.ts';

export const Topic = z.discriminatedUnion('kind', [
  /** Rows: agents, sessions, and what waits for a person. */
  z.object({kind: z.literal('fleet')}),
  /** Rows: the session, its tasks, attempts, refs, refusals, and its approvals. */
  z.object({kind: z.literal('session'), sessionId: SessionId}),
  /** The plan; sent again when tasks were added. */
  z.object({kind: z.literal('plan'), sessionId: SessionId}),
  /** Events from `fromSeq` on, live. */
  z.object({
    kind: z.literal('transcript'),
    attemptId: AttemptId,
    fromSeq: z.number().int().positive().default(1),
  }),
  /** The coordinator's own state, every few seconds. */
  z.object({kind: z.literal('health')}),
]);
export type Topic = z.infer<typeof Topic>;

export type FeedEvent =
  | {readonly kind: 'rows'; readonly rows: readonly Row[]; readonly revision: number}
  | {
      readonly kind: 'changes';
      readonly revision: number;
      readonly upserts: readonly Row[];
      readonly deletes: readonly {readonly kind: string; readonly id: string}[];
    }
  | {readonly kind: 'plan'; readonly plan: Plan}
  | {
      readonly kind: 'transcript';
      readonly firstSeq: number;
      readonly events: readonly TranscriptEvent[];
      readonly ended: boolean;
    }
  | {
      readonly kind: 'health';
      readonly at: number;
      readonly info: ClusterInfo;
      /** Round trip of the request that brought it, in ms. */
      readonly latencyMs: number;
    }
  /** It cannot be followed at present; it is tried again by itself. */
  | {readonly kind: 'failed'; readonly message: string};

function isFeedEvent(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

/** One message of one topic. `seq` rises by one from 1 within a generation; a new generation starts with a snapshot. */
export const FeedMessage = z.object({
  /** Chosen by the page when it opened the topic. */
  topicId: z.string().max(64),
  generation: z.number().int().positive(),
  seq: z.number().int().positive(),
  /** Page and host are one build, and the host has checked what it got from elsewhere: to check 5,000 rows again would take half of a first paint. */
  event: z.custom<FeedEvent>(isFeedEvent),
});
export type FeedMessage = z.infer<typeof FeedMessage>;
