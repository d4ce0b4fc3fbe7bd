/** Brings a session into being, or takes one up again; resolves with the repository that the result goes into. */
import {tmpdir} from 'node:os';
import path from 'node:path';
import {LocalRepository} from '../../client/repository/localRepository.ts';
import {isRemoteUrl} from '../../client/repository/remoteUrl.ts';
import {startSession} from '../../client/startSession.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import {systemClock} from '../../runtime/clock.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {CommandIo} from '../io.ts';
import type {RunRequest} from './runFolders.ts';
import type {RunBeginning} from './runSession.ts';
import {sendWorkspace} from './sendWorkspace.ts';

export async function beginSession(
  {session, folder, uncommitted, keep, noCache, rehearse}: RunRequest,
  plan: Plan,
  beginning: RunBeginning,
  io: CommandIo,
): Promise<LocalRepository | undefined> {
  const {client} = beginning;
  const workspace = await sendWorkspace({
    ...beginning,
    plan,
    planFolder: folder,
    includeUncommitted: uncommitted,
    clock: systemClock,
    io,
  });
  const request = {
    ...{sessionId: session, plan, workspace: workspace?.source},
    ...{keep, noCache, rehearsal: rehearse},
  };
  await startSession(client, beginning.artifacts, request, beginning.signal);
  return workspace?.repository;
}

/** One that has succeeded has nothing left to do: its result is merely fetched. */
export async function resumeStored(
  session: SessionRecord,
  plan: Plan | undefined,
  {folder, lead}: RunRequest,
  {client}: RunBeginning,
  io: CommandIo,
): Promise<LocalRepository | undefined> {
  if (session.state !== 'succeeded')
    await client.request(
      'mcpx.session.control',
      {sessionId: session.id, action: {kind: 'resume'}},
      {retry: true},
    );
  if (session.open && lead)
    await client.request('mcpx.session.control', {sessionId: session.id, action: {kind: 'close'}});
  else if (session.open)
    io.stderr(
      `${session.id} is open: it ends once somebody closes it (mcpx sessions close ${session.id}).\n`,
    );
  return session.workspace ? repositoryOf(plan, folder, io) : undefined;
}

/** Undefined where there is none: then the result stays with the coordinator until it is fetched. */
async function repositoryOf(
  plan: Plan | undefined,
  folder: string,
  io: CommandIo,
): Promise<LocalRepository | undefined> {
  const named = plan?.workspace.kind === 'git' ? plan.workspace.repository : undefined;
  if (named !== undefined && isRemoteUrl(named)) return undefined;
  try {
    return await LocalRepository.open(path.resolve(folder, named ?? '.'), {
      env: io.env,
      temporaryFolder: tmpdir(),
    });
  } catch (error) {
    if (isCoordinatorError(error)) return undefined;
    throw error;
  }
}
