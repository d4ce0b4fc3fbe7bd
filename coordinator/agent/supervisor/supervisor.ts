/** The agent's side of its supervisor: starts processes so that none can outlive the agent, and ends them on demand. */
import type {ChildProcess} from 'node:child_process';
import path from 'node:path';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {gatedSpawn, type SpawnRequest} from './gatedSpawn.ts';
import {killLeftovers, type Leftover} from './killLeftovers.ts';
import type {PoliteEnd} from './killTree.ts';
import {AGENT_RUN_VARIABLE, ATTEMPT_VARIABLE} from './markers.ts';
import type {FromSupervisor} from './pipeMessages.ts';
import {ProcessRecords} from './processRecords.ts';
import type {ProcessIdentity, ProcessTable} from './processTable.ts';
import {SupervisorLink} from './supervisorLink.ts';
import {systemProcessTable} from './systemProcessTable.ts';

export interface SupervisorOptions {
  /** The command line of the supervisor process, such as `[process.execPath, '/path/mcpx.mjs', 'supervise']`. */
  readonly command: readonly [string, ...string[]];
  /** The supervisor's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** A folder that only this agent uses; records of running processes go to `processes/` in it. */
  readonly stateFolder: string;
  /** Unlike that of any other start of any agent. */
  readonly agentRun: string;
  readonly agentPid: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly table?: ProcessTable | undefined;
  /** A supervisor that takes longer than this beside the grace of a request is replaced. Default 30,000. */
  readonly answerTimeoutMs?: number | undefined;
}

export type ProcessExit =
  | {readonly kind: 'exited'; readonly code: number}
  | {readonly kind: 'signalled'; readonly signal: NodeJS.Signals}
  /** The process could not be started. */
  | {readonly kind: 'notStarted'; readonly error: Error};

export interface AttemptProcess {
  readonly child: ChildProcess;
  /** Never rejects. */
  readonly exit: Promise<ProcessExit>;
}

interface RunningAttempt {
  readonly roots: ProcessIdentity[];
  members: readonly ProcessIdentity[];
}

export class Supervisor {
  private readonly attempts = new Map<string, RunningAttempt>();
  private readonly link: SupervisorLink;
  private readonly agent: ProcessIdentity;

  private constructor(
    private readonly options: SupervisorOptions,
    private readonly table: ProcessTable,
    private readonly records: ProcessRecords,
    /** What an earlier agent had left running and was ended at this start. */
    readonly leftovers: readonly Leftover[],
  ) {
    this.agent = {pid: options.agentPid, startedAt: table.row(options.agentPid)?.startedAt ?? ''};
    this.link = new SupervisorLink({
      ...options,
      onMessage: message => this.receive(message),
      onConnect: () => this.trackAll(),
    });
  }

  /** Ends recorded leftovers, then starts the supervisor process. Throws `conflict` when another agent uses the folder. */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const table = options.table ?? systemProcessTable();
    const records = new ProcessRecords(path.join(options.stateFolder, 'processes'), options.logger);
    const leftovers = await killLeftovers(records, table, options.clock, options.agentPid);
    for (const {attemptId, survivors} of leftovers)
      options.logger.warn('ended what an earlier agent left running', {
        attemptId,
        survivors: survivors.length,
      });
    const supervisor = new Supervisor(options, table, records, leftovers);
    await supervisor.link.connected;
    return supervisor;
  }

  /**
   * Starts a process of an attempt in a session of its own. It begins to work only after it is recorded on disk and known to
   * the supervisor. An attempt may have several processes; they are ended together.
   */
  spawn(attemptId: string, request: SpawnRequest): AttemptProcess {
    const env = {
      ...request.env,
      [ATTEMPT_VARIABLE]: attemptId,
      [AGENT_RUN_VARIABLE]: this.options.agentRun,
    };
    const {child, open} = gatedSpawn({...request, env});
    const exit = exitOf(child);
    const row = child.pid === undefined ? undefined : this.table.row(child.pid);
    if (row) {
      const root = {pid: row.pid, startedAt: row.startedAt};
      this.record(attemptId, root);
      this.link.send({kind: 'track', attemptId, root}, open);
    }
    return {child, exit};
  }

  /**
   * Ends every process of the attempt: politely first where asked, then by SIGKILL until none is left. Resolves with what could
   * not be ended. Safe to call for an attempt that has none.
   */
  killTree(attemptId: string, polite?: PoliteEnd): Promise<readonly ProcessIdentity[]> {
    return this.link.kill(attemptId, polite);
  }

  /** Ends whatever the attempt left behind and forgets the attempt. Call it once its work is done. */
  async release(attemptId: string): Promise<readonly ProcessIdentity[]> {
    const survivors = await this.killTree(attemptId);
    const attempt = this.attempts.get(attemptId);
    this.attempts.delete(attemptId);
    this.link.send({kind: 'forget', attemptId});
    // A survivor's record stays: the next agent tries again.
    if (survivors.length > 0)
      this.options.logger.error('processes survived SIGKILL', {
        attemptId,
        pids: survivors.map(survivor => survivor.pid),
      });
    else for (const root of attempt?.roots ?? []) this.records.remove(root);
    return survivors;
  }

  /** Ends every attempt's processes and the supervisor. */
  async stop(): Promise<void> {
    await Promise.all([...this.attempts.keys()].map(attemptId => this.release(attemptId)));
    await this.link.stop();
  }

  private record(attemptId: string, root: ProcessIdentity): void {
    const attempt = this.attempts.get(attemptId);
    if (attempt) attempt.roots.push(root);
    else this.attempts.set(attemptId, {roots: [root], members: []});
    const {agentRun} = this.options;
    this.records.add({v: 1, attemptId, agentRun, agent: this.agent, boot: this.table.boot, ...root});
  }

  private receive(message: FromSupervisor): void {
    if (message.kind !== 'members') return;
    const attempt = this.attempts.get(message.attemptId);
    if (attempt) attempt.members = message.members;
  }

  /** A new supervisor learns what the one before it knew. */
  private trackAll(): void {
    for (const [attemptId, {roots, members}] of this.attempts)
      for (const root of roots) this.link.send({kind: 'track', attemptId, root, members: [...members]});
  }
}

function exitOf(child: ChildProcess): Promise<ProcessExit> {
  return new Promise(resolve => {
    child.once('error', error => {
      if (child.pid === undefined) resolve({kind: 'notStarted', error});
    });
    child.once('exit', (code, signal) => {
      if (signal) resolve({kind: 'signalled', signal});
      else if (code !== null) resolve({kind: 'exited', code});
      else resolve({kind: 'notStarted', error: new CoordinatorError('internal', 'no exit status')});
    });
  });
}
