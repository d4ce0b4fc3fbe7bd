/** The rows of a view as they are now, for who does not follow it. */
import type {Row, ViewSelector} from '../protocol/commands/watch.ts';
import {type Clock, systemClock} from '../runtime/clock.ts';
import {deferred} from '../runtime/deferred.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {McpxClient} from './mcpxClient.ts';

const SNAPSHOT_TIMEOUT_MS = 30_000;

/** Errors: `timeout`, and those of the view. */
export async function snapshotRows(
  client: McpxClient,
  selector: ViewSelector,
  clock: Clock = systemClock,
): Promise<Row[]> {
  const arrived = deferred<Row[]>();
  const watch = client.watch(selector, update => {
    if (update.kind === 'failed') arrived.reject(update.error);
    else arrived.resolve([...watch.rows.values()]);
  });
  const timer = clock.schedule(SNAPSHOT_TIMEOUT_MS, () =>
    arrived.reject(new CoordinatorError('timeout', 'the coordinator did not send the view in time')),
  );
  try {
    return await arrived.promise;
  } finally {
    timer.dispose();
    watch.dispose();
  }
}
