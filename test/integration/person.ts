/** A person's machine for the tests of the command: a home of its own, the built `mcpx`, and the promise that no process stays behind. What is asked of it is the business of each test. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {Endpoint} from '../../coordinator/commands/local/endpoint.ts';
import {FLEET_VARIABLE, type MarkedProcess, processesWith, signal} from '../support/machine.ts';
import {BUNDLE} from '../support/verbProcess.ts';
import {found, within} from '../support/waiting.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const STOP_TIMEOUT_MS = 20_000;

export interface Ended {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** An open pipe instead of nothing. */
  readonly stdin?: 'pipe';
  /** What the command line begins with, such as what runs it in another network. */
  readonly through?: readonly string[];
}

/** A running `mcpx`. */
export class Running {
  stdout = '';
  stderr = '';
  readonly ended: Promise<Ended>;
  private listeners: (() => void)[] = [];

  constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.take('stdout', text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.take('stderr', text));
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', code => {
        resolve({code: code ?? undefined, stdout: this.stdout, stderr: this.stderr});
        this.tell();
      });
    });
  }

  /** Resolves with the match once the output of either stream has it. */
  async saw(pattern: RegExp, timeoutMs = 60_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match) return match;
      const over = this.child.exitCode !== null || this.child.signalCode !== null;
      assert.ok(!over && Date.now() < deadline, `${pattern} was not said:\n${this.stdout}\n${this.stderr}`);
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, 1000);
        this.listeners.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  private take(stream: 'stdout' | 'stderr', text: string): void {
    this[stream] += text;
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners.splice(0)) listener();
  }
}

export class Person {
  /** Everything of this person is under it; all processes inherit its path. */
  readonly root = mkdtempSync(path.join(tmpdir(), 'mcpx-person-'));
  readonly home = path.join(this.root, 'home');
  readonly mcpxHome = path.join(this.root, 'mcpx');
  readonly temporary = path.join(this.root, 'tmp');
  private readonly started: Running[] = [];
  private readonly extraEnv: Record<string, string>;

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.extraEnv = {...env};
    for (const folder of [this.home, this.temporary]) mkdirSync(folder);
  }

  /** Nothing of the tester's own surroundings but the PATH: no git identity, no login, no editor. */
  get env(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: this.home,
      TMPDIR: this.temporary,
      MCPX_HOME: this.mcpxHome,
      LANG: 'C.UTF-8',
      [FLEET_VARIABLE]: this.root,
      ...this.extraEnv,
    };
  }

  /** An empty folder of the person's. */
  folder(name: string): string {
    const folder = path.join(this.root, name);
    mkdirSync(folder, {recursive: true});
    return folder;
  }

  start(args: readonly string[], options: CallOptions = {}): Running {
    return this.startWith(BUNDLE, args, options);
  }

  /** With another build of the command. */
  startWith(bundle: string, args: readonly string[], options: CallOptions = {}): Running {
    const [command = '', ...rest] = [...(options.through ?? []), process.execPath, bundle, ...args];
    const child = spawn(command, rest, {
      cwd: options.cwd ?? this.home,
      env: {...this.env, ...options.env},
      stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
    });
    const running = new Running(child);
    this.started.push(running);
    return running;
  }

  mcpx(args: readonly string[], options: CallOptions = {}): Promise<Ended> {
    return this.start(args, options).ended;
  }

  /** As `mcpx`, and it must have ended with `code`. */
  async expect(code: number, args: readonly string[], options: CallOptions = {}): Promise<Ended> {
    const ended = await this.mcpx(args, options);
    assert.equal(ended.code, code, `mcpx ${args.join(' ')}\n${ended.stdout}\n${ended.stderr}${this.logs()}`);
    return ended;
  }

  get endpoint(): Endpoint | undefined {
    const file = path.join(this.mcpxHome, 'coordinator', 'endpoint.json');
    return existsSync(file) ? Endpoint.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
  }

  /** What coordinator and agents wrote, for the message of a failed assertion. */
  logs(): string {
    const folder = path.join(this.mcpxHome, 'logs');
    if (!existsSync(folder)) return '';
    return readdirSync(folder)
      .map(name => `\n--- ${name}\n${readFileSync(path.join(folder, name), 'utf8').slice(-4000)}`)
      .join('');
  }

  /** Every process of this person's, attempts' included. */
  processes(): MarkedProcess[] {
    return processesWith(FLEET_VARIABLE, this.root);
  }

  /** Processes of running attempts, supervised ones and what they started. */
  attemptProcesses(): MarkedProcess[] {
    return this.processes().filter(({environment}) => environment.has('MCPX_ATTEMPT_ID'));
  }

  /** Folders of attempts that agents of this person's have on disk. */
  attemptFolders(): string[] {
    const agents = path.join(this.mcpxHome, 'agents');
    return readdirSync(agents).flatMap(agent => {
      const attempts = path.join(agents, agent, 'workspaces/attempts');
      return existsSync(attempts) ? readdirSync(attempts).map(name => path.join(attempts, name)) : [];
    });
  }

  /** Ends what still runs as a person would, asserts that nothing is left, and removes the machine. */
  async leave(): Promise<void> {
    for (const running of this.started) {
      if (running.child.exitCode === null && running.child.signalCode === null) running.signal('SIGTERM');
      await within(running.ended, STOP_TIMEOUT_MS, 'a command to end').catch(() => running.signal('SIGKILL'));
    }
    const {endpoint} = this;
    if (endpoint && this.processes().some(({pid}) => pid === endpoint.pid)) signal(endpoint.pid, 'SIGTERM');
    await this.assertNothingRuns();
    rmSync(this.root, {recursive: true, force: true});
  }

  /** Waits for the last process of this person to end; kills and names those that do not. */
  async assertNothingRuns(timeoutMs = STOP_TIMEOUT_MS): Promise<void> {
    try {
      await found(
        () => (this.processes().length === 0 ? true : undefined),
        timeoutMs,
        'the last process to end',
      );
    } catch (error) {
      const left = this.processes();
      for (const {pid} of left) signal(pid, 'SIGKILL');
      const names = left.map(({pid, command}) => `${pid} ${command}`).join('\n');
      throw new Error(`processes are left:\n${names}${this.logs()}`, {cause: error});
    }
  }
}
