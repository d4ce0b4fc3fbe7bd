/** Waits for what a view is to show. */
import type {Row, ViewSelector} from '../../protocol/commands/watch.ts';
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
  const abort = (): void => over.reject(signal?.reason);
  signal?.addEventListener('abort', abort, {once: true});
  if (signal?.aborted) abort();
  try {
    await over.promise;
  } finally {
    signal?.removeEventListener('abort', abort);
    watch.dispose();
  }
}
