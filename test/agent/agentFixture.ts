/** What the tests of the agent share: options for a real agent on a temporary folder, and assignments. */
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {Agent} from '../../coordinator/agent/agent.ts';
import type {AgentOptions} from '../../coordinator/agent/agentOptions.ts';
import {createLogger, type Logger, silentLogger} from '../../coordinator/observability/logger.ts';
import type {ParamsInput} from '../../coordinator/protocol/commands/table.ts';
import type {TaskWork} from '../../coordinator/protocol/plan/plan.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {supervisorCommand} from './supervisor/support.ts';

export type Assign = ParamsInput<'mcpx.orchestrate.task.assign'>;

/** Set MCPX_TEST_LOG=debug to see what the agents say. */
export function testLogger(): Logger {
  const level = process.env['MCPX_TEST_LOG'];
  if (level !== 'debug' && level !== 'info') return silentLogger;
  const sink = {write: (line: string) => console.error(line)};
  return createLogger({sink, level, format: 'text', wallNow: () => systemClock.wallNow()});
}

export function agentOptions(
  stateDirectory: string,
  hubUrl: string,
  more: Partial<AgentOptions> = {},
): AgentOptions {
  return {
    stateDirectory,
    agentId: 'agent-1',
    hub: {urls: [hubUrl], token: () => 'token'},
    mode: 'external',
    maxConcurrentTasks: 4,
    version: '0.0.0',
    env: {PATH: process.env['PATH'], HOME: process.env['HOME']},
    claude: 'off',
    supervisorCommand,
    pid: process.pid,
    clock: systemClock,
    random: systemRandom,
    logger: testLogger(),
    ...more,
    settings: {
      flushMs: 10,
      retryMinMs: 20,
      retryMaxMs: 100,
      cancelGraceMs: 300,
      releaseWaitMs: 200,
      stopTimeoutMs: 3000,
      ...more.settings,
    },
  };
}

export function startAgent(
  stateDirectory: string,
  hubUrl: string,
  more: Partial<AgentOptions> = {},
): Promise<Agent> {
  return Agent.start(agentOptions(stateDirectory, hubUrl, more));
}

export function typescriptMain(file: string): [string, ...string[]] {
  const tsx = fileURLToPath(import.meta.resolve('tsx'));
  return [process.execPath, '--import', tsx, path.join(path.dirname(fileURLToPath(import.meta.url)), file)];
}

let revision = 1;

export function assignment(
  taskId: string,
  work: TaskWork,
  more: {task?: Partial<Assign['task']>} & Partial<Omit<Assign, 'task'>> = {},
): Assign {
  const {task, ...rest} = more;
  const number = rest.number ?? 1;
  const attemptId = `s-1.${taskId}.${number}`;
  return {
    attemptId,
    fence: {store: 'store-1', attempt: attemptId, revision: revision++},
    sessionId: 's-1',
    sessionName: 'session',
    taskId,
    number,
    taskKey: `s-1.${taskId}`,
    workspace: {kind: 'none'},
    keep: false,
    rehearsal: false,
    ...rest,
    task: {
      id: taskId,
      work,
      dependsOn: [],
      requires: {},
      affinity: [],
      gates: [],
      retry: {max: 1, backoffMs: 1, maxBackoffMs: 1},
      timeoutMs: 60_000,
      priority: 0,
      onLost: 'rerun',
      maxLosses: 3,
      env: {},
      secrets: [],
      ...task,
    },
  };
}

export function run(command: string): TaskWork {
  return {kind: 'run', command};
}

export function prompt(text: string): TaskWork {
  return {kind: 'prompt', prompt: text, permissions: {mode: 'ask', allow: [], deny: []}};
}
