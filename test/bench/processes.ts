/** Child processes of the benchmark: started with a log of their own, measured, and ended for certain. */
import {type ChildProcess, spawn} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {setTimeout as pause} from 'node:timers/promises';

const STOP_MS = 15_000;
const READY_MS = 30_000;
const LOOK_MS = 20;
/** Linux counts CPU time in these. */
const TICK_MS = 10;

export interface ProcessOptions {
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Opens a channel for messages. */
  readonly ipc?: boolean;
}

export class BenchProcess {
  private ended = false;

  private constructor(
    readonly child: ChildProcess,
    readonly logFile: string,
  ) {
    child.once('exit', () => {
      this.ended = true;
    });
    child.once('error', () => {
      this.ended = true;
    });
  }

  static start(command: string, args: readonly string[], options: ProcessOptions): BenchProcess {
    const log = openSync(options.logFile, 'a');
    try {
      const child = spawn(command, args, {
        env: {...process.env, ...options.env},
        stdio: options.ipc ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
      });
      return new BenchProcess(child, options.logFile);
    } finally {
      closeSync(log);
    }
  }

  /** Resolves with what `look` found; rejects with the end of the log when the process ends first or takes too long. */
  async until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const until = performance.now() + READY_MS;
    while (!this.ended && performance.now() < until) {
      const found = await look();
      if (found !== undefined) return found;
      await pause(LOOK_MS);
    }
    const log = await readFile(this.logFile, 'utf8');
    throw new Error(`${what}: ${this.ended ? 'the process ended' : 'took too long'}\n${log.slice(-2000)}`);
  }

  /** CPU time so far, user and system, in ms. NaN where the system does not tell. */
  async cpuMs(): Promise<number> {
    try {
      const stat = await readFile(`/proc/${this.child.pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
    } catch {
      return Number.NaN;
    }
  }

  /** Memory in use as the system counts it. NaN where it does not tell. */
  async residentBytes(): Promise<number> {
    return residentBytes(this.child.pid);
  }

  ask<T>(question: object): Promise<T> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error('the process ended before it answered'));
      this.child.once('exit', onExit);
      this.child.once('message', answer => {
        this.child.off('exit', onExit);
        resolve(answer as T);
      });
      this.child.send(question);
    });
  }

  /** As a power cut does. */
  async kill(): Promise<void> {
    if (this.ended) return;
    const exit = new Promise<void>(resolve => this.child.once('exit', () => resolve()));
    this.child.kill('SIGKILL');
    await exit;
  }

  async stop(): Promise<void> {
    if (this.ended) return;
    const exit = new Promise<void>(resolve => this.child.once('exit', () => resolve()));
    const force = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    this.child.kill('SIGTERM');
    await exit;
    clearTimeout(force);
  }
}

export async function residentBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

/** CPU of several processes since a moment. */
export async function cpuMeter(
  processes: Readonly<Record<string, BenchProcess>>,
): Promise<() => Promise<Record<string, number>>> {
  const read = async (): Promise<Map<string, number>> => {
    const entries = Object.entries(processes).map(
      async ([name, one]) => [name, await one.cpuMs()] as [string, number],
    );
    return new Map(await Promise.all(entries));
  };
  const before = await read();
  return async () => {
    const after = await read();
    return Object.fromEntries([...after].map(([name, ms]) => [name, ms - (before.get(name) ?? 0)]));
  };
}
