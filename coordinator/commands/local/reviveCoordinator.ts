/** Starts this machine's coordinator again when it has died under somebody who needs it: it finds everything as it left it. */
import type {McpxClient} from '../../client/mcpxClient.ts';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import type {LocalCoordinator} from './localCoordinator.ts';

/** A cut of this length means that it is gone. */
const REVIVE_AFTER_MS = 1000;

export interface ReviveOptions {
  readonly ensure: () => Promise<LocalCoordinator>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told each time. */
  readonly say: (text: string) => void;
}

/** For as long as it is not disposed of. */
export function reviveCoordinator(client: McpxClient, options: ReviveOptions): Disposable {
  const {ensure, clock, logger, say} = options;
  let timer: Disposable | undefined;
  const states = client.onState(state => {
    if (state.kind === 'connected') {
      timer?.dispose();
      timer = undefined;
    } else if (state.kind === 'waiting' && !timer) {
      timer = clock.schedule(REVIVE_AFTER_MS, () => {
        timer = undefined;
        ensure().then(
          ({started}) => started && say('The coordinator had gone and was started again.\n'),
          (error: unknown) => logger.error('the coordinator could not be started again', {error}),
        );
      });
    }
  });
  return {
    dispose: () => {
      states.dispose();
      timer?.dispose();
    },
  };
}
