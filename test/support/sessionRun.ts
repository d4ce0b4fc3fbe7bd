/** One session of a fleet: started from a plan, followed row by row, its result fetched. What it should have done is for tests to say. */
import path from 'node:path';
import type {ArtifactClient} from '../../coordinator/artifacts/artifactClient.ts';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {LocalRepository} from '../../coordinator/client/repository/localRepository.ts';
import {rowKey, type ViewUpdate, type ViewWatch} from '../../coordinator/client/viewWatch.ts';
import type {CommandIo} from '../../coordinator/commands/io.ts';
import {bringResult} from '../../coordinator/commands/run/bringResult.ts';
import {sendWorkspace} from '../../coordinator/commands/run/sendWorkspace.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import type {AttemptRecord, RefusalRecord} from '../../coordinator/protocol/model/attempt.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {parsePlanBytes} from '../../coordinator/protocol/plan/parse.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';
import {newId, systemRandom} from '../../coordinator/runtime/random.ts';
import {within} from './waiting.ts';

const START_TIMEOUT_MS = 60_000;

/** Whoever has coordinators: a fleet. */
export interface SessionHost {
  /** For temporary files. */
  readonly folder: string;
  connect(): Promise<McpxClient>;
  artifacts(): ArtifactClient;
}

export interface SessionOptions {
  /** YAML or JSON. */
  readonly plan: string;
  /** The git repository that it works on; absent for `workspace: none`. */
  readonly project?: string;
  readonly rehearsal?: boolean;
}

/** The session's rows as they are now, by id. */
export interface SessionState {
  readonly session: SessionRecord | undefined;
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  readonly attempts: ReadonlyMap<string, AttemptRecord>;
  readonly refusals: readonly RefusalRecord[];
}

/** A row as it arrived: in a snapshot, or by the change at this revision. */
export interface SeenRow {
  readonly revision: number;
  readonly by: 'snapshot' | 'change';
  readonly row: Row;
}

export class SessionRun {
  /** Every row in the order in which it arrived. */
  readonly seen: SeenRow[] = [];
  /** Revisions of all updates, in their order. */
  readonly revisions: number[] = [];
  private readonly updates = new Emitter<void>();
  private readonly view: ViewWatch;
  private readonly known = new Map<string, Row>();

  private constructor(
    readonly id: string,
    readonly plan: Plan,
    readonly client: McpxClient,
    private readonly fleet: SessionHost,
    private readonly project: string | undefined,
  ) {
    this.view = client.watch({view: 'session', sessionId: id}, update => this.note(update));
  }

  /** Resolves when the coordinator has the session. */
  static async start(fleet: SessionHost, options: SessionOptions): Promise<SessionRun> {
    const parsed = parsePlanBytes(Buffer.from(options.plan));
    if (parsed.kind !== 'plan') throw new Error(`the plan is at fault: ${JSON.stringify(parsed)}`);
    const client = await fleet.connect();
    const id = newId(systemRandom, 's');
    const {project, rehearsal = false} = options;
    const sent =
      project === undefined
        ? undefined
        : await sendWorkspace({
            plan: parsed.plan,
            planFolder: project,
            includeUncommitted: false,
            client,
            artifacts: fleet.artifacts(),
            clock: systemClock,
            io: quietIo(fleet.folder),
            signal: new AbortController().signal,
          });
    const run = new SessionRun(id, parsed.plan, client, fleet, project);
    await client.request(
      'mcpx.orchestrate.session.start',
      {sessionId: id, plan: parsed.plan, workspace: sent?.source, rehearsal},
      {retry: true, timeoutMs: START_TIMEOUT_MS},
    );
    return run;
  }

  get state(): SessionState {
    const tasks = new Map<string, TaskRecord>();
    const attempts = new Map<string, AttemptRecord>();
    const refusals: RefusalRecord[] = [];
    let session: SessionRecord | undefined;
    for (const row of this.view.rows.values()) {
      if (row.kind === 'session') session = row.session;
      if (row.kind === 'task') tasks.set(row.task.id, row.task);
      if (row.kind === 'attempt') attempts.set(row.attempt.id, row.attempt);
      if (row.kind === 'refusal') refusals.push(row.refusal);
    }
    return {session, tasks, attempts, refusals};
  }

  /** Resolves with what `look` finds, after any change of the session; rejects after `timeoutMs` with the state of its tasks. */
  async until<T>(look: (state: SessionState) => T | undefined, timeoutMs: number, what: string): Promise<T> {
    const now = look(this.state);
    if (now !== undefined) return now;
    let stop: {dispose(): void} | undefined;
    const arrived = new Promise<T>((resolve, reject) => {
      stop = this.updates.event(() => {
        try {
          const result = look(this.state);
          if (result !== undefined) resolve(result);
        } catch (error) {
          reject(error);
        }
      });
    });
    try {
      return await within(arrived, timeoutMs, () => `${what}; ${this.describe()}`);
    } finally {
      stop?.dispose();
    }
  }

  /** Resolves with the session's record once it has ended. */
  ended(timeoutMs: number): Promise<SessionRecord> {
    return this.until(
      ({session}) => (session && FINAL_SESSION_STATES.has(session.state) ? session : undefined),
      timeoutMs,
      `the end of session ${this.id}`,
    );
  }

  /** The current attempt of a task, once its agent works on it. */
  running(taskId: string, timeoutMs: number): Promise<AttemptRecord> {
    return this.until(
      ({tasks, attempts}) => {
        const attempt = attempts.get(tasks.get(taskId)?.currentAttempt ?? '');
        return attempt?.state === 'running' ? attempt : undefined;
      },
      timeoutMs,
      `task ${taskId} to run`,
    );
  }

  /** Fetches the result branch into the project; returns its commit. */
  async fetchResult(): Promise<string> {
    const {session} = this.state;
    if (!session?.result || this.project === undefined) throw new Error(`no result: ${this.describe()}`);
    const repository = await LocalRepository.open(this.project, {
      env: process.env,
      temporaryFolder: this.fleet.folder,
    });
    await bringResult(session, repository, this.fleet.artifacts(), silentLogger);
    return session.result.commit;
  }

  describe(): string {
    const {session, tasks, attempts} = this.state;
    const lines = [...tasks.values()].map(task => {
      const own = [...attempts.values()].filter(attempt => attempt.taskId === task.id);
      const tried = own.map(
        ({number, agentId, state, outcome}) => `${number}:${agentId}:${outcome ?? state}`,
      );
      const why = task.waitingFor?.message ?? task.failure?.message ?? '';
      return `  ${task.id} ${task.state} ${tried.join(' ')} ${why}`;
    });
    return [`session ${this.id} is ${session?.state} ${session?.failure ?? ''}`, ...lines].join('\n');
  }

  dispose(): void {
    this.view.dispose();
    this.updates.dispose();
  }

  private note(update: ViewUpdate): void {
    if (update.kind === 'failed') return;
    const {revision} = update.cursor;
    this.revisions.push(revision);
    const rows = update.kind === 'changes' ? update.upserts : [...this.view.rows.values()];
    for (const row of rows) {
      const key = rowKey(row);
      if (this.known.get(key) === row) continue;
      this.known.set(key, row);
      this.seen.push({revision, by: update.kind === 'changes' ? 'change' : 'snapshot', row});
    }
    this.updates.emit();
  }
}

function quietIo(folder: string): CommandIo {
  return {
    stdout: () => undefined,
    stderr: () => undefined,
    env: process.env,
    cwd: path.resolve(folder),
    interactive: false,
    columns: 80,
  };
}
