/** Waits for what a view is to show. */
import type {Row, ViewSelector} from '../../protocol/commands/watch.ts';
import {rejectOnAbort} from '../../runtime/abort.ts';
import {deferred} from '../../runtime/deferred.ts';
import type {McpxClient} from '../mcpxClient.ts';

/** Resolves once `test` holds of all rows. Rejects with the reason of `signal`. */
export async function untilView(
  client: McpxClient,
  selector: ViewSelector,
  test: (rows: readonly Row[]) => boolean,
  {signal}: {readonly signal?: AbortSignal | undefined},
): Promise<void> {
  const over = deferred<void>();
  const watch = client.watch(selector, update => {
    if (update.kind !== 'failed' && test([...watch.rows.values()])) over.resolve();
  });
  const abortion = rejectOnAbort(over, signal);
  try {
    await over.promise;
  } finally {
    abortion.dispose();
    watch.dispose();
  }
}
