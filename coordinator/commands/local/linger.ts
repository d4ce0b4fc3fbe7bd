/** Ends a coordinator that nobody needs: no client connected and no unfinished session for the linger's time. */
import {type Clock, every} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';

export interface Busyness {
  readonly clients: number;
  readonly unfinishedSessions: number;
}

export function watchForLinger(
  coordinator: {busyness(): Busyness},
  lingerMs: number,
  clock: Clock,
  end: () => void,
): Disposable {
  if (lingerMs === 0) return {dispose: () => undefined};
  let idleSince: number | undefined = clock.now();
  return every(clock, Math.min(1000, lingerMs), () => {
    const {clients, unfinishedSessions} = coordinator.busyness();
    if (clients > 0 || unfinishedSessions > 0) idleSince = undefined;
    else idleSince ??= clock.now();
    if (idleSince !== undefined && clock.now() - idleSince >= lingerMs) end();
  });
}
