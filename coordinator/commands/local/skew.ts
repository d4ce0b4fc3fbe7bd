/** Ends a local coordinator of another version, unless somebody still needs it. */
import {silentLogger} from '../../observability/logger.ts';
import {FINAL_SESSION_STATES} from '../../protocol/model/session.ts';
import type {Clock} from '../../runtime/clock.ts';
import {describeError} from '../../runtime/errors.ts';
import {openClient, snapshotRows} from './connect.ts';
import type {Directories} from './directories.ts';
import type {Endpoint} from './endpoint.ts';
import {stopLocalCoordinator} from './localCoordinator.ts';

export type IdleEnd =
  | {readonly kind: 'ended'}
  /** `reason` is a clause for a person. */
  | {readonly kind: 'kept'; readonly reason: string};

export async function endWhenIdle(
  endpoint: Endpoint,
  directories: Directories,
  clock: Clock,
): Promise<IdleEnd> {
  let reason: string | undefined;
  try {
    reason = await needOf(endpoint, clock);
  } catch (error) {
    return {kind: 'kept', reason: `it could not be asked whether it is idle (${describeError(error)})`};
  }
  if (reason !== undefined) return {kind: 'kept', reason};
  await stopLocalCoordinator(directories, clock);
  return {kind: 'ended'};
}

/** Why it is needed; undefined when it is idle. */
async function needOf({url, token, ca}: Endpoint, clock: Clock): Promise<string | undefined> {
  const client = await openClient({url, token, ca}, silentLogger, clock);
  try {
    const rows = await snapshotRows(client, {view: 'sessions'}, clock);
    const unfinished = rows.filter(
      row => row.kind === 'session' && !FINAL_SESSION_STATES.has(row.session.state),
    ).length;
    if (unfinished > 0) return `${unfinished} session${unfinished === 1 ? ' is' : 's are'} unfinished`;
    const {clients} = await client.request('mcpx.cluster.info', {});
    if (clients === undefined) return 'it does not say who is connected';
    // One of them is this one.
    return clients > 1 ? `${clients - 1} client${clients === 2 ? ' is' : 's are'} connected` : undefined;
  } finally {
    client.dispose();
  }
}
