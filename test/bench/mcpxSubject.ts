/** Our side: a coordinator with its durable store and one agent, real processes of the built program. */
import {mkdir, mkdtemp, rm} from 'node:fs/promises';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {connectClient, type McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import {rowKey} from '../../coordinator/client/viewWatch.ts';
import {snapshotRows} from '../../coordinator/commands/local/connect.ts';
import {readEndpoint} from '../../coordinator/commands/local/endpoint.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {newId, systemRandom} from '../../coordinator/runtime/random.ts';
import {BenchProcess, cpuMeter} from './processes.ts';
import type {Measurement, Shape, Subject} from './subject.ts';

export interface McpxOptions {
  /** The built command. */
  readonly program: string;
  readonly scratch: string;
  readonly slots: number;
  /** `name=value` settings of the coordinator. */
  readonly settings?: readonly string[];
  /** Flags of Node for the coordinator and the agent, such as those of a profiler. */
  readonly nodeFlags?: (part: 'coordinator' | 'agent') => readonly string[];
}

interface TaskTimes {
  readonly readyAt: number;
  readonly startedAt: number;
  readonly endedAt: number;
}

const START_TIMEOUT_MS = 60_000;
const PROBE = fileURLToPath(new URL('memoryProbe.mjs', import.meta.url));

export class McpxSubject implements Subject {
  readonly name = 'MCPX';

  private constructor(
    private readonly folder: string,
    private readonly processes: {readonly coordinator: BenchProcess; readonly agent: BenchProcess},
    private readonly client: McpxClient,
  ) {}

  static async start(options: McpxOptions): Promise<McpxSubject> {
    const {program, scratch, slots, settings = [], nodeFlags = () => []} = options;
    await mkdir(scratch, {recursive: true});
    const folder = await mkdtemp(path.join(scratch, 'mcpx-'));
    const data = path.join(folder, 'coordinator');
    const coordinator = BenchProcess.start(
      process.execPath,
      [
        ...['--expose-gc', '--import', PROBE, ...nodeFlags('coordinator')],
        ...[program, 'coordinator', '--data', data, '--log', 'warn'],
        ...settings.flatMap(setting => ['--set', setting]),
      ],
      {logFile: path.join(scratch, 'coordinator.log'), ipc: true},
    );
    const endpoint = await coordinator.until('the coordinator', () => readEndpoint(data));
    const agent = BenchProcess.start(
      process.execPath,
      [
        ...['--expose-gc', '--import', PROBE, ...nodeFlags('agent')],
        ...[program, 'agent', '--join', endpoint.url, '--state', path.join(folder, 'agent')],
        ...['--id', 'bench', '--slots', String(slots), '--claude', 'off', '--log', 'warn'],
      ],
      {logFile: path.join(scratch, 'agent.log'), ipc: true, env: {MCPX_TOKEN: endpoint.agentToken}},
    );
    const client = connectClient({
      urls: [endpoint.url],
      token: () => endpoint.token,
      openSocket: nodeSocket(),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      implementation: {name: 'mcpx-bench', version: '0'},
    });
    await client.whenConnected(START_TIMEOUT_MS);
    await agent.until('the agent', async () => {
      const rows = await snapshotRows(client, {view: 'agents'});
      return rows.some(row => row.kind === 'agent' && row.online) || undefined;
    });
    return new McpxSubject(folder, {coordinator, agent}, client);
  }

  async run(shape: Shape, tasks: number, lanes: number): Promise<Measurement> {
    const plan = planOf(shape, tasks, lanes);
    const cpu = await cpuMeter(this.processes);
    const began = performance.now();
    const beganWall = Date.now();
    const session = await this.runSession(plan);
    const elapsedMs = performance.now() - began;
    const cpuMs = await cpu();
    const times = timesOf(await snapshotRows(this.client, {view: 'session', sessionId: session.id}), plan);
    const firstReady = Math.min(...times.map(({readyAt}) => readyAt));
    return {
      elapsedMs,
      drainMs: elapsedMs - (firstReady - beganWall),
      waitsMs: times.map(({readyAt, startedAt}) => startedAt - readyAt),
      cpuMs,
    };
  }

  /** Bytes in use after a collection. */
  async memory(): Promise<{coordinator: NodeJS.MemoryUsage; agent: NodeJS.MemoryUsage}> {
    const {coordinator, agent} = this.processes;
    return {coordinator: await coordinator.ask({}), agent: await agent.ask({})};
  }

  /** Sessions that the coordinator has, ended ones included. */
  async sessions(): Promise<number> {
    return (await snapshotRows(this.client, {view: 'sessions'})).length;
  }

  async runSession(plan: Plan): Promise<SessionRecord> {
    const sessionId = newId(systemRandom, 's');
    const ended = new Promise<SessionRecord>((resolve, reject) => {
      const watch = this.client.watch({view: 'sessions'}, update => {
        if (update.kind === 'failed') reject(update.error);
        const row = watch.rows.get(rowKey({kind: 'session', id: sessionId}));
        if (row?.kind !== 'session' || !FINAL_SESSION_STATES.has(row.session.state)) return;
        watch.dispose();
        resolve(row.session);
      });
    });
    await this.client.request(
      'mcpx.orchestrate.session.start',
      {sessionId, plan},
      {timeoutMs: START_TIMEOUT_MS},
    );
    const session = await ended;
    if (session.counts.succeeded !== plan.tasks.length)
      throw new Error(`session ${sessionId} ended as ${session.state}: ${JSON.stringify(session.counts)}`);
    return session;
  }

  async stop(): Promise<void> {
    this.client.dispose();
    await this.processes.agent.stop();
    await this.processes.coordinator.stop();
    await rm(this.folder, {recursive: true, force: true});
  }
}

/** As many chains as there are lanes, so that exactly so many tasks are in flight; or no dependency at all. */
export function planOf(shape: Shape, tasks: number, lanes: number): Plan {
  return {
    name: `bench ${shape}`,
    workspace: {kind: 'none'},
    mode: 'hybrid',
    strategy: 'capability-weighted',
    merge: {onConflict: 'fail'},
    gates: [],
    tasks: Array.from({length: tasks}, (_, index) => ({
      id: `t${index}`,
      work: {kind: 'noop'},
      dependsOn: shape === 'inFlight' && index >= lanes ? [`t${index - lanes}`] : [],
      requires: {},
      affinity: [],
      gates: [],
      retry: {max: 1, backoffMs: 2000, maxBackoffMs: 120_000},
      timeoutMs: 3_600_000,
      priority: 0,
      onLost: 'rerun',
      maxLosses: 3,
      env: {},
      secrets: [],
      keepConflicts: false,
    })),
  };
}

/** A task could start when its dependency was accepted; one without dependencies when it became ready. */
function timesOf(rows: readonly Row[], plan: Plan): TaskTimes[] {
  const started = new Map<string, number>();
  const ended = new Map<string, number>();
  const ready = new Map<string, number>();
  for (const row of rows) {
    if (row.kind === 'attempt') started.set(row.attempt.taskId, row.attempt.startedAt ?? Number.NaN);
    if (row.kind !== 'task') continue;
    ended.set(row.task.id, row.task.endedAt ?? Number.NaN);
    ready.set(row.task.id, row.task.readyAt ?? Number.NaN);
  }
  return plan.tasks.map(({id, dependsOn}) => {
    const needed = dependsOn.map(other => ended.get(other) ?? Number.NaN);
    return {
      readyAt: needed.length > 0 ? Math.max(...needed) : (ready.get(id) ?? Number.NaN),
      startedAt: started.get(id) ?? Number.NaN,
      endedAt: ended.get(id) ?? Number.NaN,
    };
  });
}
