/**
 * Sends what an earlier run of the agent finished or said and the hub has not acknowledged. The hub decides whether it still counts.
 * Completions go first: the hub waits for those only, and not for long.
 */
import type {Logger} from '../../observability/logger.ts';
import type {TaskComplete} from '../../protocol/commands/attempt.ts';
import type {Clock} from '../../runtime/clock.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {AgentSettings} from '../agentSettings.ts';
import type {MemoryReplica} from '../memory/memoryReplica.ts';
import type {AgentLink} from './agentLink.ts';
import type {CompletionSender} from './completionSender.ts';
import type {Spool} from './spool.ts';
import {TranscriptSender} from './transcriptSender.ts';
import {withPatience} from './withPatience.ts';

export interface RecoveryServices {
  readonly spool: Spool;
  readonly link: AgentLink;
  readonly completions: CompletionSender;
  readonly memory: Pick<MemoryReplica, 'settled'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: AgentSettings;
}

/** Resolves when everything was taken or refused, or the agent stops; never rejects. */
export async function resendRecovered(
  left: readonly TaskComplete[],
  services: RecoveryServices,
): Promise<void> {
  const {spool, logger} = services;
  const attempt = async (attemptId: string, work: Promise<unknown>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      if (!isCoordinatorError(error, 'closed'))
        logger.error('what an earlier run left could not be sent', {attemptId, error});
    }
  };
  const completed = left.map(completion =>
    attempt(completion.attemptId, resendCompletion(completion, services)),
  );
  // Not after the answers: the hub takes no transcript of an attempt that it has settled.
  const told = [...spool.recovered.keys()].map(id => attempt(id, resendTranscript(id, services)));
  await Promise.all([...completed, ...told]);
}

/** Its memory writes first, which count no more once it is over. */
async function resendCompletion(completion: TaskComplete, services: RecoveryServices): Promise<unknown> {
  const {memory, completions} = services;
  await withPatience(signal => memory.settled(completion.attemptId, signal), services);
  return completions.send(completion);
}

async function resendTranscript(attemptId: string, services: RecoveryServices): Promise<void> {
  const {link, clock, logger, settings} = services;
  const spool = services.spool.recovered.get(attemptId);
  if (!spool) return;
  await link.whenUp();
  const stale = (): void => logger.info('the transcript of an earlier run came too late', {attemptId});
  const sender = new TranscriptSender({attemptId, spool, link, clock, logger, settings, stale});
  try {
    await withPatience(() => sender.drain(), services);
  } finally {
    sender.end();
  }
  await spool.remove();
}
