/** `mcpx sessions resume`: agents for a session that was left or failed, which is then followed to its end. */

import {tmpdir} from 'node:os';
import path from 'node:path';
import {LocalRepository} from '../../client/repository/localRepository.ts';
import {createLogger, silentLogger} from '../../observability/logger.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import {systemClock} from '../../runtime/clock.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {CommandIo} from '../io.ts';
import {type ConnectOptions, findTarget, namedCoordinator, openClient} from '../local/connect.ts';
import {userDirectories} from '../local/directories.ts';
import {ensureLocalCoordinator} from '../local/localCoordinator.ts';
import {startRehearsal} from '../run/rehearsal.ts';
import {RunSession} from '../run/runSession.ts';
import {planOf} from './sessionPlan.ts';
import {requireSession} from './sessionRows.ts';

export interface ResumeOptions extends ConnectOptions {
  readonly agents?: number;
  readonly slots: number;
  readonly rehearse?: string;
}

const DEFAULT_AGENTS = 3;

export async function resumeSession(id: string, given: ResumeOptions, io: CommandIo): Promise<number> {
  const options = {...given, connect: await namedCoordinator(given, io)};
  const {session, plan} = await findSession(id, options, io);
  if (session.rehearsal && options.rehearse === undefined && options.connect === undefined) {
    throw new CoordinatorError(
      'config',
      `${session.id} is a rehearsal: name its plan, so that its script can be played`,
      {hint: `mcpx sessions resume ${session.id} --rehearse PLAN`},
    );
  }
  if (!session.rehearsal && options.rehearse !== undefined)
    throw new CoordinatorError('config', `${session.id} is not a rehearsal`);
  const logger = createLogger({
    sink: {write: line => io.stderr(`${line}\n`)},
    level: 'error',
    format: 'text',
    wallNow: systemClock.wallNow,
  });
  const rehearsal =
    options.rehearse === undefined
      ? undefined
      : await startRehearsal(path.resolve(io.cwd, options.rehearse), systemClock, logger);
  try {
    const run = new RunSession({
      sessionId: session.id,
      plan,
      agents: options.connect === undefined ? (options.agents ?? plan?.agents ?? DEFAULT_AGENTS) : 0,
      options: {...options, isolated: false, keep: false},
      rehearsalEnv: rehearsal?.env,
      begin: async ({client}) => {
        await client.request(
          'mcpx.session.control',
          {sessionId: session.id, action: {kind: 'resume'}},
          {retry: true},
        );
        return repositoryHere(session, io);
      },
      clock: systemClock,
      logger,
      io,
    });
    const interrupt = (): void => run.interrupt();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
    try {
      return (await run.run()).exit;
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
    }
  } finally {
    await rehearsal?.stop();
  }
}

/** A session is there after its coordinator has ended: it is started again to look. */
async function findSession(
  id: string,
  options: ResumeOptions,
  io: CommandIo,
): Promise<{session: SessionRecord; plan: Plan | undefined}> {
  let target = await findTarget(options, io);
  if (!target) {
    const {endpoint} = await ensureLocalCoordinator(userDirectories(io.env), io.env, systemClock);
    target = {url: endpoint.url, token: endpoint.token, ca: endpoint.ca};
  }
  const client = await openClient(target, silentLogger);
  try {
    const session = await requireSession(client, id);
    return {session, plan: await planOf(session, target)};
  } finally {
    client.dispose();
  }
}

/** The result goes into the repository of this folder; elsewhere it stays with the coordinator until it is fetched. */
async function repositoryHere(session: SessionRecord, io: CommandIo): Promise<LocalRepository | undefined> {
  if (!session.workspace) return undefined;
  try {
    return await LocalRepository.open(io.cwd, {env: io.env, temporaryFolder: tmpdir()});
  } catch (error) {
    if (isCoordinatorError(error)) return undefined;
    throw error;
  }
}
