/** `mcpx run`: one plan from start to result, with a coordinator and agents on this machine unless told otherwise. */
import {mkdir, writeFile} from 'node:fs/promises';
import path from 'node:path';
import type {Command} from 'commander';
import type {LocalRepository} from '../client/repository/localRepository.ts';
import {isRemoteUrl} from '../client/repository/remoteUrl.ts';
import {createLogger, type Logger} from '../observability/logger.ts';
import type {Plan} from '../protocol/plan/plan.ts';
import {systemClock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {newId, systemRandom} from '../runtime/random.ts';
import {type CommandIo, EXIT} from './io.ts';
import {namedCoordinator} from './local/connect.ts';
import {count} from './local/options.ts';
import {loadPlan} from './plan.ts';
import {startRehearsal} from './run/rehearsal.ts';
import {requireClaude} from './run/requireClaude.ts';
import type {RunOptions} from './run/runOptions.ts';
import {type RunBeginning, RunSession} from './run/runSession.ts';
import {sendWorkspace} from './run/sendWorkspace.ts';

const DEFAULT_AGENTS = 3;
/** A longer plan does not fit into a message and travels as an artifact. */
const MAX_INLINE_PLAN = 1024 * 1024;
/** A plan of 100,000 tasks takes a while to be stored. */
const START_TIMEOUT_MS = 120_000;

export function addRunCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  program
    .command('run <plan>')
    .description('Runs a plan and ends with its result branch. Exit code 0 only if the session succeeded.')
    .option('--agents <n>', 'agents to start on this machine; beats the plan', count)
    .option('--slots <n>', 'attempts that one of these agents runs at once', count, 2)
    .option('--connect <url|context>', 'use that coordinator and the agents that joined it')
    .option('--token <token>', 'client token for --connect; better in MCPX_TOKEN')
    .option('--ca-pin <pin>', 'sha256:… of the authority behind --connect')
    .option('--json', 'end with one line of JSON on stdout; everything else goes to stderr', false)
    .option('--junit <file>', 'write a JUnit report')
    .option('--keep', 'keep every worktree; without it those of failed tasks are kept', false)
    .option('--rehearse', 'no model is called: the real Claude Code plays the script beside the plan', false)
    .option('--isolated', 'a coordinator of its own in a temporary directory, gone at the end', false)
    .option('--uncommitted', 'take uncommitted work along', false)
    .option('--verbose', 'log what happens underneath', false)
    .action(async (planFile: string, options: RunOptions) => done(await runPlan(planFile, options, io)));
}

export async function runPlan(planFile: string, given: RunOptions, io: CommandIo): Promise<number> {
  const file = path.resolve(io.cwd, planFile);
  const loaded = await loadPlan(planFile, io);
  if (!loaded) return EXIT.usage;
  const {plan} = loaded;
  const options = {...given, connect: await whereToRun(given, io)};
  if (options.isolated && isAtUrl(plan))
    throw new CoordinatorError(
      'config',
      'an isolated run has nowhere to leave the result of a repository at a URL',
      {
        hint: 'Leave out --isolated, or name a clone on this machine in workspace.repository.',
      },
    );
  const report = options.junit === undefined ? undefined : path.resolve(io.cwd, options.junit);
  // A wrong path shows before the work, and the report of an earlier run does not stand for this one.
  if (report !== undefined) await writeReport(report, '');
  if (options.connect === undefined && !options.rehearse) await requireClaude(plan, io.env);
  const logger = runLogger(options, io);
  const sessionId = newId(systemRandom, 's');
  const rehearsal = options.rehearse ? await startRehearsal(file, systemClock, logger) : undefined;
  try {
    const session = new RunSession({
      sessionId,
      plan,
      agents: options.connect === undefined ? wantedAgents(options, plan) : 0,
      options,
      rehearsalEnv: rehearsal?.env,
      begin: beginning => beginSession(sessionId, plan, path.dirname(file), options, beginning, io),
      clock: systemClock,
      logger,
      io: options.json ? {...io, stdout: io.stderr} : io,
    });
    const stopListening = onInterrupts(() => session.interrupt());
    try {
      const outcome = await session.run();
      if (options.json) io.stdout(`${outcome.json}\n`);
      if (report !== undefined) await writeReport(report, outcome.junit);
      return outcome.exit;
    } finally {
      stopListening();
    }
  } finally {
    await rehearsal?.stop();
  }
}

function isAtUrl({workspace}: Plan): boolean {
  return workspace.kind === 'git' && workspace.repository !== undefined && isRemoteUrl(workspace.repository);
}

async function writeReport(file: string, text: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), {recursive: true});
    await writeFile(file, text);
  } catch (error) {
    throw new CoordinatorError('config', `cannot write the report ${file}`, {cause: error});
  }
}

/** What runs on this machine in any case does so whatever context is current. */
async function whereToRun(options: RunOptions, io: CommandIo): Promise<string | undefined> {
  const local = options.rehearse ? '--rehearse' : options.isolated ? '--isolated' : undefined;
  if (local === undefined) return namedCoordinator(options, io);
  if (options.connect === undefined) return undefined;
  throw new CoordinatorError('config', `${local} runs on this machine: it does not go with --connect`);
}

async function beginSession(
  sessionId: string,
  plan: Plan,
  planFolder: string,
  options: RunOptions,
  beginning: RunBeginning,
  io: CommandIo,
): Promise<LocalRepository | undefined> {
  const {client} = beginning;
  const workspace = await sendWorkspace({
    ...beginning,
    plan,
    planFolder,
    includeUncommitted: options.uncommitted,
    clock: systemClock,
    io,
  });
  const text = JSON.stringify(plan);
  const inline = text.length <= MAX_INLINE_PLAN;
  const sent = inline
    ? plan
    : {artifact: (await beginning.artifacts.upload(Buffer.from(text), beginning.signal)).sha256};
  await client.request(
    'mcpx.orchestrate.session.start',
    {sessionId, plan: sent, workspace: workspace?.source, keep: options.keep, rehearsal: options.rehearse},
    {retry: true, timeoutMs: START_TIMEOUT_MS},
  );
  return workspace?.repository;
}

function wantedAgents(options: RunOptions, plan: Plan): number {
  return options.agents ?? plan.agents ?? Math.min(DEFAULT_AGENTS, plan.tasks.length);
}

function runLogger(options: RunOptions, io: CommandIo): Logger {
  return createLogger({
    sink: {write: line => io.stderr(`${line}\n`)},
    level: options.verbose ? 'debug' : 'error',
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
