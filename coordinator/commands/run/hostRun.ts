/** Hosts a run in this process: its folder is held, its script is served if it is a rehearsal, signals are obeyed until it has ended. */
import type {LocalRepository} from '../../client/repository/localRepository.ts';
import {createLogger, type Logger} from '../../observability/logger.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import {systemClock} from '../../runtime/clock.ts';
import {systemRandom} from '../../runtime/random.ts';
import type {CommandIo} from '../io.ts';
import {userDirectories} from '../local/directories.ts';
import {startRehearsal} from './rehearsal.ts';
import {claimRun, forgetRun, type RunRequest} from './runFolders.ts';
import {type RunBeginning, type RunOutcome, RunSession} from './runSession.ts';
import {writeReport} from './writeReport.ts';

export interface RunJob {
  readonly request: RunRequest;
  readonly plan: Plan | undefined;
  /** Of a coordinator elsewhere. */
  readonly token?: string | undefined;
  /** In a folder of its own that nobody else is to find. */
  readonly isolated: boolean;
  readonly begin: (beginning: RunBeginning) => Promise<LocalRepository | undefined>;
  /** Called once the session is stored and `agents` agents are on their way: from then on a signal leaves the session as it is. */
  readonly begun?: ((agents: number) => void) | undefined;
  readonly io: CommandIo;
}

export async function hostRun(job: RunJob): Promise<RunOutcome> {
  const {request, isolated, io} = job;
  const directories = userDirectories(io.env);
  const claim = isolated ? undefined : await claimRun(directories, request.session, systemRandom);
  const state = {begun: false};
  try {
    const outcome = await withRehearsal(job, state);
    if (request.junit !== undefined) await writeReport(request.junit, outcome.junit);
    return outcome;
  } finally {
    await claim?.release();
    if (claim && request.kind === 'run' && !state.begun) await forgetRun(directories, request.session);
  }
}

async function withRehearsal(job: RunJob, state: {begun: boolean}): Promise<RunOutcome> {
  const {request, io} = job;
  const logger = runLogger(request.verbose, io);
  const rehearsal = request.rehearse ? await startRehearsal(request, systemClock, logger) : undefined;
  try {
    const run = new RunSession({
      sessionId: request.session,
      plan: job.plan,
      agents: request.agents,
      options: {...request, token: job.token, isolated: job.isolated},
      rehearsalEnv: rehearsal?.env,
      begin: async beginning => {
        const repository = await job.begin(beginning);
        state.begun = true;
        return repository;
      },
      begun: job.begun,
      clock: systemClock,
      logger,
      io,
    });
    const stopListening = onInterrupts(() => (job.begun && state.begun ? run.leave() : run.interrupt()));
    try {
      return await run.run();
    } finally {
      stopListening();
    }
  } finally {
    await rehearsal?.stop();
  }
}

function runLogger(verbose: boolean, io: CommandIo): Logger {
  return createLogger({
    sink: {write: line => io.stderr(`${line}\n`)},
    level: verbose ? 'debug' : 'error',
    format: 'text',
    wallNow: systemClock.wallNow,
  });
}

function onInterrupts(listener: () => void): () => void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, listener);
  return () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, listener);
  };
}
