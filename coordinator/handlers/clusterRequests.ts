/** The members of the store's cluster over HTTP, for `mcpx cluster`: what there are, and what a person wants changed, which is audited. */
import type {IncomingMessage, ServerResponse} from 'node:http';
import * as z from 'zod';
import type {Route} from '../hub/httpFront.ts';
import type {Logger} from '../observability/logger.ts';
import {isProtocolError} from '../protocol/errors.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../runtime/errors.ts';
import type {AuditLog} from '../security/audit.ts';
import {authorizeMembers} from '../security/authorize.ts';
import type {Principal} from '../security/principal.ts';
import type {ClusterStatus} from '../store/embedded/clusterCalls.ts';
import type {ClusterControl} from '../store/embedded/membership.ts';

export const CLUSTER_PATH = '/cluster';
const MAX_BYTES = 16 * 1024;

export const ClusterChange = z.discriminatedUnion('action', [
  z.object({
    action: z.literal('add'),
    id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
    address: z.string().regex(/^wss?:\/\/[^/]+$/),
  }),
  z.object({action: z.literal('remove'), id: z.string().min(1)}),
  z.object({action: z.literal('transfer'), to: z.string().min(1).optional()}),
]);
export type ClusterChange = z.infer<typeof ClusterChange>;

/** The answer of a member that took itself out: it can say nothing of the others any more. */
export const MemberLeft = z.object({cluster: z.string(), left: z.string()});
export type MemberLeft = z.infer<typeof MemberLeft>;

export interface ClusterRequestsOptions {
  /** Absent for a coordinator that is alone. */
  readonly control: ClusterControl | undefined;
  readonly audit: Pick<AuditLog, 'auditedTxn'>;
  readonly logger: Logger;
}

const ALONE_HINT =
  'A cluster begins with coordinators that are started with --cluster NAME --node ID --peers ID=URL,...';

export function clusterRequests(options: ClusterRequestsOptions): Route {
  return async (request, response, principal) => {
    if (request.url !== CLUSTER_PATH) return false;
    try {
      const changes = request.method === 'POST';
      authorizeMembers(principal, changes ? 'change' : 'look');
      const {control} = options;
      if (!control)
        throw new CoordinatorError('config', 'this coordinator is alone: it belongs to no cluster', {
          hint: ALONE_HINT,
        });
      if (!changes) answer(response, 200, await control.status());
      else answer(response, 200, await carryOut(control, await changeIn(request), principal, options));
    } catch (error) {
      answer(response, ...faultOf(error));
    }
    return true;
  };
}

function faultOf(error: unknown): [status: number, body: object] {
  if (isProtocolError(error, 'forbidden'))
    return [403, {error: {code: 'unauthorized', message: error.message}}];
  if (!isCoordinatorError(error)) throw error;
  const {code, message, hint} = error;
  return [409, {error: {code, message, hint}}];
}

/**
 * Recorded before and after: the members are no part of a transaction, and one that takes itself out has no store to write to afterwards. What
 * cannot be recorded before is not done.
 */
async function carryOut(
  control: ClusterControl,
  change: ClusterChange,
  principal: Principal,
  {audit, logger}: ClusterRequestsOptions,
): Promise<ClusterStatus | MemberLeft> {
  const {action, ...what} = change;
  const record = async (result: 'asked' | 'done' | 'failed' | 'unknown', why = {}): Promise<void> => {
    await audit.auditedTxn(
      {then: []},
      {
        action: `cluster.${action}`,
        subject: `member ${'id' in change ? change.id : (change.to ?? 'that is furthest')}`,
        detail: {...what, result, ...why},
        principal,
        outcome: result === 'failed' ? 'refused' : 'done',
      },
    );
  };
  const {cluster, node} = await control.status();
  await record('asked');
  logger.info('the members are to change', {principal: principal.id, ...change});
  let failure: unknown;
  try {
    await apply(control, change);
  } catch (error) {
    failure = error;
  }
  // Its store has closed then.
  const hasLeft = change.action === 'remove' && change.id === node && isCoordinatorError(failure, 'closed');
  if (hasLeft) failure = undefined;
  const isUnknown = isCoordinatorError(failure, 'timeout') || isCoordinatorError(failure, 'unavailable');
  const result = failure === undefined ? 'done' : isUnknown ? 'unknown' : 'failed';
  await record(result, failure === undefined ? {} : {error: describeError(failure)}).catch((error: unknown) =>
    logger.warn('what became of a change of the members is not in the audit log', {...change, result, error}),
  );
  if (failure !== undefined) throw failure;
  try {
    return await control.status();
  } catch (error) {
    if (change.action === 'remove' && change.id === node) return {cluster, left: node};
    throw error;
  }
}

async function apply(control: ClusterControl, change: ClusterChange): Promise<void> {
  if (change.action === 'add') await control.add(change.id, change.address);
  else if (change.action === 'remove') await control.remove(change.id);
  else await control.transfer(change.to);
}

async function changeIn(request: IncomingMessage): Promise<ClusterChange> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BYTES) throw new CoordinatorError('limit', 'the request is too long');
  }
  try {
    return ClusterChange.parse(JSON.parse(text));
  } catch (cause) {
    throw new CoordinatorError('config', 'the request names no change of the members', {cause});
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, {'content-type': 'application/json'}).end(JSON.stringify(body));
}
