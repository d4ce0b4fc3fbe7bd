/** How long writes are not acknowledged while a leader is lost: puts at a steady pace, whatever becomes of those before. */

export interface GapResult {
  /** Longest time between two acknowledgements, and from the start to the first. */
  readonly longestMs: number;
  readonly acknowledged: number;
}

const EVERY_MS = 10;

export async function measureGap(ms: number, put: (turn: number) => Promise<unknown>): Promise<GapResult> {
  const began = performance.now();
  let last = began;
  let longestMs = 0;
  let acknowledged = 0;
  let turn = 0;
  const onDone = (): void => {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last);
    last = now;
    acknowledged += 1;
  };
  await new Promise<void>(resolve => {
    const timer = setInterval(() => {
      if (performance.now() - began >= ms) {
        clearInterval(timer);
        resolve();
        return;
      }
      // Those that fail are what is measured.
      put(turn++).then(onDone, () => undefined);
    }, EVERY_MS);
  });
  return {longestMs: Math.max(longestMs, performance.now() - last), acknowledged};
}
