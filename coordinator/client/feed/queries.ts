/** What a page asks once instead of following it: windows of transcripts, and a session's past. */
import * as z from 'zod';
import {HistoryRead, HistoryStateAt} from '../../protocol/commands/history.ts';
import {TranscriptRead} from '../../protocol/commands/watch.ts';
import type {McpxClient} from '../mcpxClient.ts';

export const FeedQuery = z.discriminatedUnion('kind', [
  /** Marks of the time slider: params and result of `mcpx.history.read`. */
  z.object({kind: z.literal('history'), params: HistoryRead}),
  /** Rows at a past revision: params and result of `mcpx.history.state`. */
  z.object({kind: z.literal('historyState'), params: HistoryStateAt}),
  /** A window of a transcript: params and result of `mcpx.transcript.read`. */
  z.object({kind: z.literal('transcript'), params: TranscriptRead}),
]);
export type FeedQuery = z.infer<typeof FeedQuery>;

/** The method's result. Rejects as the request does. */
export async function answerQuery(client: McpxClient, query: FeedQuery): Promise<object> {
  switch (query.kind) {
    case 'history':
      return client.request('mcpx.history.read', query.params, {retry: true});
    case 'historyState':
      return client.request('mcpx.history.state', query.params, {retry: true});
    case 'transcript':
      return client.request('mcpx.transcript.read', query.params, {retry: true});
  }
}
