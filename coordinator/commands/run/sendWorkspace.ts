/** Sends the commit that a run starts from, and tells the person what of their work goes along. */
import type {PinnedRepository} from '../../client/repository/pinRepository.ts';
import {
  type SentWorkspace,
  sendWorkspace as send,
  type WorkspaceRequest,
} from '../../client/repository/sendWorkspace.ts';
import {counted} from '../../runtime/counted.ts';
import type {CommandIo} from '../io.ts';

/** Undefined for a plan without a repository. */
export function sendWorkspace({
  io,
  ...request
}: Omit<WorkspaceRequest, 'env' | 'onPinned'> & {readonly io: CommandIo}): Promise<
  SentWorkspace | undefined
> {
  const onPinned = (pin: PinnedRepository['pin']): void => tellDirt(pin, request.includeUncommitted, io);
  return send({...request, env: io.env, onPinned});
}

function tellDirt(pin: PinnedRepository['pin'], included: boolean, io: CommandIo): void {
  if (pin.dirty.length === 0) return;
  const some = pin.dirty.slice(0, 3).join(', ') + (pin.dirty.length > 3 ? ', …' : '');
  if (included) {
    io.stderr(`Taking uncommitted work along: ${counted(pin.dirty.length, 'file')} (${some}).\n`);
    for (const folder of pin.skipped) io.stderr(`Left out: ${folder} is a git repository of its own.\n`);
  } else {
    io.stderr(
      `Uncommitted work stays behind: ${counted(pin.dirty.length, 'file')} (${some}). --uncommitted takes it along.\n`,
    );
  }
}
