/** One process of the built mcpx command, which may be started again after its end. It is known by its pid, and only that is ever signalled. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {closeSync, openSync, readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {within} from './waiting.ts';

/** The built command. `MCPX_TEST_BUNDLE` names another build of it. */
export const BUNDLE =
  process.env['MCPX_TEST_BUNDLE'] ?? fileURLToPath(new URL('../../dist/mcpx.mjs', import.meta.url));

const LOG_TAIL = 4000;
const KILL_PATIENCE_MS = 10_000;

export interface VerbOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** What the command line begins with to run elsewhere; the process must stay the command itself. */
  readonly through?: readonly string[];
}

export interface VerbExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class VerbProcess {
  private child: ChildProcess | undefined;
  private ended: Promise<VerbExit> | undefined;
  /** Wall time of the last start. */
  startedAt = 0;

  constructor(readonly options: VerbOptions) {}

  get isRunning(): boolean {
    const {child} = this;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get pid(): number {
    const {child} = this;
    assert.ok(this.isRunning && child?.pid, `${this.options.name} runs`);
    return child.pid;
  }

  /** Settles with the end of the process that was started last. */
  get exit(): Promise<VerbExit> {
    assert.ok(this.ended, `${this.options.name} was started`);
    return this.ended;
  }

  start(): void {
    assert.ok(!this.isRunning, `${this.options.name} does not run yet`);
    const {args, env, logFile, through = []} = this.options;
    const [program = '', ...rest] = [...through, process.execPath, BUNDLE, ...args];
    this.startedAt = Date.now();
    const log = openSync(logFile, 'a', 0o600);
    const child = spawn(program, rest, {env, stdio: ['ignore', log, log]});
    closeSync(log);
    this.child = child;
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve({code, signal}));
    });
    this.ended.catch(() => undefined);
  }

  /** `kill -9`; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    this.child?.kill('SIGKILL');
    await within(this.exit, KILL_PATIENCE_MS, `the end of ${this.options.name}`);
  }

  /** SIGTERM; resolves with how it ended. */
  async stop(timeoutMs = 40_000): Promise<VerbExit> {
    this.resume();
    this.child?.kill('SIGTERM');
    return within(this.exit, timeoutMs, () => `${this.options.name} to stop:\n${this.log()}`);
  }

  /** SIGSTOP: the process hears nothing until `resume`; its children go on. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  resume(): void {
    if (this.isRunning) process.kill(this.pid, 'SIGCONT');
  }

  /** The end of what all its processes logged. */
  log(characters = LOG_TAIL): string {
    return readFileSync(this.options.logFile, 'utf8').slice(-characters);
  }
}
