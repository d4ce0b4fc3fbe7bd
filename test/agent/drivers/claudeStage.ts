/** A git worktree, a supervisor, a rehearsal server and the real Claude Code: everything that tests of the claude driver share. */
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {attemptEnvironment} from '../../../coordinator/agent/claudeSetup/attemptEnvironment.ts';
import {
  withConfigurationFolder,
  withoutModelAccess,
} from '../../../coordinator/agent/claudeSetup/authentication.ts';
import {bundledExecutable} from '../../../coordinator/agent/claudeSetup/findClaude.ts';
import type {DriverOutcome, DriverRun, DriverTask, PromptOptions} from '../../../coordinator/agent/driver.ts';
import {
  ClaudeDriver,
  type ClaudeDriverOptions,
} from '../../../coordinator/agent/drivers/claude/claudeDriver.ts';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../../coordinator/agent/rehearsal/script.ts';
import type {Supervisor} from '../../../coordinator/agent/supervisor/supervisor.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {startSupervisor, temporaryFolder} from '../supervisor/support.ts';
import {RecordingHost} from './recordingHost.ts';

export interface StagedRun {
  readonly host: RecordingHost;
  readonly run: DriverRun;
  readonly worktree: string;
  outcome(): Promise<DriverOutcome>;
  read(file: string): string;
}

export const asking = {mode: 'ask' as const, allow: [], deny: []};
export const allowing = (...allow: string[]) => ({mode: 'acceptEdits' as const, allow, deny: []});

export class ClaudeStage {
  private readonly folder = temporaryFolder();
  private readonly servers: RehearsalServer[] = [];
  private runs = 0;
  private supervisorStarted: Supervisor | undefined;
  readonly executable = bundledExecutable() ?? '';

  async open(): Promise<void> {
    this.supervisorStarted = await startSupervisor(this.folder.path);
  }

  async close(): Promise<void> {
    await this.supervisorStarted?.stop();
    await Promise.all(this.servers.map(server => server.stop()));
    this.folder.remove();
  }

  get supervisor(): Supervisor {
    if (!this.supervisorStarted) throw new Error('the stage is not open');
    return this.supervisorStarted;
  }

  /** Runs so far; an attempt is named by its number. */
  get count(): number {
    return this.runs;
  }

  /** Of the run that was started last. */
  get configurationFolder(): string {
    return path.join(this.folder.path, `slot-${this.runs}`);
  }

  async play(script: string): Promise<RehearsalServer> {
    const parsed = parseRehearsalScript(script, 'test.rehearsal.yaml');
    const options = {clock: systemClock, logger: silentLogger, script: parsed, keepBodies: true};
    const server = await startRehearsalServer(options);
    this.servers.push(server);
    return server;
  }

  worktree(files: Readonly<Record<string, string>> = {}): string {
    const folder = mkdtempSync(path.join(this.folder.path, 'worktree-'));
    execFileSync('git', ['init', '-q', folder]);
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, name)), {recursive: true});
      writeFileSync(path.join(folder, name), content);
    }
    return folder;
  }

  environment(server: RehearsalServer, more: Record<string, string> = {}): Record<string, string> {
    const base = withoutModelAccess(attemptEnvironment(process.env));
    const env = {...base, HOME: this.folder.path, CLAUDE_CODE_MAX_RETRIES: '1', ...server.env, ...more};
    return withConfigurationFolder(env, path.join(this.folder.path, `slot-${this.runs}`));
  }

  /** Starts the task `t`, as the script names it. */
  start(
    server: RehearsalServer,
    options: Partial<PromptOptions> = {},
    more: {
      prompt?: string;
      host?: RecordingHost;
      files?: Record<string, string>;
      env?: Record<string, string>;
      task?: Partial<DriverTask>;
      driver?: Partial<ClaudeDriverOptions>;
    } = {},
  ): StagedRun {
    this.runs++;
    const host = more.host ?? new RecordingHost();
    const worktree = this.worktree(more.files);
    const permissions = {mode: 'acceptEdits' as const, allow: [], deny: []};
    const driver = new ClaudeDriver({
      supervisor: this.supervisor,
      clock: systemClock,
      logger: silentLogger,
      executable: this.executable,
      ...more.driver,
    });
    const task: DriverTask = {
      attemptId: `attempt-${this.runs}`,
      sessionId: 's-1',
      taskId: 't',
      attemptNumber: 1,
      taskKey: 'key',
      worktree,
      env: this.environment(server, more.env),
      work: {kind: 'prompt', prompt: more.prompt ?? 'Do it.', options: {permissions, ...options}},
      ...more.task,
    };
    const run = driver.start(task, host);
    return {
      host,
      run,
      worktree,
      outcome: () => run.outcome,
      read: file => readFileSync(path.join(worktree, file), 'utf8'),
    };
  }
}
