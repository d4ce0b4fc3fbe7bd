/** Waiting in tests: with a limit, and with an error that says what was waited for. */
import {setTimeout as pause} from 'node:timers/promises';

const POLL_MS = 25;

/** Settles as `promise`, or rejects after `timeoutMs` with what `describe` says then. */
export async function within<T>(
  promise: Promise<T>,
  timeoutMs: number,
  describe: string | (() => string),
): Promise<T> {
  const over = new AbortController();
  const late = pause(timeoutMs, undefined, {signal: over.signal}).then(() => {
    const what = typeof describe === 'string' ? describe : describe();
    throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}

/** For what tells nobody when it changes, such as files and /proc: looks until `look` finds something. */
export async function found<T>(
  look: () => T | undefined | Promise<T | undefined>,
  timeoutMs: number,
  what: string | (() => string),
): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const result = await look();
    if (result !== undefined) return result;
    if (performance.now() > until)
      throw new Error(`waited ${timeoutMs} ms in vain for ${typeof what === 'string' ? what : what()}`);
    await pause(POLL_MS);
  }
}
