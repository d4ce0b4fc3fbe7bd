/** Waits for what should reach the hub before something else does: as long as the hub is away, and for a while once it is there. */
import {type Clock, delay} from '../../runtime/clock.ts';
import type {AgentSettings} from '../agentSettings.ts';
import type {AgentLink} from './agentLink.ts';

export interface PatienceServices {
  readonly link: Pick<AgentLink, 'whenUp'>;
  readonly clock: Clock;
  readonly settings: Pick<AgentSettings, 'transcriptDrainMs'>;
}

/** `work` gets a signal that it is waited for no more. Rejects as `work` does, or with `closed` when the agent stops. */
export async function withPatience(
  work: (signal: AbortSignal) => Promise<unknown>,
  {link, clock, settings}: PatienceServices,
): Promise<void> {
  const over = new AbortController();
  const patience = async (): Promise<void> => {
    await link.whenUp(over.signal);
    await delay(clock, settings.transcriptDrainMs, over.signal);
  };
  const waiting = patience();
  try {
    await Promise.race([work(over.signal), waiting]);
  } finally {
    over.abort();
    waiting.catch(() => undefined);
  }
}
