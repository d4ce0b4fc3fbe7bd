/** `mcpx run`: one plan from start to result, with a coordinator and agents on this machine unless told otherwise. */
import path from 'node:path';
import type {Command} from 'commander';
import {isRemoteUrl} from '../client/repository/remoteUrl.ts';
import type {Plan} from '../protocol/plan/plan.ts';
import {systemClock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {newId, systemRandom} from '../runtime/random.ts';
import {type CommandIo, EXIT} from './io.ts';
import {namedCoordinator} from './local/connect.ts';
import {userDirectories} from './local/directories.ts';
import {count} from './local/options.ts';
import {refuseServersElsewhere, serverFilesOf, serversOption} from './local/serversOption.ts';
import {startInBackground, tellBackground} from './run/background.ts';
import {beginSession} from './run/beginSession.ts';
import {hostRun} from './run/hostRun.ts';
import {type PlanSource, planError, readPlanSource} from './run/planSource.ts';
import {requireClaude} from './run/requireClaude.ts';
import {type RunRequest, writeRun} from './run/runFolders.ts';
import type {RunOptions} from './run/runOptions.ts';
import {writeReport} from './run/writeReport.ts';

const DEFAULT_AGENTS = 3;

export function addRunCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const run = program
    .command('run [plan]')
    .description(
      'Runs a plan (a file, or - for stdin) and ends with its result branch. Exit code 0 only if the session succeeded.',
    );
  serversOption(run)
    .option('--agents <n>', 'agents to start on this machine; beats the plan', count)
    .option('--slots <n>', 'attempts that one of these agents runs at once', count, 2)
    .option(
      '--connect <url,...|context>',
      'use that coordinator, or one of several of a cluster, and the agents that joined it',
    )
    .option('--token <token>', 'client token for --connect; better in MCPX_TOKEN')
    .option('--ca-pin <pin>', 'sha256:… of the authority behind --connect')
    .option('--json', 'end with one line of JSON on stdout; everything else goes to stderr', false)
    .option('--junit <file>', 'write a JUnit report')
    .option('--keep', 'keep every worktree; without it those of failed tasks are kept', false)
    .option('--rehearse', 'no model is called: the real Claude Code plays the script beside the plan', false)
    .option('--no-cache', 'every task is done, whatever earlier ones with identical inputs left')
    .option('--isolated', 'a coordinator of its own in a temporary directory, gone at the end', false)
    .option('--here', 'run on this machine, whatever context is current', false)
    .option('--uncommitted', 'take uncommitted work along', false)
    .option(
      '--background',
      'return once the session is stored; the run goes on in a process of its own and fetches the result',
      false,
    )
    .option(
      '--goal-task <prompt>',
      "instead of a plan: one task for Claude Code in this folder's repository; - reads the prompt from stdin",
    )
    .option(
      '--tasks-from <file|->',
      "instead of a plan file: a plan's text that belongs to this folder, from a file or stdin",
    )
    .option('--verbose', 'log what happens underneath', false)
    .action(async (planFile: string | undefined, options: RunOptions) =>
      done(await runPlan(planFile, options, io)),
    );
}

export async function runPlan(
  planFile: string | undefined,
  given: RunOptions,
  io: CommandIo,
): Promise<number> {
  const source = await readPlanSource(planFile, given, io);
  if (source.read.kind !== 'plan') {
    if (given.json) io.stdout(`${JSON.stringify(planError(source))}\n`);
    return EXIT.usage;
  }
  const {plan} = source.read;
  const options = {...given, connect: await whereToRun(given, io)};
  refuseHomeless(options, plan);
  if (options.connect !== undefined) refuseServersElsewhere(options.servers, options.connect);
  const servers = await serverFilesOf(options.servers, io);
  const report = options.junit === undefined ? undefined : path.resolve(io.cwd, options.junit);
  // A wrong path shows before the work, and the report of an earlier run does not stand for this one.
  if (report !== undefined) await writeReport(report, '');
  if (options.connect === undefined && !options.rehearse) await requireClaude(plan, io.env);
  const request = {...requestOf(options, source, plan, report), ...(servers.length > 0 && {servers})};
  const planText = JSON.stringify(plan);
  if (options.background) {
    tellBackground(await startInBackground(request, planText, options.token, io), options, io);
    return EXIT.ok;
  }
  if (!options.isolated) await writeRun(userDirectories(io.env), request, planText);
  const outcome = await hostRun({
    request,
    plan,
    token: options.token,
    isolated: options.isolated,
    begin: beginning => beginSession(request, plan, beginning, io),
    io: options.json ? {...io, stdout: io.stderr} : io,
  });
  if (options.json) io.stdout(`${outcome.json}\n`);
  return outcome.exit;
}

function requestOf(
  options: RunOptions,
  {folder, file}: PlanSource,
  plan: Plan,
  junit: string | undefined,
): RunRequest {
  const {connect, caPin, slots, rehearse, keep, uncommitted, verbose, cache} = options;
  return {
    v: 1,
    kind: 'run',
    session: newId(systemRandom, 's'),
    startedAt: systemClock.wallNow(),
    folder,
    planFile: file,
    agents: connect === undefined ? wantedAgents(options, plan) : 0,
    slots,
    connect,
    caPin,
    rehearse,
    keep,
    ...(cache === false && {noCache: true}),
    uncommitted,
    verbose,
    junit,
  };
}

/** An isolated run is gone at its end: what it leaves has to be somewhere else. */
function refuseHomeless({isolated, background}: RunOptions, plan: Plan): void {
  if (!isolated) return;
  if (background)
    throw new CoordinatorError(
      'config',
      'an isolated run has nobody to come back to: it does not go with --background',
    );
  if (isAtUrl(plan))
    throw new CoordinatorError(
      'config',
      'an isolated run has nowhere to leave the result of a repository at a URL',
      {hint: 'Leave out --isolated, or name a clone on this machine in workspace.repository.'},
    );
}

function isAtUrl({workspace}: Plan): boolean {
  return workspace.kind === 'git' && workspace.repository !== undefined && isRemoteUrl(workspace.repository);
}

/** What runs on this machine in any case does so whatever context is current. */
async function whereToRun(options: RunOptions, io: CommandIo): Promise<string | undefined> {
  const local = options.rehearse
    ? '--rehearse'
    : options.isolated
      ? '--isolated'
      : options.here
        ? '--here'
        : undefined;
  if (local === undefined) return namedCoordinator(options, io);
  if (options.connect === undefined) return undefined;
  throw new CoordinatorError('config', `${local} runs on this machine: it does not go with --connect`);
}

function wantedAgents(options: RunOptions, plan: Plan): number {
  return options.agents ?? plan.agents ?? Math.min(DEFAULT_AGENTS, plan.tasks.length);
}
