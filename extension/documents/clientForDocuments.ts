/** The connection that documents are read over. */
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {configuredChoice} from '../connection/contexts.ts';
import type {Services} from '../services.ts';
import {setting} from '../settings.ts';

/** A window that was reloaded opens its documents before it has found its coordinator. None is started for them. Rejects with `unavailable`. */
export async function clientForDocuments({
  context,
  link,
}: Pick<Services, 'context' | 'link'>): Promise<McpxClient> {
  if (link.state.kind === 'off') {
    if (setting('coordinator.context') === '') await link.join();
    else await link.start(await configuredChoice({context}));
  }
  return link.state.kind === 'starting' ? link.start() : link.requireClient();
}
