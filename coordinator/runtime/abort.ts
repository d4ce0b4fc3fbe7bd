/** What an `AbortSignal` does to those who wait. Pure. */
import type {Deferred} from './deferred.ts';
import type {Disposable} from './disposable.ts';

/** Never resolves; rejects with the signal's reason. For signals that end about as soon as the wait. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), {once: true});
  });
}

/** Rejects what is waited for with the signal's reason, at once if it is aborted already. Dispose of it when the wait is over. */
export function rejectOnAbort(
  {reject}: Pick<Deferred<never>, 'reject'>,
  signal: AbortSignal | undefined,
): Disposable {
  const onAbort = (): void => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, {once: true});
  if (signal?.aborted) onAbort();
  return {dispose: () => signal?.removeEventListener('abort', onAbort)};
}
