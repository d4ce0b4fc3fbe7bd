/** Repeats a transfer that failed only because the coordinator was away, or had no room: what an attempt has done is not thrown away for that. */
import type {Logger} from '../../observability/logger.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {AgentLink} from '../link/agentLink.ts';

export interface Patience {
  readonly link: Pick<AgentLink, 'isUp' | 'whenUp' | 'pause'>;
  readonly logger: Logger;
  readonly attemptId: string;
  readonly signal: AbortSignal;
  /** What is worth another try. */
  readonly passing: (error: unknown) => boolean;
  /** Failures while the coordinator was there; default: no bound. */
  readonly maxFaults?: number | undefined;
  /** Said once, at the first failure. */
  waiting?(error: unknown): void;
}

/** Rejects with another error of `work`, the signal's reason, or `closed` when the agent stops. */
export async function untilTaken<T>(work: () => Promise<T>, patience: Patience): Promise<T> {
  const {link, logger, attemptId, signal, maxFaults = Number.POSITIVE_INFINITY} = patience;
  for (let tries = 0, faults = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!patience.passing(error) || (link.isUp && ++faults >= maxFaults)) throw error;
      logger.warn('a transfer waits for the coordinator', {attemptId, tries, error});
      if (tries === 0) patience.waiting?.(error);
    }
    await link.whenUp(signal);
    await link.pause(tries, signal);
  }
}

export function isAway(error: unknown): boolean {
  return isCoordinatorError(error, 'unavailable') || isProtocolError(error, 'unavailable');
}

export function isAwayOrFull(error: unknown): boolean {
  return isAway(error) || isCoordinatorError(error, 'diskFull') || isProtocolError(error, 'diskFull');
}
