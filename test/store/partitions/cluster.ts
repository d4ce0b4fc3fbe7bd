/** What the test does with a cluster of either store: its processes, each on a host and a disk of its own, and what its members know in the end. */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, existsSync, openSync, readFileSync} from 'node:fs';
import path from 'node:path';
import type {HistoryEvent} from '../../simulation/checker/history.ts';
import type {HostNetwork} from '../../support/hostNetwork.ts';
import type {Door} from './door.ts';
import type {Change} from './memberDump.ts';
import {SmallDisk} from './smallDisk.ts';

export const NODES = ['n1', 'n2', 'n3'] as const;

/** What is known once all is quiet. */
export interface Findings {
  /** Of the state at the last revision, by member. */
  readonly hashes: ReadonlyMap<string, string>;
  /** Every revision, by member, numbered as in `history`. */
  readonly changes: ReadonlyMap<string, readonly Change[]>;
  /** What the clients recorded, with revisions that count only what they did. */
  readonly history: readonly HistoryEvent[];
}

export interface Cluster {
  /** Of its members' processes, by node. */
  readonly machines: ReadonlyMap<string, Machine>;
  /** The newest revision that was there before the clients. */
  readonly base: number;
  /** One for each way in, for one client alone. */
  doors(): Door[];
  /** By the word of whoever says so first. */
  leader(): Promise<string | undefined>;
  /** Resolves once `node` answers its clients. */
  answers(node: string): Promise<void>;
  /** `revision` is that of the last write of the clients. */
  findings(revision: number, history: readonly HistoryEvent[]): Promise<Findings>;
  stop(): Promise<void>;
}

/** A process on a host and a disk of its own. */
export class Machine {
  readonly disk: SmallDisk;
  private child: ChildProcess | undefined;
  private starts = 0;

  constructor(
    readonly node: string,
    private readonly network: HostNetwork,
    private readonly options: {
      readonly folder: string;
      readonly diskMebibytes: number;
      readonly command: (directory: string) => readonly string[];
    },
  ) {
    this.disk = new SmallDisk(path.join(options.folder, node), options.diskMebibytes);
  }

  /** Unless it runs. */
  start(): void {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) return;
    const [program = '', ...args] = [
      ...this.network.through(this.node),
      ...this.options.command(path.join(this.disk.folder, 'data')),
    ];
    const log = openSync(this.logFile, 'a');
    this.child = spawn(program, args, {stdio: ['ignore', log, log]});
    closeSync(log);
    this.starts += 1;
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** As a power cut does. */
  async kill(): Promise<void> {
    const {child} = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** How often it has been started again. */
  get restarts(): number {
    return Math.max(0, this.starts - 1);
  }

  get log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  private get logFile(): string {
    return path.join(this.options.folder, `${this.node}.log`);
  }
}
