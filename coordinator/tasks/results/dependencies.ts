/** Answers an attempt that asks for what its task depends on: results, and the bundles that bring the commits. */
import type * as z from 'zod';
import type {DependencyResolve, DependencyResolved} from '../../protocol/commands/attempt.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {parseAttemptId} from '../../protocol/ids.ts';
import {tenantKeys} from '../../protocol/model/keys.ts';
import type {Principal} from '../../security/principal.ts';
import {presentAttempts, type TaskNode} from '../fleet/fleet.ts';
import {sourcesOf} from '../steps/dispatcher.ts';
import type {Term} from '../term/term.ts';
import {dependencyBundles} from './bundles.ts';

/** The task of which a present attempt asks. Errors: `staleFence`, `forbidden` (another agent's attempt), `invalidParams`. */
export async function taskOfAttempt(
  term: Pick<Term, 'store' | 'fleet' | 'incarnation'>,
  {attemptId, fence}: Pick<DependencyResolve, 'attemptId' | 'fence'>,
  principal: Principal,
): Promise<TaskNode> {
  const id = parseAttemptId(attemptId);
  if (!id || fence.attempt !== attemptId)
    throw new ProtocolError('invalidParams', 'the fence is of another attempt');
  const live = await term.store.get(tenantKeys(principal.tenant).live(attemptId));
  if (fence.store !== term.incarnation || live?.createRevision !== fence.revision)
    throw new ProtocolError('staleFence', `attempt ${attemptId} is over`, {attemptId});
  const session = term.fleet.session(principal.tenant, id.sessionId);
  const task = session?.tasks.get(id.taskId);
  const attempt = task && presentAttempts(task).find(({record}) => record.id === attemptId);
  if (!task || !attempt) throw new ProtocolError('staleFence', `attempt ${attemptId} is over`, {attemptId});
  if (principal.agentId !== undefined && principal.agentId !== attempt.record.agentId)
    throw new ProtocolError('forbidden', `attempt ${attemptId} runs on another agent`);
  return task;
}

/** Errors: as `taskOfAttempt`. */
export async function resolveDependencies(
  term: Pick<Term, 'store' | 'fleet' | 'incarnation'>,
  params: DependencyResolve,
  principal: Principal,
): Promise<z.infer<typeof DependencyResolved>> {
  const task = await taskOfAttempt(term, params, principal);
  const {session} = task;
  const results = task.spec.dependsOn.flatMap(taskId => {
    const result = session.tasks.get(taskId)?.record.result;
    return result ? [{taskId, result}] : [];
  });
  const bundles = dependencyBundles(session.record.workspace, sourcesOf(session, task), task.spec.id);
  const delegated = params.delegated?.flatMap(taskId => {
    const child = session.tasks.get(taskId);
    if (child?.spec.parent?.taskId !== task.spec.id) return [];
    const {state, result, failure} = child.record;
    return [{taskId, state, result, failure}];
  });
  return {results, bundles, ...(delegated && {delegated})};
}
