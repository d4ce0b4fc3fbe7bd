/** The scripted model server of a rehearsal, with the script that stands beside the plan, or a plain default. */
import {readFile} from 'node:fs/promises';
import {type RehearsalServer, startRehearsalServer} from '../../agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript, rehearsalFileOf} from '../../agent/rehearsal/script.ts';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {systemErrorCode} from '../../runtime/errors.ts';

export async function startRehearsal(
  planFile: string | undefined,
  clock: Clock,
  logger: Logger,
): Promise<RehearsalServer> {
  if (planFile === undefined)
    return startRehearsalServer({clock, logger, script: parseRehearsalScript('', '')});
  const file = rehearsalFileOf(planFile);
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw error;
  });
  return startRehearsalServer({clock, logger, script: parseRehearsalScript(text, file)});
}
