/** Acquires what an agent works with, in the order in which it must happen: the folder, then an end to leftovers, then everything else. */
import os from 'node:os';
import {ArtifactCache} from '../artifacts/artifactCache.ts';
import {ArtifactClient} from '../artifacts/artifactClient.ts';
import {Git} from '../artifacts/git/gitCommand.ts';
import type {TaskComplete} from '../protocol/commands/attempt.ts';
import {DEFAULT_TENANT} from '../protocol/ids.ts';
import {newId} from '../runtime/random.ts';
import {prepareEnvironment, type ReadyEnvironment} from './agentEnvironment.ts';
import type {AgentOptions} from './agentOptions.ts';
import type {AgentSettings} from './agentSettings.ts';
import {loginAccount} from './claudeSetup/loginAccount.ts';
import type {Driver} from './driver.ts';
import {runAttemptCommand} from './drivers/attemptCommand.ts';
import {ClaudeDriver} from './drivers/claude/claudeDriver.ts';
import {CommandDriver} from './drivers/commandDriver.ts';
import {noopDriver} from './drivers/noopDriver.ts';
import {KnownCoordinators} from './link/knownCoordinators.ts';
import {ListeningSocket} from './link/listeningSocket.ts';
import {Spool} from './link/spool.ts';
import {WriteLog} from './memory/writeLog.ts';
import {StateDirectory} from './stateDirectory.ts';
import {Supervisor} from './supervisor/supervisor.ts';
import {systemProcessTable} from './supervisor/systemProcessTable.ts';
import type {RunCommand} from './workspace/setupCache.ts';
import {Workspaces} from './workspace/workspaces.ts';

const ARTIFACT_CACHE_BYTES = 4 * 1024 ** 3;

export interface AgentParts {
  readonly state: StateDirectory;
  /** Unlike that of any other start of any agent. */
  readonly incarnation: string;
  readonly supervisor: Supervisor;
  readonly spool: Spool;
  /** What an earlier run finished and the hub has not acknowledged. */
  readonly left: readonly TaskComplete[];
  /** Writes to shared memory that the hub has not answered for, an earlier run's too. */
  readonly memoryWrites: WriteLog;
  readonly workspaces: Workspaces;
  readonly artifactCache: ArtifactCache;
  readonly artifacts: ArtifactClient;
  /** The coordinators that an earlier connection was told of. */
  readonly coordinators: KnownCoordinators;
  /** Where the hub dials the agent, if it does. */
  readonly listening: ListeningSocket | undefined;
  readonly environment: ReadyEnvironment;
  /** Agents that spend from one login have the same. */
  readonly account: string;
  readonly drivers: {readonly prompt: Driver | undefined; readonly run: Driver; readonly noop: Driver};
}

/** Throws `conflict` when another agent has the folder, `config`, and what the parts throw; nothing stays acquired then. */
export async function acquireParts(
  options: AgentOptions,
  settings: AgentSettings,
  hubUrl: () => string,
): Promise<AgentParts> {
  const {agentId, pid, random} = options;
  const table = systemProcessTable();
  const state = await StateDirectory.acquire(options.stateDirectory, {agentId, random});
  const undo: (() => Promise<void>)[] = [() => state.release()];
  try {
    const incarnation = newId(random, 'run', 8);
    const {clock, logger} = options;
    const supervisor = await Supervisor.start({
      command: options.supervisorCommand,
      env: supervisorEnvironment(options.env),
      stateFolder: state.path,
      agentRun: incarnation,
      agentPid: pid,
      clock,
      logger,
      table,
    });
    undo.push(() => supervisor.stop());
    const {wallNow} = clock;
    const spool = await Spool.open({stateDirectory: state.path, settings, wallNow, logger});
    undo.push(() => spool.close());
    const memoryWrites = await WriteLog.open(state.file('memory'), logger);
    undo.push(() => memoryWrites.close());
    const transfers = {minBackoffMs: settings.retryMinMs, maxBackoffMs: settings.retryMaxMs};
    const artifacts = new ArtifactClient(
      () => artifactEndpoint(options, hubUrl()),
      {clock, logger, random},
      transfers,
    );
    undo.push(() => Promise.resolve(artifacts.dispose()));
    const artifactCache = await openArtifactCache(options, state, artifacts);
    const workspaces = await openWorkspaces(options, settings, {state, supervisor, artifacts, artifactCache});
    const environment = await prepareEnvironment(options, state.path);
    const account =
      options.account ??
      loginAccount(environment.environment, os.hostname(), options.rehearsal) ??
      state.agentId;
    const drivers = driversOf(options, settings, supervisor, environment);
    const {listen, hub} = options;
    const listening = listen && (await ListeningSocket.open(listen, hub.token, logger));
    const left = spool.completions.all();
    const coordinators = await KnownCoordinators.open(state.file('coordinators.json'), hub.urls, logger);
    return {
      state,
      incarnation,
      supervisor,
      spool,
      left,
      memoryWrites,
      workspaces,
      artifactCache,
      artifacts,
      coordinators,
      listening,
      environment,
      account,
      drivers,
    };
  } catch (error) {
    for (const release of undo.reverse()) await release();
    throw error;
  }
}

export async function releaseParts(parts: AgentParts): Promise<void> {
  await parts.listening?.close();
  await parts.supervisor.stop();
  await parts.spool.close();
  await parts.memoryWrites.close();
  await parts.coordinators.close();
  parts.artifacts.dispose();
  await parts.state.release();
}

function openArtifactCache(
  {clock, logger}: AgentOptions,
  state: StateDirectory,
  client: ArtifactClient,
): Promise<ArtifactCache> {
  return ArtifactCache.open({
    folder: state.file('artifacts'),
    maxBytes: ARTIFACT_CACHE_BYTES,
    client,
    clock,
    logger,
  });
}

/** No process is left now: every worktree that nobody asked to keep can go. */
async function openWorkspaces(
  options: AgentOptions,
  settings: AgentSettings,
  parts: {
    state: StateDirectory;
    supervisor: Supervisor;
    artifacts: ArtifactClient;
    artifactCache: ArtifactCache;
  },
): Promise<Workspaces> {
  const {clock, random, logger, env} = options;
  const {state, supervisor, artifacts, artifactCache} = parts;
  const workspaces = new Workspaces({
    folder: state.file('workspaces'),
    git: new Git('isolated', env),
    artifacts: artifactCache,
    uploads: artifacts,
    runCommand: setupRunner(options, settings, supervisor),
    clock,
    random,
    logger,
  });
  const removed = await workspaces.sweep(new Set());
  if (removed.length > 0) logger.info('removed worktrees that an earlier run left', {attempts: removed});
  return workspaces;
}

/** Set-up commands run under the supervisor, each as a small attempt of its own. */
function setupRunner(
  {clock, random}: AgentOptions,
  {setupTimeoutMs, cancelGraceMs}: AgentSettings,
  supervisor: Supervisor,
): RunCommand {
  return async (command, cwd, env, signal) => {
    const tooLong = new AbortController();
    const timer = clock.schedule(setupTimeoutMs, () => tooLong.abort());
    const {exit, tail} = await runAttemptCommand({
      supervisor,
      clock,
      attemptId: newId(random, 'setup'),
      command,
      cwd,
      env,
      signal: signal ? AbortSignal.any([signal, tooLong.signal]) : tooLong.signal,
      graceMs: cancelGraceMs,
    }).finally(() => timer.dispose());
    signal?.throwIfAborted();
    if (exit.kind === 'notStarted') throw exit.error;
    if (exit.kind === 'exited') return {code: exit.code, output: tail};
    const seconds = Math.round(setupTimeoutMs / 1000);
    const why = tooLong.signal.aborted ? `it took longer than ${seconds} s` : exit.signal;
    // As a shell says it of a command that was ended.
    return {code: 128, output: `${tail}\n[ended: ${why}]`};
  };
}

function driversOf(
  {clock, logger, promptDriver}: AgentOptions,
  {cancelGraceMs: graceMs}: AgentSettings,
  supervisor: Supervisor,
  {executable}: ReadyEnvironment,
): AgentParts['drivers'] {
  const claude = executable ? new ClaudeDriver({supervisor, clock, logger, executable, graceMs}) : undefined;
  const run = new CommandDriver({supervisor, clock, logger, graceMs});
  return {prompt: promptDriver ?? claude, run, noop: noopDriver};
}

function artifactEndpoint({hub}: AgentOptions, url: string) {
  const {origin} = new URL(url.replace(/^ws/, 'http'));
  return {baseUrl: origin, tenant: hub.tenant ?? DEFAULT_TENANT, token: hub.token(), ca: hub.ca?.()};
}

/** Our own Node may need these to start at all. */
function supervisorEnvironment(env: AgentOptions['env']): Record<string, string> {
  const names = ['PATH', 'HOME', 'ELECTRON_RUN_AS_NODE', 'SystemRoot', 'TEMP', 'TMPDIR'];
  return Object.fromEntries(names.flatMap(name => (env[name] === undefined ? [] : [[name, env[name]]])));
}
