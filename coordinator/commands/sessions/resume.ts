/** `mcpx sessions resume`: agents for a session that was left or failed, which is then followed to its end, here or in the background. */
import path from 'node:path';
import {systemClock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {type ConnectOptions, namedCoordinator} from '../local/connect.ts';
import {userDirectories} from '../local/directories.ts';
import {startInBackground, tellBackground} from '../run/background.ts';
import {resumeStored} from '../run/beginSession.ts';
import {hostRun} from '../run/hostRun.ts';
import {type RunRequest, readRun, refuseHosted, writeRun} from '../run/runFolders.ts';
import {findSession} from './findSession.ts';

export interface ResumeOptions extends ConnectOptions {
  readonly agents?: number;
  readonly slots?: number;
  readonly rehearse?: string;
  readonly background: boolean;
  readonly json: boolean;
}

const DEFAULT_AGENTS = 3;
const DEFAULT_SLOTS = 2;

export async function resumeSession(id: string, given: ResumeOptions, io: CommandIo): Promise<number> {
  const options = {...given, connect: await namedCoordinator(given, io)};
  const {session, plan} = await findSession(id, options, io);
  const directories = userDirectories(io.env);
  await refuseHosted(directories, session.id);
  const before = await readRun(directories, session.id);
  if (!session.rehearsal && options.rehearse !== undefined)
    throw new CoordinatorError('config', `${session.id} is not a rehearsal`);
  const known = options.rehearse !== undefined || before?.rehearse === true;
  if (session.rehearsal && !known && options.connect === undefined) {
    throw new CoordinatorError(
      'config',
      `${session.id} is a rehearsal: name its plan, so that its script can be played`,
      {hint: `mcpx sessions resume ${session.id} --rehearse PLAN`},
    );
  }
  const here = options.connect === undefined && session.state !== 'succeeded';
  const request: RunRequest = {
    v: 1,
    kind: 'resume',
    session: session.id,
    startedAt: systemClock.wallNow(),
    folder: before?.folder ?? io.cwd,
    ...(options.rehearse === undefined
      ? {planFile: before?.planFile, script: before?.script}
      : {planFile: path.resolve(io.cwd, options.rehearse)}),
    agents: here ? (options.agents ?? (before?.agents || plan?.agents) ?? DEFAULT_AGENTS) : 0,
    slots: options.slots ?? before?.slots ?? DEFAULT_SLOTS,
    connect: options.connect,
    caPin: options.caPin,
    rehearse: session.rehearsal && here,
    keep: false,
    uncommitted: false,
    verbose: false,
    lead: before?.lead,
  };
  if (options.background) {
    tellBackground(await startInBackground(request, undefined, options.token, io), options, io);
    return EXIT.ok;
  }
  await writeRun(directories, request, undefined);
  const outcome = await hostRun({
    request,
    plan,
    token: options.token,
    isolated: false,
    begin: beginning => resumeStored(session, plan, request, beginning, io),
    io: options.json ? {...io, stdout: io.stderr} : io,
  });
  if (options.json) io.stdout(`${outcome.json}\n`);
  return outcome.exit;
}
