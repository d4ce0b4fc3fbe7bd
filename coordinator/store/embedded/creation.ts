/** The first command of a store, which names it: once in its life, by whoever comes first. */
import type {Logger} from '../../observability/logger.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import type {Replica} from './replica.ts';

export interface CreationParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: {readonly resendMs: number};
}

/** Resolves when the store has its name here. A majority that was there a moment ago is waited for again; a replica that has failed is not. */
export async function create(
  replica: Replica,
  {clock, random, logger, settings}: CreationParts,
): Promise<void> {
  while (replica.machine.incarnation === '')
    try {
      await replica.propose({kind: 'create', incarnation: random.hex(8)});
    } catch (error) {
      replica.checkOpen();
      if (!isCoordinatorError(error, 'timeout') && !isCoordinatorError(error, 'unavailable')) throw error;
      logger.warn('waiting for a majority of the cluster', {error});
      await delay(clock, settings.resendMs);
    }
  // Somebody else may have named it while this replica failed.
  replica.checkOpen();
}
