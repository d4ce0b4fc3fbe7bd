/** The members of the store's cluster over HTTP, for `mcpx cluster`: what there are, and what a person wants changed. */
import type {IncomingMessage, ServerResponse} from 'node:http';
import * as z from 'zod';
import type {Route} from '../hub/httpFront.ts';
import type {Logger} from '../observability/logger.ts';
import {CoordinatorError, isCoordinatorError} from '../runtime/errors.ts';
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

/** `control` is absent for a coordinator that is alone. Agents may neither look nor touch. */
export function clusterRequests(control: ClusterControl | undefined, logger: Logger): Route {
  return async (request, response, principal) => {
    if (request.url !== CLUSTER_PATH) return false;
    try {
      if (principal.role === 'agent')
        throw new CoordinatorError('unauthorized', 'the members of the cluster are no business of agents');
      if (!control)
        throw new CoordinatorError('config', 'this coordinator is alone: it belongs to no cluster', {
          hint: 'Start it with --cluster NAME --node ID --peers ID=URL.',
        });
      if (request.method === 'POST') {
        const change = await changeIn(request);
        logger.info('the members are to change', {principal: principal.id, ...change});
        await carryOut(control, change);
      }
      answer(response, 200, await control.status());
    } catch (error) {
      if (!isCoordinatorError(error)) throw error;
      const {code, message, hint} = error;
      answer(response, code === 'unauthorized' ? 403 : 409, {error: {code, message, hint}});
    }
    return true;
  };
}

async function carryOut(control: ClusterControl, change: ClusterChange): Promise<void> {
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
