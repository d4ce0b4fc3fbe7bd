/** Waits at a view, for a bounded time: at its end the answer is how things are, with the handles to ask again by. */
import * as z from 'zod';
import type {Row, ViewSelector} from '../../protocol/commands/watch.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {every} from '../../runtime/clock.ts';
import {deferred} from '../../runtime/deferred.ts';
import {DisposableStore} from '../../runtime/disposable.ts';
import {describeError} from '../../runtime/errors.ts';
import type {ToolContext} from './hubTool.ts';

/** Below the minute after which clients give up by default. */
const DEFAULT_WAIT_SECONDS = 45;
const MAX_WAIT_SECONDS = 600;
/** A sign of life for clients that count silence. */
const BEAT_MS = 10_000;
/** Even who does not want to wait wants to see how things are. */
const FIRST_LOOK_MS = 10_000;

export const waitSeconds = z
  .number()
  .min(0)
  .max(MAX_WAIT_SECONDS)
  .default(DEFAULT_WAIT_SECONDS)
  .describe(
    'Longest wait. When it is over the answer says how things are: call again with the same arguments to go on waiting. More than 45 only where your client waits longer than a minute for a tool.',
  );

export interface Look<T> {
  readonly done: boolean;
  readonly value: T;
  /** For whoever watches the wait. */
  readonly message?: string;
}

/**
 * Looks at every change of the view until `look` says that it is done, the time is over or the client has gone; resolves with the last look. `look`
 * says nothing while there is nothing to see, and throws to end the wait.
 */
export async function lookUntil<T>(
  {actor, call, clock}: ToolContext,
  selector: ViewSelector,
  seconds: number,
  look: (rows: readonly Row[], revision: number) => Look<T> | undefined,
): Promise<Look<T>> {
  const over = deferred<Look<T>>();
  const lifetime = new DisposableStore();
  let last: Look<T> | undefined;
  let fault: Error | undefined;
  let late = false;
  let signs = 0;
  const tell = (): void => call.progress({progress: ++signs, message: last?.message});
  const watch = actor.client.watch(selector, update => {
    if (update.kind === 'failed') {
      fault = update.error;
      return;
    }
    const before = last?.message;
    try {
      last = look([...watch.rows.values()], update.cursor.revision) ?? last;
    } catch (error) {
      over.reject(error);
    }
    if (last && (last.done || late)) over.resolve(last);
    else if (last?.message !== before) tell();
  });
  lifetime.add(watch);
  lifetime.add(every(clock, BEAT_MS, tell));
  lifetime.add(
    clock.schedule(seconds * 1000, () => {
      late = true;
      if (last) over.resolve(last);
    }),
  );
  lifetime.add(
    clock.schedule(seconds * 1000 + FIRST_LOOK_MS, () => {
      const why = fault ? `: ${describeError(fault)}` : '';
      over.reject(new ProtocolError('timeout', `the coordinator did not show how things are${why}`));
    }),
  );
  const onAbort = (): void => over.reject(new ProtocolError('cancelled', 'the client has gone'));
  call.signal.addEventListener('abort', onAbort, {once: true});
  if (call.signal.aborted) onAbort();
  try {
    return await over.promise;
  } finally {
    call.signal.removeEventListener('abort', onAbort);
    lifetime.dispose();
  }
}
