/** Time as a dependency: every timer and every reading of a clock goes through a `Clock`, so that tests and simulations own time. */
import type {Disposable} from './disposable.ts';

export interface Clock {
  /** Milliseconds on a monotonic clock with an arbitrary origin. Use for every duration and deadline of ours. */
  now(): number;
  /** Milliseconds since the Unix epoch. For display and for `deadline` only: it may jump. */
  wallNow(): number;
  /** Calls `fire` once after at least `delayMs`; disposing cancels. The timer does not keep the process alive when `background`. */
  schedule(delayMs: number, fire: () => void, options?: {background?: boolean}): Disposable;
}

/** Node clamps longer timers to 1 ms, which would fire a far deadline at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  schedule(delayMs, fire, options) {
    const until = performance.now() + delayMs;
    let timer: ReturnType<typeof setTimeout>;
    // Node fires up to a millisecond early.
    const due = (): void => (performance.now() < until ? arm() : fire());
    const arm = (): void => {
      const leftMs = Math.max(0, Math.ceil(until - performance.now()));
      timer = setTimeout(due, Math.min(leftMs, LONGEST_TIMER_MS));
      if (options?.background) unref(timer);
    };
    arm();
    return {dispose: () => clearTimeout(timer)};
  },
};

/** Timers of browsers are numbers, and keep nothing alive. */
function unref(timer: unknown): void {
  const handle: {unref?: () => void} = Object(timer);
  handle.unref?.();
}

/** Resolves when `work` does, or after `ms`, whichever is first; rejects as `work` does until then. */
export async function atMost(clock: Clock, ms: number, work: Promise<unknown>): Promise<void> {
  let timer: Disposable | undefined;
  const patience = new Promise<void>(resolve => {
    timer = clock.schedule(ms, resolve);
  });
  await Promise.race([work, patience]).finally(() => timer?.dispose());
}

/** Resolves after `delayMs`, or rejects with the signal's reason. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = clock.schedule(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = (): void => {
      timer.dispose();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, {once: true});
  });
}

/** Calls `fire` every `periodMs`, measured from the end of the previous call, until disposed. */
export function every(clock: Clock, periodMs: number, fire: () => void): Disposable {
  let timer: Disposable;
  let disposed = false;
  const arm = (): void => {
    timer = clock.schedule(
      periodMs,
      () => {
        fire();
        if (!disposed) arm();
      },
      {background: true},
    );
  };
  arm();
  return {
    dispose() {
      disposed = true;
      timer.dispose();
    },
  };
}

/** A clock that stands still until it is advanced; timers fire in order of time, then of creation. */
export class ManualClock implements Clock {
  private time = 0;
  private created = 0;
  private readonly timers = new Set<{at: number; order: number; fire: () => void}>();

  constructor(private wallOffset = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.time;
  }

  wallNow(): number {
    return this.wallOffset + this.time;
  }

  schedule(delayMs: number, fire: () => void): Disposable {
    const timer = {at: this.time + Math.max(0, delayMs), order: this.created++, fire};
    this.timers.add(timer);
    return {dispose: () => void this.timers.delete(timer)};
  }

  /** Moves time forward, firing what falls due on the way. */
  advance(byMs: number): void {
    const until = this.time + byMs;
    for (;;) {
      let next: {at: number; order: number; fire: () => void} | undefined;
      for (const timer of this.timers) {
        if (timer.at > until) continue;
        if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
      }
      if (!next) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.fire();
    }
    this.time = until;
  }

  /** Moves the wall clock alone, as a laptop's clock does when it is set. */
  jumpWall(byMs: number): void {
    this.wallOffset += byMs;
  }
}
