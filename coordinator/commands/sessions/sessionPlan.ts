/** The plan of a session as the coordinator keeps it: titles and order for what people read. */
import {readArtifact} from '../../artifacts/readArtifact.ts';
import {silentLogger} from '../../observability/logger.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import {Plan} from '../../protocol/plan/plan.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {artifactClient, type Target} from '../local/connect.ts';

/** Undefined when the coordinator has it no more. Errors: those of a download. */
export async function planOf(session: SessionRecord, target: Target): Promise<Plan | undefined> {
  const artifacts = artifactClient(target, silentLogger);
  try {
    return Plan.parse(JSON.parse(new TextDecoder().decode(await readArtifact(artifacts, session.plan))));
  } catch (error) {
    if (isCoordinatorError(error, 'notFound')) return undefined;
    throw error;
  } finally {
    artifacts.dispose();
  }
}
