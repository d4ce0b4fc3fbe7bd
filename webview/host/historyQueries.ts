/** Questions about a session's past, asked over a connection. */
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import type {PageQuery} from '../messages.ts';
import type {ActionOutcome} from './browserActions.ts';

export async function answerHistory(
  _client: McpxClient,
  _query: Exclude<PageQuery, {kind: 'transcript'}>,
): Promise<ActionOutcome> {
  return {kind: 'failed', message: 'This coordinator keeps no history.'};
}
