/** `mcpx host`: the process of a run in the background. Started by `mcpx run --background` and `mcpx sessions resume --background` only. */
import type {Command} from 'commander';
import {Plan} from '../protocol/plan/plan.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {type CommandIo, EXIT} from './io.ts';
import {userDirectories} from './local/directories.ts';
import {hostFaultOf} from './local/hostFault.ts';
import {tellStarter, tellStarterAndPart} from './local/starter.ts';
import {beginSession, resumeStored} from './run/beginSession.ts';
import {hostRun, type RunJob} from './run/hostRun.ts';
import {type RunRequest, readRun, readRunPlan} from './run/runFolders.ts';
import {findSession} from './sessions/findSession.ts';

export function addHostCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  program
    .command('host <session>', {hidden: true})
    .action(async (session: string) => done(await host(session, io)));
}

async function host(session: string, io: CommandIo): Promise<number> {
  let begun = false;
  const told: CommandIo = {
    ...io,
    interactive: false,
    stderr: text => {
      io.stderr(text);
      if (!begun) void tellStarter({kind: 'said', text});
    },
  };
  try {
    const job = await jobOf(session, told);
    const outcome = await hostRun({
      ...job,
      begun: agents => {
        begun = true;
        void tellStarterAndPart({kind: 'begun', agents});
      },
    });
    return outcome.exit;
  } catch (error) {
    if (begun) throw error;
    await tellStarterAndPart({kind: 'failed', fault: hostFaultOf(error)});
    return EXIT.failed;
  }
}

async function jobOf(session: string, io: CommandIo): Promise<RunJob> {
  const directories = userDirectories(io.env);
  const request = await readRun(directories, session);
  if (!request) throw new CoordinatorError('notFound', `there is no run of session ${session} to host`);
  if (request.kind === 'resume') return resumeJob(request, io);
  const plan = Plan.parse(JSON.parse((await readRunPlan(directories, session)) ?? 'null'));
  const token = io.env['MCPX_TOKEN'];
  return {
    request,
    plan,
    token,
    isolated: false,
    begin: beginning => beginSession(request, plan, beginning, io),
    io,
  };
}

async function resumeJob(request: RunRequest, io: CommandIo): Promise<RunJob> {
  const {session, plan} = await findSession(request.session, request, io);
  return {
    request,
    plan,
    token: io.env['MCPX_TOKEN'],
    isolated: false,
    begin: beginning => resumeStored(session, plan, request, beginning, io),
    io,
  };
}
