/** The scripted model server of a rehearsal, with the script that stands beside the plan, or a plain default. */
import {readFile} from 'node:fs/promises';
import {type RehearsalServer, startRehearsalServer} from '../../agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript, rehearsalFileOf} from '../../agent/rehearsal/script.ts';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';

export interface ScriptPlace {
  /** It is beside this file, and may be missing. */
  readonly planFile?: string | undefined;
  /** It is this file. */
  readonly script?: string | undefined;
}

/** Throws `config` for a script that was named and cannot be read. */
export async function startRehearsal(
  {planFile, script}: ScriptPlace,
  clock: Clock,
  logger: Logger,
): Promise<RehearsalServer> {
  const file = script ?? (planFile === undefined ? '' : rehearsalFileOf(planFile));
  const text = file === '' ? '' : await readScript(file, script !== undefined);
  return startRehearsalServer({clock, logger, script: parseRehearsalScript(text, file)});
}

async function readScript(file: string, named: boolean): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (named) throw new CoordinatorError('config', `the script ${file} cannot be read`, {cause});
    if (systemErrorCode(cause) === 'ENOENT') return '';
    throw cause;
  }
}
