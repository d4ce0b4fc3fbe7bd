/** One snapshot to one member that lacks the log: the newest, over the transport, and then the message that installs it. */
import type {InstallSnapshot} from '../../raft/messages.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {ReplicaParts} from './replicaParts.ts';

/** The message to send now; undefined when the snapshot did not get there, or is not wanted any more. Never rejects. */
export async function deliverSnapshot(
  {raft, snapshots, transport, logger}: Pick<ReplicaParts, 'raft' | 'snapshots' | 'transport' | 'logger'>,
  to: string,
  index: number,
): Promise<InstallSnapshot | undefined> {
  const source = snapshots.newest;
  try {
    if (!source || source.mark.index < index)
      throw new CoordinatorError('unavailable', `there is no snapshot up to entry ${index}`);
    logger.info('sending a snapshot to a member that lacks the log', {to, index: source.mark.index});
    await transport?.sendSnapshot(to, source);
    return raft.snapshotMessage(to, source.mark);
  } catch (error) {
    logger.warn('a snapshot could not be sent; it is tried again', {to, error});
    return undefined;
  }
}
