/**
 * What a web page may follow, and how it is told: topics with a snapshot and then every change in order. A page that misses a message (it was
 * hidden, a post failed) sees the gap in the numbers and asks for the topic anew. Who sends it, a VS Code window or the page itself, is no matter.
 */
import * as z from 'zod';
import {ClusterInfo, Row} from '../../protocol/commands/watch.ts';
import {AttemptId, SessionId} from '../../protocol/ids.ts';
import {Plan} from '../../protocol/plan/plan.ts';
import {TranscriptEvent} from '../../protocol/transcript.ts';

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

export const FeedEvent = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('rows'), rows: z.array(Row), revision: z.number()}),
  z.object({
    kind: z.literal('changes'),
    revision: z.number(),
    upserts: z.array(Row),
    deletes: z.array(z.object({kind: z.string(), id: z.string()})),
  }),
  z.object({kind: z.literal('plan'), plan: Plan}),
  z.object({
    kind: z.literal('transcript'),
    firstSeq: z.number().int().positive(),
    events: z.array(TranscriptEvent),
    ended: z.boolean(),
  }),
  z.object({
    kind: z.literal('health'),
    at: z.number(),
    info: ClusterInfo,
    /** Round trip of the request that brought it, in ms. */
    latencyMs: z.number().nonnegative(),
  }),
  /** It cannot be followed at present; it is tried again by itself. */
  z.object({kind: z.literal('failed'), message: z.string()}),
]);
export type FeedEvent = z.infer<typeof FeedEvent>;

/** One message of one topic. `seq` rises by one from 1 within a generation; a new generation starts with a snapshot. */
export const FeedMessage = z.object({
  /** Chosen by the page when it opened the topic. */
  topicId: z.string().max(64),
  generation: z.number().int().positive(),
  seq: z.number().int().positive(),
  event: FeedEvent,
});
export type FeedMessage = z.infer<typeof FeedMessage>;
