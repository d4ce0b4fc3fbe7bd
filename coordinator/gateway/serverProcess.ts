/** The seam to whoever starts and ends processes, and the plain one: a process group of its own, ended politely, then by force. */
import {type ChildProcess, spawn} from 'node:child_process';
import type {Readable, Writable} from 'node:stream';
import {atMost, type Clock, delay} from '../runtime/clock.ts';
import {CoordinatorError, systemErrorCode} from '../runtime/errors.ts';

export interface LaunchRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
}

export interface ServerProcess {
  readonly pid: number | undefined;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** How it ended, such as "exit code 1". Never rejects. */
  readonly ended: Promise<string>;
  /** Ends it and whatever it has started; resolves when nothing of it lives. */
  end(graceMs: number): Promise<void>;
}

export interface ProcessLauncher {
  /** Rejects when it cannot be started at all. */
  launch(request: LaunchRequest): Promise<ServerProcess>;
  stop(): Promise<void>;
}

const LOOK_MS = 20;
const KILL_PATIENCE_MS = 5000;

/** Of a coordinator that is part of another program. Nobody watches over its processes when that program is killed but their own stdin. */
export class GroupLauncher implements ProcessLauncher {
  private readonly running = new Set<GroupProcess>();

  constructor(private readonly clock: Clock) {}

  async launch({command, args, cwd, env}: LaunchRequest): Promise<ServerProcess> {
    const child = spawn(command, args, {
      cwd,
      env: {...env},
      detached: true,
      stdio: 'pipe',
      windowsHide: true,
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    const process = new GroupProcess(child, this.clock);
    this.running.add(process);
    void process.ended.then(() => this.running.delete(process));
    return process;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.running].map(process => process.end(0)));
  }
}

class GroupProcess implements ServerProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly ended: Promise<string>;
  readonly pid: number | undefined;

  constructor(
    child: ChildProcess,
    private readonly clock: Clock,
  ) {
    const {stdin, stdout, stderr} = child;
    if (!stdin || !stdout || !stderr)
      throw new CoordinatorError('internal', 'a process was started without its pipes');
    this.stdin = stdin;
    this.stdout = stdout;
    this.stderr = stderr;
    this.pid = child.pid;
    this.ended = new Promise(resolve => {
      child.once('exit', (code, signal) =>
        resolve(signal === null ? `exit code ${code}` : `signal ${signal}`),
      );
    });
  }

  async end(graceMs: number): Promise<void> {
    if (graceMs > 0 && this.signal('SIGTERM')) await this.emptyWithin(graceMs);
    if (this.signal('SIGKILL')) await this.emptyWithin(KILL_PATIENCE_MS);
    await atMost(this.clock, KILL_PATIENCE_MS, this.ended);
  }

  /** False when nobody of the group is left. */
  private signal(name: NodeJS.Signals | 0): boolean {
    if (this.pid === undefined) return false;
    try {
      return process.kill(-this.pid, name);
    } catch (error) {
      if (systemErrorCode(error) === 'ESRCH') return false;
      // Whoever is left changed its user, or is a zombie: there is nothing more that we can do.
      if (systemErrorCode(error) === 'EPERM') return false;
      throw error;
    }
  }

  private async emptyWithin(ms: number): Promise<void> {
    const until = this.clock.now() + ms;
    while (this.clock.now() < until && this.signal(0)) await delay(this.clock, LOOK_MS);
  }
}
