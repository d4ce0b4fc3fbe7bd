/** A token for another program of this person. */
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import type {CoordinatorLink} from './coordinatorLink.ts';

/**
 * One of its own, where this window may have one made: the window's may do more, and holds longer. Undefined where the coordinator asks for
 * none. Errors: `unavailable` without a coordinator.
 */
export async function clientToken(
  link: CoordinatorLink,
  {ttlSeconds, label}: {readonly ttlSeconds: number; readonly label: string},
): Promise<string | undefined> {
  const client = link.requireClient();
  const own = 'endpoint' in link.state ? link.state.endpoint.token : undefined;
  if (own === undefined) return undefined;
  try {
    return (await client.request('mcpx.token.create', {role: 'client', ttlSeconds, label})).token;
  } catch (error) {
    if (isProtocolError(error, 'forbidden')) return own;
    throw error;
  }
}
