/** The plan of a session as the coordinator keeps it: titles and order for what people read. */
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {silentLogger} from '../../observability/logger.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import {Plan} from '../../protocol/plan/plan.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {artifactClient, type Target} from '../local/connect.ts';

/** Undefined when the coordinator has it no more. Errors: those of a download. */
export async function planOf(session: SessionRecord, target: Target): Promise<Plan | undefined> {
  const artifacts = artifactClient(target, silentLogger);
  const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-plan-'));
  try {
    const file = path.join(folder, 'plan.json');
    await artifacts.download(session.plan, file);
    return Plan.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (isCoordinatorError(error, 'notFound')) return undefined;
    throw error;
  } finally {
    artifacts.dispose();
    await rm(folder, {recursive: true, force: true});
  }
}
